"""What the program prints and writes, to the letter, for one small world that never changes.

Refresh with ``python -m pytest tests/golden --refresh-golden``, and read the difference: scripts
and people depend on it. Times near now, names of runs, versions and latencies are blotted out.
"""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from program import Workplace, now, workplace
from reconciler.times import parse_time

EXPECTED = Path(__file__).with_name("expected")
KEY = {"RECONCILER_PSEUDONYM_KEY": "env:GOLDEN_KEY", "GOLDEN_KEY": "a key for golden files only"}
US = tuple(f"+12125550{number}" for number in range(101, 106))
EU = tuple(f"+13125550{number}" for number in range(110, 120))
END = "2099-01-01T00:00:00Z"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_RUN = re.compile(r"\b\d{8}T\d{6}Z-[0-9a-f]{6}\b")
_BLOTTED = {"version", "seconds", "digest", "specs", "calls", "artifacts"}
_FROM_NOW = {"NOW": timedelta(), "TOMORROW": timedelta(hours=24)}

Tell = Callable[[Workplace], str]


def printed(*words: str) -> Tell:
    """Return what tells the standard output of a run, its exit code behind it."""

    def tell(work: Workplace) -> str:
        ran = work.call(*words)
        return ran.out if "json" in words else f"{ran.out}(exit code {ran.code})\n"

    return tell


def saved(work: Workplace) -> str:
    """Return what a saved plan says."""
    work.call("plan", "--out", "plan.json")
    return (work.folder / "plan.json").read_text("utf-8")


def invalid(work: Workplace) -> str:
    """Return what is told of specs and contacts with a mistake in each."""
    work.write("bad.csv", "phoneNumber\n+12125550101\n5550103\nnobody@example.com\n")
    work.declare(more="  sources: [{path: bad.csv}]\n")
    contacts = printed("validate")(work)
    work.write("tenant.yaml", "apiVersion: reconciler/v1\nkind: Tenant\nmetadata: {nam: acme}\n")
    work.write("eu.yaml", "a: 1\na: [\n")
    return contacts + printed("validate")(work)


def refused(*words: str) -> Tell:
    """Return what is told after a run in which the service refused three contacts."""

    def tell(work: Workplace) -> str:
        with work.service(
            "reject:CARRIER_BLOCKED;ending=0107@POST contacts",
            "reject:INVALID_EMAIL;ending=example.com@POST contacts",
            "reject:CARRIER_BLOCKED;ending=0199@POST contacts",
        ):
            work.call("apply", "--auto-approve")
        return printed("rejected", *words)(work)

    return tell


TOLD: dict[str, Tell] = {
    "validate.txt": invalid,
    "ping.txt": printed("ping"),
    "plan.txt": printed("plan"),
    "plan.json": printed("plan", "--format", "json"),
    "plan.md": printed("plan", "--format", "markdown"),
    "saved-plan.json": saved,
    "apply.txt": printed("apply", "--auto-approve"),
    "receipt.json": printed("apply", "--auto-approve", "--format", "json"),
    "drift.txt": printed("drift", "--fail-on", "any"),
    "drift.json": printed("drift", "--format", "json"),
    "rejected.txt": refused(),
    "rejected.json": refused("--format", "json"),
}


@pytest.fixture
def work(tmp_path: Path) -> Workplace:
    """Return three lists: one to change in every way, one refused in part, one to be made."""
    work = workplace(tmp_path)
    work.environment |= KEY
    work.have(*((phone, "DNC", END) for phone in US), ("zoe@example.com", "BOUNCE", None))
    work.have(*((phone, "DNC", None) for phone in EU), list_id="e0e0e0", name="EU Do Not Call")
    work.embed()
    work.policy("maxReleases: {share: 20%, count: 5}")
    ground = "basis: written re-consent, ticket: LEGAL-1, requestedBy: privacy"
    release = f'{{phoneNumber: "{US[4]}", {ground}, requestedAt: {now():%Y-%m-%d}}}'
    work.declare(
        f'phoneNumber: "{US[0]}", suppressUntil: {END}',
        f'phoneNumber: "{US[1]}"',
        f'phoneNumber: "{US[2]}", suppressUntil: {END}, reason: COMPLIANCE',
        'phoneNumber: "(415) 555-0199"',
        "email: Ann@Example.com, reason: UNSUBSCRIBE",
        more=f"  releases: [{release}]\n  batchReason: Monthly sweep\n"
        "  list: {name: US Do Not Call, description: Nobody calls these}\n",
    )
    work.declare(
        *(f'phoneNumber: "{phone}"' for phone in (*EU[:6], "+17025550107")),
        name="eu-dnc",
        identity="listId: e0e0e0",
        more="  ownership: exclusive\n  releaseBasis: the CRM decides, LEGAL-2\n",
    )
    work.declare(
        'phoneNumber: "+16175550104"',
        name="optouts",
        identity="create: true\n  list: {name: Opt-outs, suppressUntil: 2099-12-31}",
    )
    return work


@pytest.mark.parametrize("name", TOLD)
def test_what_is_printed_is_what_was_agreed(
    work: Workplace, name: str, pytestconfig: pytest.Config
) -> None:
    """Character by character, but for what differs from run to run."""
    told = blotted(TOLD[name](work), work)
    if pytestconfig.getoption("--refresh-golden"):
        EXPECTED.mkdir(exist_ok=True)
        (EXPECTED / name).write_text(told, encoding="utf-8")

    assert (EXPECTED / name).read_text("utf-8") == told


def test_there_is_no_golden_file_that_nothing_prints() -> None:
    """A file that is left over would promise what is gone."""
    assert set(TOLD) == {path.name for path in EXPECTED.iterdir()}


def blotted(text: str, work: Workplace) -> str:
    """Return a text without what differs from run to run."""
    if text.startswith("{"):
        text = orjson.dumps(_plain(orjson.loads(text)), option=orjson.OPT_INDENT_2).decode() + "\n"
    text = _RUN.sub("RUN", text.replace(str(work.folder), "FOLDER"))
    text = re.sub(
        r"(pin listId: |\"detail\": \"|\"optouts\": \")[0-9a-f]{16}\b", r"\1CREATED", text
    )
    text = re.sub(r"(\"created_id\": \")[0-9a-f]{16}\b", r"\1CREATED", text)
    return _TIME.sub(lambda found: _near(found[0]), text)


def _near(time: str) -> str:
    """Return the name of a time near now; any other as it is."""
    for name, away in _FROM_NOW.items():
        if abs(parse_time(time) - now() - away) < timedelta(hours=1):
            return name
    return time


def _plain(value: Any) -> Any:
    """Return a JSON value, what is volatile in it blotted out."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {
            key: "…" if held and key.rpartition("_")[2] in _BLOTTED else _plain(held)
            for key, held in value.items()
        }
    return value
