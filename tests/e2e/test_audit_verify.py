"""The installed command verifies what its runs left, signed or not."""

import base64
from pathlib import Path

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from program import Workplace, workplace

PRIVATE = Ed25519PrivateKey.from_private_bytes(b"s" * 32)


@pytest.fixture
def work(tmp_path: Path) -> Workplace:
    """Return a folder with a list that was applied, by a run that says where it comes from."""
    work = workplace(tmp_path)
    work.embed()
    identity = "create: true\n  list: {name: US Do Not Call}"
    work.declare("email: u1@example.com, reason: DNC", identity=identity)
    work.environment |= {
        "RECONCILER_SIGNING_KEY": "env:SIGN",
        "SIGN": base64.b64encode(b"s" * 32).decode(),
        "RECONCILER_APPROVER": "Ann <ann.lee@acme.example>",
        "GITHUB_SERVER_URL": "https://bot:hush@github.example",
        "GITHUB_REPOSITORY": "acme/specs",
        "GITHUB_RUN_ID": "12345678901",
        "GITHUB_SHA": "a" * 40,
    }
    assert work.call("apply", "--auto-approve").code == 0
    (work.folder / "sign.pub").write_text(
        base64.b64encode(PRIVATE.public_key().public_bytes_raw()).decode()
    )
    return work


def test_what_runs_left_is_whole_and_signed(work: Workplace) -> None:
    """Text and JSON, with the key and without; the line says where its run comes from."""
    state = work.folder / ".reconciler"
    told = work.call("audit", "verify", "--key", "sign.pub", "--format", "json")
    plain = work.call("audit", "verify")

    held = orjson.loads((state / "ledger" / "00000001.json").read_bytes())
    run = orjson.loads((state / "runs" / held["run"] / "run.json").read_bytes())
    assert (0, 0) == (told.code, plain.code)
    assert plain.out.splitlines()[-1].startswith("Verified: 1 ledger line, 1 run, ")
    assert (True, 1, []) == (
        told.document["whole"],
        told.document["counts"]["signed"],
        told.document["findings"],
    )
    assert held["origin"].items() <= run.items()
    assert "https://github.example/acme/specs/actions/runs/12345678901" == run["ci_run"]
    assert ("a" * 40, "Ann <a•••@acme.example>") == (run["commit"], run["approver"])
    assert "hush" not in str(held)


def test_one_altered_file_is_named_and_ends_in_an_error(work: Workplace) -> None:
    """With the beginning of both digests."""
    plan = next((work.folder / ".reconciler" / "runs").glob("*/plan.json"))
    plan.write_bytes(plan.read_bytes() + b" ")

    told = work.call("audit", "verify")

    first, *_, last = told.out.splitlines()
    assert 1 == told.code
    assert first.startswith(f"altered: runs/{plan.parent.name}/plan.json (expected ")
    assert last.startswith("Not as written: 1 finding in 1 ledger line")


def test_a_key_that_cannot_be_used_is_told_before_anything(work: Workplace) -> None:
    """As a wrong setting."""
    (work.folder / "bad.pub").write_text("hush")

    bad = work.call("audit", "verify", "--key", "bad.pub")
    absent = work.call("audit", "verify", "--key", "absent.pub")

    assert (7, 7) == (bad.code, absent.code)
    assert "error: bad.pub holds no public key" in bad.err
    assert "hush" not in bad.err
