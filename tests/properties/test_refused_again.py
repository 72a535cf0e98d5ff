"""What is still refused is what a few lines of Python would say, after any sequence of runs."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from past_runs import Past, wants, who
from reconciler.masking import mask
from worlds import Contact, World

PEOPLE = ("ada@example.com", "bob@example.com", "cyd@example.com", "+12125550101")
REASONS = ("DNC", "BOUNCE")
NEVER, END = "never", "2027-01-01T00:00:00Z"
How = Literal["apply", "plan", "die before", "die after", "read in part"]

Row = tuple[str, str]
"""Reason and end."""
Rows = Mapping[str, Row]
"""By address."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """What becomes of the specs and the service, and then a run."""

    declared: Rows
    refuse: frozenset[str]
    complains: Literal["named", "unnamed", "all named", "all unnamed"]
    added: str | None
    """Whom somebody else puts on the list."""
    how: How


@dataclass
class Model:
    """Who is refused, with what, and how often in succession, as one would keep it by hand."""

    refused: dict[tuple[str, str], int] = field(default_factory=dict)
    """By address and by whether it was to be added or amended."""

    def run(self, step: Step, held: Rows) -> None:
        """Follow a run that found these rows on the list."""
        to_do = {
            (address, "amend" if address in held else "add")
            for address, wanted in step.declared.items()
            if address not in held or _amends(wanted, held[address])
        }
        if step.how == "read in part":
            to_do = {row for row in to_do if row[1] == "add" and step.declared[row[0]][1] == NEVER}
        elif step.how == "plan":
            left = {what for _, what in to_do}
            self.refused = {row: times for row, times in self.refused.items() if row[1] in left}
        else:
            self.refused = {row: times for row, times in self.refused.items() if row in to_do}
        if step.how in ("apply", "read in part") or not _dies(step, {who for who, _ in to_do}):
            for row in to_do:
                times = self.refused.pop(row, 0)
                if row[0] in step.refuse:
                    self.refused[row] = times + 1

    def shown(self, declared: Rows) -> dict[str, int]:
        """Return who is to be shown where the specs are so."""
        return {mask(who): times for (who, _), times in self.refused.items() if who in declared}


def _amends(wanted: Row, held: Row) -> bool:
    return wanted[0] != held[0] or (wanted[1] == NEVER and held[1] != NEVER)


def _dies(step: Step, sent: Collection[str]) -> bool:
    """Whether the run comes to a write at which it can die; a batch refused whole is none."""
    return (
        step.how == "plan"
        or step.complains in ("named", "unnamed")
        or bool(set(sent) - step.refuse)
    )


people = st.sampled_from(PEOPLE)
declarations = st.dictionaries(
    people, st.tuples(st.sampled_from(REASONS), st.sampled_from((NEVER, END)))
)
steps = st.builds(
    Step,
    declared=declarations.filter(len),
    refuse=st.frozensets(people),
    complains=st.sampled_from(("named", "unnamed", "all named", "all unnamed")),
    added=st.none() | people,
    how=st.sampled_from(get_args(How)),
)


@settings(max_examples=settings().max_examples // 16)
@given(first=steps, others=st.lists(steps, min_size=1, max_size=4), last=declarations)
def test_what_is_shown_is_what_the_model_says(first: Step, others: list[Step], last: Rows) -> None:
    """Whatever the service thinks of whom, whatever the specs say, and however runs end."""
    with TemporaryDirectory() as folder:
        past = Past(state=Path(folder) / "state", world=World(contacts=[Contact(email="x@y.org")]))
        model = Model()

        for step in (first, *others):
            held = _prepared(past, step)
            model.run(step, held)
            _run(past, step.how)

            assert model.shown(step.declared) == who(past.rejected())

        _declare(past, last)
        assert model.shown(last) == who(past.rejected())


def _prepared(past: Past, step: Step) -> Rows:
    """Arrange specs and service; return what the list holds."""
    _declare(past, step.declared)
    past.world.refuse, past.world.complains = step.refuse, step.complains
    if step.added:
        held = {one.email or one.phone for one in past.world.contacts}
        if step.added not in held:
            email, phone = (step.added, None) if "@" in step.added else (None, step.added)
            past.world.contacts.append(Contact(email=email, phone=phone, reason="COMPLIANCE"))
    return {
        str(one.email or one.phone): (str(one.reason), END if one.until else NEVER)
        for one in past.world.contacts
    }


def _declare(past: Past, declared: Rows) -> None:
    past.declare(
        *(
            one
            for address, (reason, until) in declared.items()
            for one in wants(address, reason=reason, until=until)
        )
    )


def _run(past: Past, how: How) -> None:
    match how:
        case "apply":
            past.apply()
        case "plan":
            past.plan()
        case "die before" | "die after":
            past.apply_and_die(after=0, effect=how == "die after")
        case "read in part":
            past.apply_after_reading_in_part()
