"""Runs over a world in memory that leave behind what runs of a command leave.

The way is the commands' own, without their command line: prepare, plan, write it down, execute,
close. It judges nothing.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from builders import NOW, list_spec, place, tenant
from reconciler import desired, ledger, pipeline, record, rejections, saved
from reconciler.contacts.engine import Engine
from reconciler.model import InlineContact, ListSpec, Receipt, Rejected, Selection, Spec
from strategies import OPEN
from worlds import LIST, KilledError, World, prepare, running, spec_of


@dataclass(slots=True, kw_only=True)
class Past:
    """One list at one service, its specs of today, and the state directory of all its runs."""

    state: Path
    world: World
    spec: ListSpec = field(default_factory=lambda: list_spec(list_id=LIST, create=False))
    time: datetime = NOW

    def declare(self, *contacts: InlineContact) -> None:
        """Want these contacts and no others."""
        self.spec = list_spec(list_id=LIST, create=False, contacts=contacts)

    @property
    def specs(self) -> Spec:
        """The specs of today."""
        return spec_of(tenant(), self.spec, policy=OPEN)

    def plan(self, *, preview: bool = False, days: int = 0) -> None:
        """Plan and do nothing about it."""
        self._run(applies=False, preview=preview, as_of=self.time + timedelta(days=days))

    def apply(self) -> Receipt | None:
        """Plan and apply; nothing is returned where the run dies."""
        return self._run(applies=True)

    def apply_and_die(self, *, after: int, effect: bool) -> None:
        """Apply with a service that is the end of the run after some writes."""
        self.world.writes_left, self.world.effect_before_end = after, effect
        self.apply()
        self.world.writes_left = None

    def apply_after_reading_in_part(self) -> None:
        """Plan while the list moves, and apply."""
        self.world.moves_while_read = True
        self.apply()
        self.world.moves_while_read = False

    def rejected(self) -> Rejected:
        """Return what the service still refuses."""
        with Engine(key=b"another key for once", spill=self.state / "own-spill") as engine:
            wanted = desired.compile(
                self.specs,
                engine=engine,
                as_of=self.time,
                into=self.state / "own-tables",
                invalid_into=lambda key: self.state / f"{key}.csv",
            )
            return rejections.rejected(wanted, engine=engine, state=self.state, as_of=self.time)

    def _run(
        self, *, applies: bool, preview: bool = False, as_of: datetime | None = None
    ) -> Receipt | None:
        self.time += timedelta(minutes=1)
        as_of = as_of or self.time
        with running(folder=self.state, clock=lambda: self.time) as run:
            prepared = prepare(self.specs, self.world, run, as_of=as_of)
            record.observation(self.specs, prepared.desired, prepared.observed, run=run)
            made = prepared.plan(as_of=as_of, preview=preview)
            chosen = Selection(root=Path("specs"))
            run.write("plan.json", saved.document(made, spec=self.specs, selection=chosen, key=""))
            done = None
            if applies:
                self.world.moves_while_read = False
                with suppress(KilledError):
                    done = pipeline.execute(
                        made,
                        tenants=self.specs.tenants,
                        writer=lambda _: self.world,
                        run=run,
                        applied=ledger.past(run.store, key=run.engine.fingerprint).applied,
                    )
            record.close(run, code=done.exit_code if done else 0, plan=made, done=done)
            return done


def wants(*addresses: str, reason: str = "DNC", until: str = "never") -> Sequence[InlineContact]:
    """Return contacts as a spec declares them, each on a line of its own."""
    return [
        InlineContact(
            place=place(line=10 + number),
            email=one if "@" in one else None,
            phone=None if "@" in one else one,
            reason=reason,
            suppress_until=until,
        )
        for number, one in enumerate(addresses)
    ]


def who(found: Rejected) -> dict[str, int]:
    """Return the masked address of everybody who is still refused, and how often they were."""
    return {
        one.address: one.times
        for listed in found.lists
        for shown in listed.samples.values()
        for one in shown
    }
