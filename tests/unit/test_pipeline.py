"""The six verbs in their order, and nothing is written at the service before a yes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from builders import NOW, tenant
from reconciler import journal as journals
from reconciler import ledger, pipeline
from reconciler.api.port import Writer
from reconciler.artifacts import Run
from reconciler.errors import EvidenceError, ServiceError, SettingError, SpecError
from reconciler.model import Overrides, Selection, Tenant, Webhook
from strategies import OPEN
from worlds import LIST, Contact, World, running

TENANT = """\
apiVersion: reconciler/v1
kind: Tenant
metadata: {name: acme}
spec: {embedded: true}
"""
SPEC = """\
apiVersion: reconciler/v1
kind: SuppressionList
metadata: {name: us-dnc}
spec:
  tenant: acme
  listId: 7f3e2c
  list: {name: US Do Not Call}
  defaults: {reason: DNC, region: US}
  sources: [{path: contacts.csv}]
"""
CONTACTS = "email\nada@example.com\nbob@example.com\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a specs root with one list of two contacts."""
    folder = tmp_path / "specs"
    folder.mkdir()
    (folder / "tenant.yaml").write_text(TENANT, encoding="utf-8")
    (folder / "us-dnc.yaml").write_text(SPEC, encoding="utf-8")
    (folder / "contacts.csv").write_text(CONTACTS, encoding="utf-8")
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Open a run in a folder of its own."""
    with running(folder=tmp_path / "state") as opened:
        yield opened


def prepared(root: Path, run: Run, world: World, **how: Any) -> pipeline.Prepared:
    """Load, compile and observe."""
    return pipeline.prepare(Selection(root=root), reader=lambda _: world, as_of=NOW, run=run, **how)


def names(run: Run) -> set[str]:
    """The files and folders of the run."""
    return {path.name for path in run.folder.iterdir()}


def test_all_before_a_yes_only_reads(root: Path, run: Run) -> None:
    """And leaves evidence of both sides."""
    asked: list[str] = []
    world = World(contacts=[Contact(email="ada@example.com")], before=asked.append)

    found = prepared(root, run, world)

    assert {"get", "pages"} == set(asked)
    assert 1 == found.observed.lists["us-dnc"].gap.missing
    assert {"run.json", "specs.json", "observed.json", "tables"} == names(run)


def test_a_plan_may_be_asked_again_for_another_override(root: Path, run: Run) -> None:
    """From the same look at the service."""
    found = prepared(root, run, World())

    open_, shut = (
        found.plan(as_of=NOW, overrides=Overrides(max_suppressions=count, reason="test"))
        for count in (2, 1)
    )

    assert (False, True) == (open_.empty, shut.empty)
    assert ["max-suppressions"] == [one.rule for one in shut.refusals]


def test_a_preview_says_so(root: Path, run: Run) -> None:
    """It is never applied."""
    assert prepared(root, run, World()).plan(as_of=NOW, preview=True).preview


def test_problems_of_specs_end_it_before_the_service_is_asked(root: Path, run: Run) -> None:
    """No token, no request."""
    (root / "us-dnc.yaml").write_text(SPEC.replace("tenant: acme", "tenant: nobody"))

    def never(_: Tenant) -> Writer:
        raise AssertionError("nobody is to be asked")

    with pytest.raises(SpecError):
        pipeline.prepare(Selection(root=root), reader=never, as_of=NOW, run=run)

    assert {"run.json"} == names(run)


def test_what_the_ledger_knows_is_taken_into_account(root: Path, run: Run) -> None:
    """A list that was there once is not made anew."""
    text = SPEC.replace("listId: 7f3e2c", "create: true")
    (root / "us-dnc.yaml").write_text(text, encoding="utf-8")
    ledger.append(run, outcome="done", exit_code=0, lists={"us-dnc": LIST})

    made = prepared(root, run, World(exists=False)).plan(as_of=NOW)

    assert ["list-gone"] == [one.rule for one in made.refusals]


def test_a_plan_is_carried_out_and_recorded(root: Path, run: Run) -> None:
    """The journal, the changes and the receipt stand in the run's folder."""
    world = World()
    found = prepared(root, run, world)

    done = pipeline.execute(
        found.plan(as_of=NOW), tenants=found.spec.tenants, writer=lambda _: world, run=run
    )

    assert (0, [["ada@example.com", "bob@example.com"]]) == (done.exit_code, world.sent)
    assert {"journal.jsonl", "changes.parquet", "receipt.json"} <= names(run)
    lines = list(journals.replay(run.folder / "journal.jsonl"))
    assert ["intent", "outcome"] == [line["event"] for line in lines]
    assert done.run == orjson.loads((run.folder / "receipt.json").read_bytes())["run"]


def test_only_tenants_with_something_to_do_are_opened(root: Path, run: Run) -> None:
    """An empty plan needs no credentials that may write."""
    world = World(contacts=[Contact(email=f"{name}@example.com") for name in ("ada", "bob")])
    found = prepared(root, run, world)

    def never(_: Tenant) -> Writer:
        raise AssertionError("nobody is to be asked")

    done = pipeline.execute(
        found.plan(as_of=NOW), tenants=found.spec.tenants, writer=never, run=run
    )

    assert ((), 0) == (done.outcomes, done.exit_code)


def test_what_cannot_be_written_down_is_not_done(root: Path, run: Run) -> None:
    """A journal of that name is there already."""
    world = World()
    found = prepared(root, run, world)
    (run.folder / "journal.jsonl").touch()

    with pytest.raises(EvidenceError):
        pipeline.execute(
            found.plan(as_of=NOW), tenants=found.spec.tenants, writer=lambda _: world, run=run
        )

    assert [] == world.writes


def test_failures_of_looking_are_failures_of_the_run(root: Path, run: Run) -> None:
    """What could be planned is done nevertheless."""
    other = SPEC.replace("us-dnc", "other").replace("tenant: acme", "tenant: shut")
    (root / "other.yaml").write_text(other, encoding="utf-8")
    (root / "shut.yaml").write_text(TENANT.replace("acme", "shut"), encoding="utf-8")
    world = World()

    def way(tenant: Tenant) -> Writer:
        if tenant.name == "shut":
            raise SettingError("the secret env:X is not set")
        return world

    found = pipeline.prepare(Selection(root=root), reader=way, as_of=NOW, run=run)
    done = pipeline.execute(found.plan(as_of=NOW), tenants=found.spec.tenants, writer=way, run=run)

    assert 7 == done.exit_code
    assert [("other", 7)] == [(one.key, one.exit_code) for one in done.failures]
    assert ["send"] == world.writes


def test_a_webhook_that_is_not_delivered_fails_nothing(root: Path, run: Run) -> None:
    """The receipt says so."""
    world = World()
    found = prepared(root, run, world)
    hook = Webhook(url="http://127.0.0.1:9/hook", secret="env:NOT_SET")
    tenants = {"acme": replace(tenant(), webhooks=(hook,))}

    done = pipeline.execute(found.plan(as_of=NOW), tenants=tenants, writer=lambda _: world, run=run)

    assert (0, [False]) == (done.exit_code, [one.delivered for one in done.webhooks])


def test_a_list_that_fails_still_has_its_receipt(root: Path, run: Run) -> None:
    """With what is in doubt."""

    def down(request: str) -> None:
        if request == "send":
            raise ServiceError("it is down")

    world = World()
    found = prepared(root, run, world)
    world.before = down

    done = pipeline.execute(
        replace(found.plan(as_of=NOW), policy=OPEN),
        tenants=found.spec.tenants,
        writer=lambda _: world,
        run=run,
    )

    assert 1 == done.exit_code
    assert ("failed", 2, 0) == (
        str(done.outcomes[0].status),
        done.outcomes[0].rows,
        done.outcomes[0].taken,
    )
