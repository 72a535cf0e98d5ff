"""What policy refuses is withheld and told to the letter; an override is a flag with a reason."""

from datetime import timedelta
from pathlib import Path

import pytest

from program import LIST, Workplace, now, workplace

PHONES = tuple(f"+12125550{number}" for number in range(100, 110))
NEW = "+13125550120"
REASON = "audit 7 asked for it"


@pytest.fixture
def work(tmp_path: Path) -> Workplace:
    """Return a folder to work in."""
    work = workplace(tmp_path)
    work.embed()
    return work


def release(phone: str) -> str:
    """Return a release with its ground."""
    ground = f"basis: b, ticket: T-1, requestedBy: p, requestedAt: {now():%Y-%m-%d}"
    return f'  releases: [{{phoneNumber: "{phone}", {ground}}}]\n'


def wanting(phones: tuple[str, ...]) -> tuple[str, ...]:
    """Return contacts as a spec writes them."""
    return tuple(f'phoneNumber: "{phone}"' for phone in phones)


def world_of_five_rules(work: Workplace) -> dict[str, str]:
    """Have a list for each rule that can be overridden; return the line each refusal is told in."""
    today = now()
    start, end = today - timedelta(days=1), today + timedelta(days=1)
    work.policy(
        "maxReleases: {share: 20%, count: 5}",
        "maxSuppressions: {count: 1}",
        f'freeze: [{{from: "{start:%Y-%m-%dT%H:%M:%SZ}", to: "{end:%Y-%m-%dT%H:%M:%SZ}", '
        "why: audit}]",
    )
    every = tuple((phone, "DNC", None) for phone in PHONES)
    owned = "  ownership: exclusive\n  releaseBasis: the CRM decides\n"
    for name in ("crowded", "empty", "frozen", "stale"):
        work.have(*every, list_id=name, name=f"List {name}")
    crowded = wanting((*PHONES[:7], NEW, "+13125550121"))
    work.declare(*crowded, name="crowded", identity="listId: crowded", more=owned)
    work.declare(name="empty", identity="listId: empty\n  list: {name: Empty}")
    frozen = wanting((*PHONES[:9], NEW))
    work.declare(*frozen, name="frozen", identity="listId: frozen", more=release(PHONES[9]))
    work.write("feed.csv", "phoneNumber\n" + "".join(f"{phone}\n" for phone in PHONES[:9]))
    feed = "  sources: [{path: feed.csv, asOf: 2026-01-01, maxAge: P31D}]\n"
    work.declare(name="stale", identity="listId: stale", more=feed + release(PHONES[9]))
    freeze = f"in the freeze until {end:%Y-%m-%dT%H:%M:%SZ}, audit (specs/policy.yaml:7:"
    return {
        "max-suppressions": "Refused: 2 to suppress is over maxSuppressions 1 "
        '(specs/policy.yaml:6). To allow it once: --max-suppressions 2 --reason "…"',
        "max-releases": "Refused: 3 releases is 30.0% of 10, over maxReleases 20% "
        '(specs/policy.yaml:5). To allow it once: --max-releases 3 --reason "…"',
        "freeze": f"Refused: 1 release {freeze}",
        "allow-empty": "Refused: empty declares no contact, and is not in allowEmpty "
        '(the default). To allow it once: --allow-empty empty --reason "…"',
        "stale-feed": "Refused: the feed feed.csv is as of 2026-01-01T23:59:59Z, older than its "
        "maxAge P31D (specs/stale.yaml:8:",
    }


def test_each_rule_refuses_its_direction_of_its_list_alone(work: Workplace) -> None:
    """All are told at once, exit code 4; what is not refused is done; no variable overrides."""
    expected = world_of_five_rules(work)
    variables = {
        "RECONCILER_APPLY_MAX_RELEASES": "100",
        "RECONCILER_APPLY_MAX_SUPPRESSIONS": "100",
        "RECONCILER_APPLY_ALLOW_EMPTY": "empty",
        "RECONCILER_APPLY_IGNORE_FREEZE": "1",
        "RECONCILER_APPLY_ACCEPT_STALE_FEED": "stale",
        "RECONCILER_APPLY_REASON": REASON,
    }

    planned = work.call("plan", "--out", "plan.json")
    applied = work.run("apply", "--auto-approve", settings=variables)

    told = [line for line in applied.out.splitlines() if line.startswith("Refused: ")]
    assert (4, 4) == (planned.code, applied.code)
    for line in expected.values():
        assert any(each.startswith(line) for each in told), (line, told)
    assert told[-1] == applied.last
    assert NEW in work.held("frozen")
    assert NEW not in work.held("crowded")
    held = [work.held(name) for name in ("crowded", "frozen", "stale")]
    assert not any(until for contacts in held for _, until in contacts.values())
    rules = {each["rule"] for each in work.artifact("receipt.json")["refusals"]}
    assert expected.keys() == rules


def test_each_override_needs_a_reason_and_is_recorded(work: Workplace) -> None:
    """Without one it is misuse; with one everything is done, and plan and receipt say why."""
    world_of_five_rules(work)
    flags = {
        "max_releases": ("--max-releases", "3"),
        "max_suppressions": ("--max-suppressions", "2"),
        "allow_empty": ("--allow-empty", "empty"),
        "ignore_freeze": ("--ignore-freeze",),
        "accept_stale_feed": ("--accept-stale-feed", "stale"),
    }
    words = [word for flag in flags.values() for word in flag]

    without = [work.call("apply", "--auto-approve", *flag).code for flag in flags.values()]
    blank = work.call("apply", "--auto-approve", *words, "--reason", "  ")
    done = work.run("apply", "--auto-approve", *words, "--reason", REASON, "--format", "json")

    given = {
        "max_releases": 3,
        "max_suppressions": 2,
        "allow_empty": ["empty"],
        "ignore_freeze": True,
        "accept_stale_feed": ["stale"],
        "reason": REASON,
    }
    assert [64] * 6 == [*without, blank.code]
    assert "hint: add --reason " in blank.err
    assert 0 == done.code, done.err
    assert given == work.artifact("plan.json")["overrides"]
    assert given == done.document["plan"]["overrides"]
    assert NEW in work.held("crowded")
    assert work.held("frozen")[PHONES[9]][1] is not None
    assert work.held("stale")[PHONES[9]][1] is not None


def test_an_override_of_too_little_is_refused_as_itself(work: Workplace) -> None:
    """It replaces the policy's bound, and is named where it does not suffice."""
    work.have(*((phone, "DNC", None) for phone in PHONES))
    owned = "  ownership: exclusive\n  releaseBasis: the CRM decides\n"
    work.declare(*wanting(PHONES[:7]), more=owned)

    ran = work.call("apply", "--auto-approve", "--max-releases", "2", "--reason", REASON)

    assert 4 == ran.code
    line = "Refused: 3 releases is over --max-releases 2. To allow it once: --max-releases 3"
    assert line in ran.last


def test_a_list_of_another_type_is_never_written(work: Workplace) -> None:
    """Nor is one made anew that was there once; other lists go on."""
    work.have(list_id="calls", name="Callers", list_type="calling")
    work.declare(*wanting(PHONES), name="calls", identity="listId: calls")
    named = "create: true\n  list: {name: Kept}"
    work.declare(*wanting(PHONES), name="kept", identity=named)

    first = work.call("apply", "--auto-approve")
    (work.database).unlink()
    gone = work.call("apply", "--auto-approve", "--list", "kept")

    refusals = {line for line in first.out.splitlines() if line.startswith("Refused: ")}
    assert (4, 4) == (first.code, gone.code)
    assert {"Refused: list calls is of type 'calling', expected 'suppression'."} == refusals
    assert "kept: 10 suppressed, 0 amended," in first.out
    assert "the ledger knows kept as list " in gone.last
    assert "To allow it once" not in gone.last


def test_wanted_wins_over_a_release(work: Workplace) -> None:
    """The two places are shown, masked; everything else of the list goes on."""
    work.have(*((phone, "DNC", None) for phone in PHONES))
    work.policy("maxReleases: {share: 100%, count: 10}")
    ground = f"basis: b, ticket: T-1, requestedBy: p, requestedAt: {now():%Y-%m-%d}"
    more = "  releases:\n" + "".join(
        f'    - {{phoneNumber: "{phone}", {ground}}}\n' for phone in (PHONES[0], PHONES[9])
    )
    work.declare(*wanting((*PHONES[:9], NEW)), more=more)

    ran = work.call("apply", "--auto-approve")

    held = work.held(LIST)
    assert 4 == ran.code
    assert ran.last.startswith(
        "Refused: 1 declared to be released and still wanted: +1•••••••100 ("
    )
    assert held[PHONES[0]][1] is None
    assert held[PHONES[9]][1] is not None
    assert NEW in held
