"""The real program and a model of a few dictionaries live through the same times.

Specs are edited, strangers write, the service turns contacts away, hours and weeks pass, and runs
are carried out, die at a request, or follow a plan that was saved before. At every write whoever
is wanted stays suppressed, and nobody is let go but by a declared release that is not spent;
after every run that came to its end model and service agree, and there is nothing left to plan.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)

from builders import NOW
from keeping import (
    ALLOWED_EMPTY,
    END,
    MOST_RELEASES,
    Declared,
    Kept,
    Settings,
    Watch,
    carry_out,
    list_end,
    live,
)
from reconciler import interrupted, locks, pipeline, record, sandbox, saved
from reconciler import plan as deciding
from reconciler.api.port import Writer
from reconciler.artifacts import Run
from reconciler.errors import SpecError, StalePlanError
from reconciler.model import REASONS, Plan, Receipt, Selection
from reconciler.times import zulu
from wire import Death, Wire, held, reached
from wire import settings as settings_of
from worlds import KilledError, running

KEYS = ("us", "eu")
ADDRESSES = ("ada@example.com", "bob@example.com", "+12125550103", "+12125550104")
SLOWLY = settings(suppress_health_check=[HealthCheck.too_slow])
FEW = max(settings().max_examples // 25, 1)
AN_HOUR_AGO = timedelta(hours=-1)
PASSING = (
    timedelta(minutes=5),
    timedelta(minutes=12),
    timedelta(hours=1),
    timedelta(hours=7),
    timedelta(hours=25),
    timedelta(days=4),
    timedelta(days=15),
)
SHARED = f"""\
apiVersion: reconciler/v1
kind: Tenant
metadata: {{name: acme}}
spec: {{embedded: true}}
---
apiVersion: reconciler/v1
kind: Policy
metadata: {{name: default}}
spec: {{maxReleases: {{share: 100%, count: {MOST_RELEASES}}}, allowEmpty: [{ALLOWED_EMPTY}]}}
"""
LIST = """\
apiVersion: reconciler/v1
kind: SuppressionList
metadata: {{name: {key}}}
spec:
  tenant: acme
  listId: {key}
  list: {{{managed}}}
  contacts: [{contacts}]
  releases: [{releases}]
"""

keys = st.sampled_from(KEYS)
addresses = st.sampled_from(ADDRESSES)
reasons = st.sampled_from(REASONS[:2])
ends = st.sampled_from((None, *(timedelta(hours=hours) for hours in (-1, 0.5, 5, 72, 720))))
deaths = st.dictionaries(keys, st.builds(Death, nth=st.integers(1, 16), effect=st.booleans()))
list_settings = st.sampled_from(
    (
        ("name", "Nobody calls"),
        ("name", "Do not call"),
        ("description", "why"),
        ("description", "why not"),
        (END, None),
        (END, AN_HOUR_AGO),
        (END, timedelta(days=2)),
        (END, timedelta(days=60)),
    )
)


class Times(RuleBasedStateMachine):
    """Two lists, their specs, the service, and everybody who does something to them."""

    def __init__(self) -> None:
        super().__init__()
        self.temporary = TemporaryDirectory()
        folder = Path(self.temporary.name)
        self.specs, self.state = folder / "specs", folder / "state"
        self.database, self.saved = folder / "sandbox.db", folder / "plan.json"
        self.now = NOW
        self.unwelcome: set[str] = set()
        self.untouched = False
        """Whether anything has happened since the plan was saved."""
        self.lists = {key: Kept(key=key) for key in KEYS}
        for key, kept in self.lists.items():
            sandbox.ensure_list(self.database, key, f"List {key}")
            kept.settings = settings_of(self.database, key)
        self.stranger = sandbox.stranger(self.database)
        self.specs.mkdir()
        (self.specs / "shared.yaml").write_text(SHARED)
        for kept in self.lists.values():
            self._write(kept)

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.temporary.cleanup()

    # ------------------------------------------------------------ specs

    @rule(key=keys, who=addresses, reason=reasons, ends=ends)
    def declare(self, key: str, who: str, reason: str, ends: timedelta | None) -> None:
        """Want somebody, or want him otherwise."""
        self.lists[key].wants[who] = (reason, self._at(ends))
        self._edited(key)

    @rule(key=keys, who=addresses)
    def undeclare(self, key: str, who: str) -> None:
        """Take somebody's line out."""
        self.lists[key].wants.pop(who, None)
        self._edited(key)

    @rule(key=keys, who=addresses, ends=ends, unwant=st.booleans())
    def release(self, key: str, who: str, ends: timedelta | None, *, unwant: bool) -> None:
        """Declare that somebody may go, or may go at a time."""
        self.lists[key].releases[who] = Declared(asked=self.now, until=self._at(ends))
        if unwant:
            self.lists[key].wants.pop(who, None)
        self._edited(key)

    @rule(key=keys, setting=list_settings.filter(lambda setting: setting[1] != AN_HOUR_AGO))
    def manage(self, key: str, setting: tuple[str, str | timedelta | None]) -> None:
        """Declare a setting of the list."""
        self.lists[key].managed |= self._setting(setting)
        self._edited(key)

    @rule(key=keys, name=st.sampled_from(("name", "description", END)))
    def leave(self, key: str, name: str) -> None:
        """Leave a setting of the list to others."""
        self.lists[key].managed.pop(name, None)
        self._edited(key)

    # ------------------------------------------------------------ the service

    @rule(key=keys, who=addresses, reason=reasons, ends=ends)
    def stranger_writes(self, key: str, who: str, reason: str, ends: timedelta | None) -> None:
        """Somebody else puts a contact there, or gives it another end."""
        row = self.lists[key].held[who] = (reason, self._at(ends))
        email, phone = (who, None) if "@" in who else (None, who)
        self.stranger.add(key, email=email, phone=phone, reason=reason, until=row[1])
        self.untouched = False

    @rule(key=keys, who=addresses)
    def stranger_removes(self, key: str, who: str) -> None:
        """Somebody else takes a contact away."""
        self.lists[key].held.pop(who, None)
        self.stranger.remove(key, who)
        self.untouched = False

    @rule(key=keys, setting=list_settings)
    def stranger_sets(self, key: str, setting: tuple[str, str | timedelta | None]) -> None:
        """Somebody else changes a setting of the list."""
        moved = self._setting(setting)
        self.lists[key].settings |= moved
        for name, value in moved.items():
            self.stranger.set(key, name, value)  # type: ignore[arg-type] # one of the three names
        self.untouched = False

    @rule(who=addresses)
    def service_minds(self, who: str) -> None:
        """The service turns somebody away from now on, or does no longer."""
        self.unwelcome ^= {who}
        self.untouched = False

    @rule(by=st.sampled_from(PASSING))
    def time_passes(self, by: timedelta) -> None:
        """It is later."""
        self.now += by
        self.untouched = False

    # ------------------------------------------------------------ runs

    @rule()
    def run(self) -> None:
        """Plan and apply."""
        self._apply()

    @rule(deaths=deaths, key=keys, who=addresses, reason=reasons, ends=ends)
    def want_and_run(
        self,
        deaths: Mapping[str, Death],
        key: str,
        who: str,
        reason: str,
        ends: timedelta | None,
    ) -> None:
        """Want somebody, and run, perhaps until the process dies at a request for a list."""
        self.declare(key=key, who=who, reason=reason, ends=ends)
        self._apply(deaths=deaths)

    @rule(deaths=deaths, key=keys, who=addresses, ends=ends)
    def release_and_run(
        self, deaths: Mapping[str, Death], key: str, who: str, ends: timedelta | None
    ) -> None:
        """Let somebody go who is on the list, and run likewise."""
        self.stranger_writes(key=key, who=who, reason=REASONS[0], ends=None)
        self.release(key=key, who=who, ends=ends, unwant=True)
        self._apply(deaths=deaths)

    @rule()
    def save_plan(self) -> None:
        """Plan, and have the plan approved."""
        with self._running() as (run, way, _):
            chosen = Selection(root=self.specs)
            try:
                prepared = pipeline.prepare(chosen, reader=lambda _: way, as_of=self.now, run=run)
            except SpecError as error:
                self._impossible(error, self.now)
                record.close(run, code=error.exit_code)
                return
            made = prepared.plan(as_of=self.now)
            document = saved.document(made, spec=prepared.spec, selection=chosen, key="key")
            run.write("plan.json", document)
            self.saved.write_bytes(document)
            record.close(run, code=0, plan=made)
        self.untouched = True

    @precondition(lambda self: self.saved.exists())
    @rule(safer=st.booleans())
    def apply_saved(self, *, safer: bool) -> None:
        """Apply the plan that was approved."""
        self._apply(approving=True, safer=safer)

    @rule(by=st.sampled_from(PASSING), deaths=deaths)
    def approve_and_wait(self, by: timedelta, deaths: Mapping[str, Death]) -> None:
        """Plan, wait, and apply what was approved, perhaps until the process dies."""
        self.save_plan()
        if self.untouched:
            self.time_passes(by=by)
            self._apply(approving=True, deaths=deaths)

    # ------------------------------------------------------------ what holds

    def _apply(
        self,
        *,
        deaths: Mapping[str, Death] | None = None,
        approving: bool = False,
        safer: bool = False,
    ) -> None:
        """Run once, and hold what was done to what may be done."""
        watch = {key: Watch(kept=kept, now=self.now) for key, kept in self.lists.items()}

        def look() -> None:
            for key, one in watch.items():
                one.judge(held(self.database, key), settings_of(self.database, key))

        with self._running(deaths, look) as (run, way, wire):
            try:
                as_of, made, done = self._carried_out(run, way, approving=approving, safer=safer)
            except KilledError:
                look()
                self._died(wire)
                return
            except SpecError as error:
                self._impossible(error, self.now)
                record.close(run, code=error.exit_code)
                return
            except StalePlanError as error:
                assert not self.untouched, "nothing has happened, and the plan is stale"
                assert not wire.sent
                record.close(run, code=error.exit_code)
                return
            record.close(run, code=done.exit_code, plan=made, done=done)
        look()
        self.untouched = False
        self._came_to_its_end(done, as_of)

    def _carried_out(
        self, run: Run, way: Writer, *, approving: bool, safer: bool
    ) -> tuple[datetime, Plan, Receipt]:
        """Do as the command does."""
        chosen = Selection(root=self.specs)
        approved = saved.read(self.saved, root=self.specs, now=self.now) if approving else None
        as_of = approved.as_of if approved else self.now
        prepared = pipeline.prepare(
            chosen, reader=lambda _: way, as_of=as_of, now=self.now, run=run
        )
        made = prepared.plan(as_of=as_of)
        if approved and not saved.accepted(
            approved, made, specs=prepared.spec.digests, safer=safer
        ):
            raise StalePlanError("stale")
        made = deciding.within(prepared.plan(as_of=self.now), made)
        document = saved.document(made, spec=prepared.spec, selection=chosen, key="key")
        run.write("plan.json", document)
        done = pipeline.execute(made, tenants=prepared.spec.tenants, writer=lambda _: way, run=run)
        return as_of, made, done

    def _came_to_its_end(self, done: Receipt, as_of: datetime) -> None:
        """Hold model and service, the exit code, and the plan right after, to each other."""
        upshots = [carry_out(kept, self.unwelcome, as_of, self.now) for kept in self.lists.values()]
        for key, kept in self.lists.items():
            assert live(kept.held, self.now) == live(held(self.database, key), self.now)
            assert kept.settings == settings_of(self.database, key)
        missed = any(each.missed for each in upshots)
        refused = any(each.refused for each in upshots)
        assert (4 if refused else 6 if missed else 0) == done.exit_code, done
        again = deepcopy(self.lists)
        left = [carry_out(kept, self.unwelcome, self.now, self.now) for kept in again.values()]
        busy = any(each.missed for each in left) or again != self.lists
        assert not busy or missed or refused
        assert busy is not self._plan_right_after().empty

    def _plan_right_after(self) -> Plan:
        with self._running() as (run, way, _):
            made = pipeline.prepare(
                Selection(root=self.specs),
                reader=lambda _: way,
                as_of=self.now,
                run=run,
                fresh=True,
            ).plan(as_of=self.now)
            record.close(run, code=0, plan=made)
            return made

    def _died(self, wire: Wire) -> None:
        """Take over what the service holds, and what the run can have known of its releases."""
        for sent in wire.sent:
            kept = self.lists[sent.list_id]
            if sent.address in kept.wanted(self.now):
                continue
            release = (sent.address, kept.releases[sent.address].asked)
            kept.doubted.pop(release, None)
            if not sent.answered:
                kept.doubted[release] = self.now
            elif sent.taken:
                kept.spent.add(release)
        for key, kept in self.lists.items():
            kept.held = held(self.database, key)
            kept.settings = settings_of(self.database, key)
        self.untouched = False

    def _impossible(self, error: SpecError, now: datetime) -> None:
        """See that the specs are indeed wrong: a list that has ended cannot be declared."""
        ended = [
            key for key, kept in self.lists.items() if list_end({END: None} | kept.managed) <= now
        ]
        assert ended, error.problems

    # ------------------------------------------------------------ how it is done

    @contextmanager
    def _running(
        self,
        deaths: Mapping[str, Death] | None = None,
        written: Callable[[], None] = lambda: None,
    ) -> Iterator[tuple[Run, Writer, Wire]]:
        """Open a run and the way to the service."""
        with (
            running(clock=lambda: self.now, folder=self.state) as run,
            locks.alive(self.state / "locks", run.id),
            reached(
                self.database,
                clock=lambda: self.now,
                unwelcome=self.unwelcome,
                deaths=deaths,
                written=written,
            ) as (way, wire),
        ):
            interrupted.settle(run)
            yield run, way, wire

    def _at(self, ends: timedelta | None) -> datetime | None:
        return None if ends is None else self.now + ends

    def _setting(self, setting: tuple[str, str | timedelta | None]) -> Settings:
        name, value = setting
        return {name: self.now + value if isinstance(value, timedelta) else value}

    def _edited(self, key: str) -> None:
        self._write(self.lists[key])
        self.untouched = False

    def _write(self, kept: Kept) -> None:
        """Write a list's spec."""
        contacts = [
            f"{{{_identifier(who)}, reason: {reason}, {END}: {_spelled(end)}}}"
            for who, (reason, end) in kept.wants.items()
        ]
        releases = [
            f"{{{_identifier(who)}, basis: b, ticket: t, requestedBy: p, "
            f"requestedAt: {zulu(each.asked)}"
            + (f", {END}: {zulu(each.until)}}}" if each.until else "}")
            for who, each in kept.releases.items()
        ]
        managed = [
            f"{name}: {value if isinstance(value, str) else _spelled(value)}"
            for name, value in kept.managed.items()
        ]
        (self.specs / f"{kept.key}.yaml").write_text(
            LIST.format(
                key=kept.key,
                contacts=", ".join(contacts),
                releases=", ".join(releases),
                managed=", ".join(managed),
            )
        )


def _identifier(who: str) -> str:
    return f"email: {who}" if "@" in who else f'phoneNumber: "{who}"'


def _spelled(end: datetime | None) -> str:
    return zulu(end) if end else "never"


def test_model_and_service_live_through_the_same_times() -> None:
    """As often as every run of the suite can afford, and the same each time."""
    few = settings(SLOWLY, max_examples=FEW, stateful_step_count=12, derandomize=True)

    run_state_machine_as_test(Times, settings=few)


@pytest.mark.scale
def test_model_and_service_live_through_many_times() -> None:
    """A hundred times as often, and never the same."""
    many = settings(SLOWLY, max_examples=100 * FEW, stateful_step_count=50)

    run_state_machine_as_test(Times, settings=many)
