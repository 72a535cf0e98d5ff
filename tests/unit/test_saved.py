"""A plan as a file: what it says, when it is believed, and what may be done in its place."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson
import pytest

from builders import LATER, NOW, desired, desired_list, gap, list_spec, observed, place, remote
from builders import observed_list as seen_list
from reconciler import saved
from reconciler.errors import SettingError, StalePlanError
from reconciler.model import (
    Direction,
    Failure,
    Feed,
    Freeze,
    ListPlan,
    Op,
    Overrides,
    Plan,
    Policy,
    Release,
    Sample,
    Selection,
    Settings,
    Shorten,
    Spec,
)
from reconciler.plan import digest, plan, suppress_only
from strategies import OPEN

PARTS = {Op.SUPPRESS: 4, Op.AMEND: 3, Op.SHORTEN: 2, Op.RELEASE: 1}
SPECS = {"policy.yaml": "p", "us-dnc.yaml": "u"}
POLICY = replace(
    OPEN,
    places=MappingProxyType({"maxReleases": place("specs/policy.yaml")}),
    freeze=(Freeze(start=LATER, end=LATER, why="audit", place=place()),),
    allow_empty=("eu",),
)


def decided(parts: Mapping[Op, int] = PARTS, **changes: Any) -> Plan:
    """Decide about a list that gets a name, contacts and an end, and loses some."""
    spec = list_spec(settings=Settings(name="US Do Not Call", suppress_until=LATER))
    held = Settings(name="Old name", description=None, suppress_until=None)
    sample = Sample(address="u•••@example.com", reason="DNC", until=LATER, source="a", line=1)
    measured = gap(parts=parts, samples={Op.RELEASE: (sample,)})
    seen = seen_list(gap=measured, **{"remote": remote(settings=held)} | changes)
    return plan(desired(desired_list(spec=spec)), observed(seen), policy=POLICY, as_of=NOW)


def save(made: Plan, root: Path, **selected: Any) -> Path:
    """Write a plan where ``plan --out`` was told to."""
    spec = Spec(root=root, tenants={}, lists=(), policy=POLICY, digests=SPECS)
    path = root.parent / "plan.json"
    content = saved.document(
        made, spec=spec, selection=Selection(root=root, **selected), key="0123456789abcdef"
    )
    path.write_bytes(content)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a specs root."""
    folder = tmp_path / "specs"
    folder.mkdir()
    return folder


def approved(root: Path, made: Plan) -> saved.SavedPlan:
    """Save a plan and read it back."""
    return saved.read(save(made, root), root=root, now=NOW)


def test_a_plan_is_read_back_as_it_was_saved(root: Path) -> None:
    """What was approved, of which specs, under which policy, for which lists."""
    made = decided()
    path = save(
        made,
        root,
        paths=(root / "us", root / "eu.yaml"),
        lists=("us-dnc",),
        labels=(("region", "us"), ("team", "a=b")),
    )

    read = saved.read(path, root=root, now=NOW)

    assert (made.id, NOW, "0123456789abcdef", SPECS) == (read.id, read.as_of, read.key, read.specs)
    assert ["us-dnc"] == [*read.lists]
    expected = Selection(
        root=root,
        paths=(root / "us", root / "eu.yaml"),
        lists=("us-dnc",),
        labels=(("region", "us"), ("team", "a=b")),
    )
    assert expected == read.selection


def test_a_plan_is_read_wherever_its_repository_lies(root: Path, tmp_path: Path) -> None:
    """CI plans in one folder and applies in another."""
    path = save(decided(), root, paths=(root / "us",))
    elsewhere = tmp_path / "clone" / "specs"

    assert (elsewhere / "us",) == saved.read(path, root=elsewhere, now=NOW).selection.paths


def test_a_plan_can_be_read_by_people_and_published(root: Path) -> None:
    """Counts, masked samples, sizes, rules and times; no path of a table."""
    made = replace(
        decided(),
        failures=(Failure(key="eu", message="no"),),
        overrides=Overrides(max_releases=7, reason="agreed"),
    )

    text = save(made, root).read_text(encoding="utf-8")

    held = orjson.loads(text)
    (listed,) = held["lists"]
    assert ("Plan", saved.FORMAT, False, False) == (
        held["kind"],
        held["format"],
        held["preview"],
        held["suppressesOnly"],
    )
    assert ("2026-11-23T10:15:00Z", "2026-11-24T10:15:00Z") == (held["as_of"], held["expiresAt"])
    assert (1000, 1003, '"1"') == (
        listed["size_before"],
        listed["size_after"],
        listed["version"],
    )
    assert {
        "kind": "Suppress",
        "rows": {"rows": 4, "digest": "us-dnc-suppress-4", "op": "suppress"},
    } in listed["actions"]
    assert "u•••@example.com" in text
    assert "1" == held["policy"]["max_release_share"]
    assert 7 == held["overrides"]["max_releases"]
    assert ["eu"] == [failure["key"] for failure in held["failures"]]
    assert "nowhere.parquet" not in text
    assert text.startswith("{\n")


def test_two_plans_of_one_state_are_one_file(root: Path) -> None:
    """Nothing in it depends on when or in what order it was written."""
    assert save(decided(), root).read_bytes() == save(decided(), root).read_bytes()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"rows": 1,', '"rows": 2,'),
        ("us-dnc-release-1", "us-dnc-release-2"),
        ("2026-11-24T10:15:00Z", "2027-11-24T10:15:00Z"),
        ('"preview": false', '"preview": true'),
        ("u•••@example.com", "v•••@example.com"),
        ('"digest": "', '"digest": "0'),
        ('"key": "0123', '"key": "3210'),
    ],
)
def test_an_edited_plan_is_refused(root: Path, old: str, new: str) -> None:
    """Whatever was changed in it, its own digest included."""
    path = save(decided(), root)
    text = path.read_text(encoding="utf-8")
    assert old in text

    path.write_text(new.join(text.rsplit(old, 1)), encoding="utf-8")

    with pytest.raises(StalePlanError, match="was edited after it was made") as caught:
        saved.read(path, root=root, now=NOW)
    assert "reconciler plan --out" in caught.value.hint


def test_a_plan_laid_out_otherwise_is_the_same_plan(root: Path) -> None:
    """A tool that sorts keys or drops blanks changes nothing that was approved."""
    path = save(decided(), root)
    held = orjson.loads(path.read_bytes())

    path.write_bytes(orjson.dumps(held, option=orjson.OPT_SORT_KEYS))

    assert decided().id == saved.read(path, root=root, now=NOW).id


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (NOW, ""),
        (NOW + timedelta(hours=24) - timedelta(seconds=1), ""),
        (NOW + timedelta(hours=24), "expired at 2026-11-24T10:15:00Z"),
        (NOW + timedelta(days=30), "expired at 2026-11-24T10:15:00Z"),
        (NOW - timedelta(seconds=1), "which is still to come"),
    ],
)
def test_a_plan_is_good_for_a_day(root: Path, now: datetime, expected: str) -> None:
    """And never before it was made."""
    path = save(decided(), root)

    if not expected:
        assert NOW == saved.read(path, root=root, now=now).as_of
        return
    with pytest.raises(StalePlanError, match=expected):
        saved.read(path, root=root, now=now)


def test_a_preview_is_never_applied(root: Path) -> None:
    """It was made for another time than now."""
    path = save(replace(decided(), preview=True), root)

    with pytest.raises(StalePlanError, match="is a preview"):
        saved.read(path, root=root, now=NOW)


def _sealed(changes: Mapping[str, Any], root: Path) -> bytes:
    """A plan file with other content whose own digest is right."""
    held = orjson.loads(save(decided(), root).read_bytes())
    del held["digest"]
    held = {name: value for name, value in (held | changes).items() if value is not ...}
    return orjson.dumps({**held, "digest": saved._digest(held)})  # noqa: SLF001 - what a forger would do


def test_another_document_is_no_plan(root: Path) -> None:
    """Whatever its format says."""
    path = root.parent / "plan.json"
    path.write_bytes(_sealed({"kind": "Receipt"}, root))

    with pytest.raises(SettingError, match="is not a plan file"):
        saved.read(path, root=root, now=NOW)


@pytest.mark.parametrize("changes", [{"format": 2}, {"format": "1"}, {"format": None}], ids=str)
def test_a_format_we_do_not_know_is_refused(root: Path, changes: Mapping[str, Any]) -> None:
    """It is not guessed what a newer version means."""
    path = root.parent / "plan.json"
    path.write_bytes(_sealed(changes, root))

    with pytest.raises(SettingError, match="is not a plan of format 1") as caught:
        saved.read(path, root=root, now=NOW)
    assert "same version of reconciler" in caught.value.hint


@pytest.mark.parametrize(
    "changes",
    [
        {"selection": ...},
        {"selection": []},
        {"as_of": "soon"},
        {"as_of": 5},
        {"expiresAt": ...},
        {"preview": ...},
        {"lists": [{"name": "us-dnc"}]},
        {"lists": 3},
        {"key": ...},
    ],
    ids=str,
)
def test_a_plan_with_parts_missing_is_no_plan(root: Path, changes: Mapping[str, Any]) -> None:
    """Even where its digest is right."""
    path = root.parent / "plan.json"
    path.write_bytes(_sealed(changes, root))

    with pytest.raises(SettingError, match="is not a plan file"):
        saved.read(path, root=root, now=NOW)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b'"x"', b"null", b"\xff", b"a: b\n"])
def test_a_file_that_is_no_plan_is_told(root: Path, content: bytes) -> None:
    """In one line."""
    path = root.parent / "plan.json"
    path.write_bytes(content)

    with pytest.raises(SettingError, match=r"plan\.json is not a plan file"):
        saved.read(path, root=root, now=NOW)


def test_a_file_that_is_not_there_is_told(root: Path) -> None:
    """As a path that does not exist."""
    with pytest.raises(SettingError, match="is not a plan file"):
        saved.read(root.parent / "plan.json", root=root, now=NOW)


def accepted(
    root: Path, then: Plan, now: Plan, *, safer: bool, specs: Mapping[str, str] = SPECS
) -> bool:
    """Whether a plan made now may be applied in place of the one approved then."""
    return saved.accepted(approved(root, then), now, specs=specs, safer=safer)


@pytest.mark.parametrize("safer", [False, True])
def test_the_same_plan_is_accepted(root: Path, safer: bool) -> None:
    """Whatever specs and policy now say: what is done is what was approved."""
    now = replace(decided(), policy=Policy(), as_of=NOW + timedelta(hours=1))

    assert accepted(root, decided(), now, safer=safer, specs={})


@pytest.mark.parametrize(
    "now",
    [
        decided(PARTS | {Op.SUPPRESS: 5}),
        decided(PARTS | {Op.AMEND: 9}),
        decided({Op.SHORTEN: 2, Op.RELEASE: 1}),
        decided({Op.SUPPRESS: 4, Op.AMEND: 3, Op.SHORTEN: 2}),
        decided({Op.SUPPRESS: 4, Op.AMEND: 3, Op.RELEASE: 1}),
        decided({Op.SUPPRESS: 5}, remote=remote()),
        decided({}, remote=remote(settings=Settings(name="US Do Not Call", suppress_until=LATER))),
        suppress_only(decided()),
    ],
)
def test_a_safer_plan_is_accepted_only_where_that_was_asked_for(root: Path, now: Plan) -> None:
    """Others suppressed or amended; who is let go, and the settings, as approved or not at all."""
    assert accepted(root, decided(), now, safer=True)
    assert not accepted(root, decided(), now, safer=False)


@pytest.mark.parametrize(
    "now",
    [
        decided(PARTS | {Op.RELEASE: 2}),
        decided(PARTS | {Op.SHORTEN: 1}),
        decided(remote=remote(settings=Settings(name="Other", suppress_until=None))),
        decided(remote=remote(id="another")),
        decided(remote=None),
        decided({Op.SUPPRESS: 4}, remote=None),
    ],
)
def test_a_plan_that_lets_others_go_is_never_accepted(root: Path, now: Plan) -> None:
    """Nor one that changes settings otherwise, on another list, or makes a list."""
    assert not accepted(root, decided(), now, safer=True)


def test_suppressing_on_another_list_of_that_name_is_safer(root: Path) -> None:
    """Nobody is let go by it."""
    now = suppress_only(decided(remote=remote(id="another")))

    assert accepted(root, decided(), now, safer=True)


def test_a_release_that_was_not_approved_at_all_is_not_accepted(root: Path) -> None:
    """A list that could not be read when the plan was made has none."""
    then = replace(decided(), lists=(), id=digest(()))

    assert not accepted(root, then, decided(), safer=True)
    assert accepted(root, then, suppress_only(decided()), safer=True)
    assert accepted(root, decided(), then, safer=True)


def test_what_is_left_of_releases_is_refused_and_keeps_nothing_else_back(root: Path) -> None:
    """An apply that was interrupted carried out the others; suppressions go on without it."""
    then = approved(root, decided(PARTS | {Op.RELEASE: 3}))
    left = decided({Op.SUPPRESS: 2, Op.RELEASE: 1})

    made = saved.without_remainders(then, left)

    (refusal,) = made.refusals
    assert suppress_only(left).id == suppress_only(made).id
    assert not any(isinstance(action, Release | Shorten) for action in made.lists[0].actions)
    assert (Direction.RELEASE, "approved-plan") == (refusal.direction, refusal.rule)
    assert refusal.message.startswith("1 of the 5 approved to be shortened or released are left")
    assert saved.accepted(then, made, specs=SPECS, safer=True)


@pytest.mark.parametrize(
    "now",
    [
        decided(),
        decided(PARTS | {Op.RELEASE: 2}),
        decided({Op.SUPPRESS: 4}),
        decided({Op.RELEASE: 1}, remote=remote(id="another")),
        replace(decided(), lists=(), id=digest(())),
    ],
)
def test_what_is_no_rest_of_the_approved_releases_is_left_as_it_is(root: Path, now: Plan) -> None:
    """All of them, more, none, or those of another list: whether that may be is decided after."""
    assert now == saved.without_remainders(approved(root, decided()), now)


@pytest.mark.parametrize(
    "changes",
    [
        {"specs": SPECS | {"us-dnc.yaml": "edited"}},
        {"specs": {}},
        {"policy": replace(POLICY, max_release_count=1)},
        {"policy": replace(POLICY, max_release_share=Decimal("0.5"))},
        {"policy": replace(POLICY, release_within=timedelta(days=1))},
        {"policy": replace(POLICY, freeze=())},
    ],
    ids=str,
)
def test_safer_needs_the_approved_specs_and_policy(root: Path, changes: dict[str, Any]) -> None:
    """Somebody else may have meant something else by them."""
    specs = changes.get("specs", SPECS)
    now = replace(decided(PARTS | {Op.SUPPRESS: 5}), policy=changes.get("policy", POLICY))

    assert not accepted(root, decided(), now, safer=True, specs=specs)


def _fed(made: Plan, *feeds: Feed) -> Plan:
    return replace(made, lists=tuple(replace(listed, feeds=feeds) for listed in made.lists))


def test_safer_needs_the_approved_contact_files(root: Path) -> None:
    """Who is missing in another file may be somebody who was to stay."""
    feed = Feed(path="a.csv", files=("a.csv",), rows=3, sha256="then")
    more = decided(PARTS | {Op.SUPPRESS: 5})
    then = _fed(decided(), feed)
    same, other, gone = _fed(more, feed), _fed(more, replace(feed, sha256="now")), _fed(more)

    assert accepted(root, then, same, safer=True)
    assert not accepted(root, then, other, safer=True)
    assert not accepted(root, then, gone, safer=True)


def _listed(change: Callable[[ListPlan], ListPlan], made: Plan) -> Plan:
    return replace(made, lists=tuple(map(change, made.lists)))


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (
            decided(PARTS | {Op.SUPPRESS: 1234}),
            r"us-dnc: approved UpdateList name, 4 .*, 1 release \[\w{8}\], now .* 1,234 suppr",
        ),
        (replace(decided(), lists=()), r"us-dnc: approved .*, 1 release \[\w{8}\], now nothing"),
        (_listed(lambda one: replace(one, actions=()), decided()), "us-dnc: .*, now nothing"),
        (decided(remote=None), r"us-dnc: .*, now CreateList, 4 suppress, .* \[\w{8}\]"),
        (decided(remote=remote(id="other", settings=decided().lists[0].observed)), "us-dnc: app"),
        (
            _listed(lambda one: replace(one, key="eu"), decided()),
            r"eu: approved nothing, now .*; us-dnc: approved .*, now nothing",
        ),
    ],
)
def test_the_difference_is_told_in_counts(root: Path, now: Plan, expected: str) -> None:
    """List by list; equal counts of other people, or of another list, differ by a digest."""
    told = saved.difference(approved(root, decided()), now)

    assert re.fullmatch(expected + ".*", told)
    assert "Old name" not in told


def test_lists_that_do_not_differ_are_not_told(root: Path) -> None:
    """Nothing to do then and now is no difference either, whether the list was read or not."""
    idle = _listed(lambda one: replace(one, key="idle", actions=()), decided())
    both = replace(decided(), lists=decided().lists + idle.lists)

    assert "" == saved.difference(approved(root, decided()), decided())
    assert "" == saved.difference(approved(root, decided()), both)
    assert "" == saved.difference(approved(root, both), decided())
