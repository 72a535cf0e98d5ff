"""A run with mishaps, a run without, and what must hold after each.

The program is the real one, called as a command; only its way to the service and its clock are
ours, so that every request passes ``between`` and no wait costs time. What is asserted is the
same for every mishap: nobody lost at any moment, nothing counted that did not happen, and the
second run ends where an undisturbed one does. The exceptions are named where they are made.
"""

import hashlib
import hmac
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final, cast

import pytest
from between import Between, Mishap
from reference import START, Declared, declare, lists, stock
from watch import Watch

from program import Ran, Workplace, workplace
from reconciler import sandbox
from reconciler.api.connect import connect
from reconciler.api.pace import Clock
from reconciler.api.port import Writer
from reconciler.cache import Shelf
from reconciler.commands import frame, wiring
from reconciler.model import LISTS, Tenant


class Hours:
    """Time that passes only while somebody waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._passed = 0.0
        self.clock = Clock(now=self._epoch, monotonic=self._monotonic, wait=self._wait)

    def now(self) -> datetime:
        """The time in whole seconds, for everybody."""
        return START + timedelta(seconds=int(self._passed))

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        with self._lock:
            self._passed += seconds

    def _epoch(self) -> float:
        return START.timestamp() + self._passed

    def _monotonic(self) -> float:
        return self._passed

    def _wait(self, event: threading.Event, seconds: float) -> bool:
        self.pass_by(seconds)
        return event.is_set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How large the reference is."""

    contacts: int
    batch: int
    page: int


SMALL: Final = Scale(contacts=40, batch=9, page=8)
FULL: Final = Scale(contacts=25_000, batch=LISTS.batch, page=10_000)


@dataclass(slots=True)
class _Batched:
    """The way to a service that takes so many contacts a batch."""

    inner: Writer
    size: int

    @property
    def capabilities(self) -> Any:
        return replace(LISTS, batch=self.size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@dataclass(kw_only=True)
class Trial:
    """One copy of the reference, its clock, and everything that has happened to it."""

    place: Workplace
    lists: tuple[Declared, ...]
    scale: Scale
    hours: Hours = field(default_factory=Hours)
    skew: timedelta = timedelta()
    """The service's clock less ours."""
    spent_in_vain: set[tuple[str, str]] = field(default_factory=set)
    """List and contact, where the service said yes to a write and the list read back said no: the
    run told so, and ended with 6; a release among them is spent all the same."""
    unread: set[str] = field(default_factory=set)
    """Lists of which the service once gave ends that cannot be read: whoever is wanted there is
    suppressed without an end, since nobody knows what a write might shorten."""

    @cached_property
    def pseudonyms(self) -> dict[str, str]:
        """Whom each pseudonym of this installation stands for."""
        key = (self.place.state / "pseudonym.key").read_bytes().strip()
        return {
            hmac.new(key, one.encode(), hashlib.sha256).hexdigest(): one
            for each in self.lists
            for one in {**each.wanted, **each.held}
        }

    @cached_property
    def watch(self) -> Watch:
        """Who looks at the service, from before the first run on."""
        return Watch(database=self.place.database, lists=self.lists)

    def run(self, *words: str, mishaps: Sequence[Mishap] = ()) -> tuple[Ran, Between]:
        """Call the program with mishaps on its way, and hold it to what every run promises."""
        between = Between(
            service=sandbox.app(
                self.place.database, now=self.service_now, max_page=self.scale.page
            ),
            lists=self.lists,
            watch=self.watch,
            now=self.service_now,
            mishaps=mishaps,
        )
        self.hours.pass_by(1)
        self.watch.begin()
        with pytest.MonkeyPatch.context() as seams:
            seams.setattr(wiring, "connect", partial(self._opened, between))
            seams.setattr(frame, "clock", self.hours.now)
            ran = self.place.call(*words)
        return ran, between

    def service_now(self) -> datetime:
        """The service's time."""
        return self.hours.now() + self.skew

    @contextmanager
    def _opened(self, between: Between, tenant: Tenant, **how: Any) -> Iterator[Writer]:
        """Open the real way to the service, through ``between`` and by our clock."""
        with connect(tenant, **{**how, "app": between, "clock": self.hours.clock}) as way:
            yield cast("Writer", _Batched(way, self.scale.batch))


def template(folder: Path, scale: Scale, *, seasoned: bool = False, at_once: int = 1) -> Trial:
    """Write the reference into an empty folder, the service's data and our key included.

    A seasoned installation has seen the service move versions with contacts, and so reads less.
    With one request at a time a list's requests come in the same order every time.
    """
    place = workplace(folder)
    place.environment["GITHUB_SHA"] = "none"
    place.state.mkdir(mode=0o700, parents=True)
    (place.state / "pseudonym.key").write_text("k" * 64 + "\n", encoding="utf-8")
    declared = lists(scale.contacts)
    declare(place, declared, at_once=at_once)
    stock(place, declared)
    if seasoned:
        shelf = Shelf(
            folder=place.state / "cache", tenant="acme", service="", list_id="", region=None
        )
        shelf.learn(moves=True)
    return Trial(place=place, lists=declared, scale=scale)


def copied(reference: Trial, into: Path) -> Trial:
    """Return a copy of the reference to which nothing has happened yet."""
    shutil.copytree(reference.place.folder, into)
    place = replace(reference.place, folder=into)
    made = Trial(place=place, lists=reference.lists, scale=reference.scale)
    made.pseudonyms = reference.pseudonyms
    return made
