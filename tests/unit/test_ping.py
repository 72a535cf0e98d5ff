"""The way to each tenant and list, checked without writing anything."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from builders import list_spec, tenant
from reconciler.api.port import Page, Reader
from reconciler.errors import (
    AuthError,
    ForbiddenError,
    InterruptedRunError,
    ReconcilerError,
    SettingError,
    worst,
)
from reconciler.model import (
    DNC_GROUPS,
    Check,
    ListSpec,
    Policy,
    RemoteList,
    Settings,
    Skill,
    Spec,
    Tenant,
)
from reconciler.ping import ping
from worlds import LIST, Contact, World

PINNED = list_spec(list_id=LIST)


@dataclass(slots=True, kw_only=True)
class Service(World):
    """A service that may say no, or something odd, at each step."""

    signing: ReconcilerError | None = None
    reading: ReconcilerError | None = None
    walking: ReconcilerError | None = None
    kind: str = "suppression"
    version: str = '"1"'
    pages_asked: list[str] = field(default_factory=list)

    def sign_in(self) -> None:
        """Let them in, perhaps."""
        if self.signing:
            raise self.signing

    def get(self, list_id: str) -> RemoteList:
        """Return the list, perhaps an odd one."""
        if self.reading:
            raise self.reading
        return replace(World.get(self, list_id), type=self.kind, version=self.version)

    def pages(self, list_id: str) -> Iterator[Page]:
        """Yield the first page, and fail whoever asks for more."""
        self.pages_asked.append(list_id)
        if self.walking:
            raise self.walking
        for page in World.pages(self, list_id):
            yield page
            pytest.fail("one page is enough")


def checks(
    service: World, *lists: ListSpec, tenants: tuple[Tenant, ...] = (), **options: object
) -> list[Check]:
    """Everything that was looked at."""
    reader: Callable[[Tenant], Reader] = options.get("reader", lambda _: service)  # type: ignore[assignment]
    spec = Spec(
        root=Path("specs"),
        tenants={one.name: one for one in tenants or (tenant(),)},
        lists=lists,
        policy=Policy(),
    )
    return list(ping(spec, reader=reader))


def words(found: list[Check]) -> list[tuple[str, str, bool, int]]:
    """Each check without its detail."""
    return [(check.subject, check.name, check.ok, check.exit_code) for check in found]


def test_a_way_without_trouble_is_checked_to_its_end() -> None:
    """Token, clock, and of each list its type, its contacts and its version."""
    service = Service(contacts=[Contact(phone=f"+1212555010{one}") for one in range(9)])

    found = checks(service, PINNED)

    assert [
        ("acme", "token", True, 0),
        ("acme", "clock", True, 0),
        ("us-dnc", "list", True, 0),
        ("us-dnc", "type", True, 0),
        ("us-dnc", "contacts", True, 0),
        ("us-dnc", "version", True, 0),
    ] == words(found)
    assert ["given", "agrees with ours", f"id {LIST}", "suppression", "can be read", "sent"] == [
        check.detail for check in found
    ]
    assert [] == service.writes
    assert [LIST] == service.pages_asked


def test_an_empty_list_can_be_read_too() -> None:
    """It has no page at all."""
    assert ("us-dnc", "contacts", True, 0) in words(checks(World(), PINNED))


def test_a_refused_sign_in_ends_with_that_tenant() -> None:
    """Its lists are not asked for; the other tenant's are."""
    closed = Service(signing=AuthError("the service said no", hint="check the secret"))
    ways = {"acme": closed, "other": World()}
    lists = (PINNED, list_spec("eu", tenant="other", list_id=LIST))

    found = checks(
        closed,
        *lists,
        tenants=(tenant(), tenant(name="other")),
        reader=lambda one: ways[one.name],
    )

    assert (
        Check(
            subject="acme",
            name="token",
            ok=False,
            detail="the service said no (check the secret)",
            exit_code=1,
        )
        == found[0]
    )
    assert {"acme", "other", "eu"} == {check.subject for check in found}
    assert all(check.ok for check in found[1:])


def test_a_tenant_that_cannot_be_spoken_to_does_not_hide_the_others() -> None:
    """Its settings are wrong: that is a check, too."""

    def reader(one: Tenant) -> Reader:
        if one.name == "acme":
            raise SettingError("Tenant acme has no credentials")
        return World()

    found = checks(
        World(),
        PINNED,
        list_spec("eu", tenant="other", list_id=LIST),
        tenants=(tenant(), tenant(name="other")),
        reader=reader,
    )

    assert ("acme", "token", False, 7) == words(found)[0]
    assert ("eu", "version", True, 0) == words(found)[-1]
    assert 7 == worst(check.exit_code for check in found)


@pytest.mark.parametrize(
    ("skew", "expected"),
    [
        (timedelta(), "agrees with ours"),
        (timedelta(seconds=3), "3 s ahead of ours"),
        (timedelta(seconds=-30), "30 s behind ours"),
        (timedelta(seconds=31), "31 s ahead of ours (set one)"),
        (timedelta(minutes=-2), "120 s behind ours (set one)"),
    ],
)
def test_clocks_that_differ_are_told_and_no_error(skew: timedelta, expected: str) -> None:
    """Ends are counted by the service's clock."""
    clock = checks(World(skew=skew), PINNED)[1]

    assert ("clock", True, expected) == (clock.name, clock.ok, clock.detail)


@pytest.mark.parametrize(
    ("listed", "ok", "detail"),
    [
        (list_spec(settings=Settings(name="New")), True, "not there yet, to be created"),
        (
            list_spec(settings=Settings(name="New"), create=False),
            False,
            "tenant acme has no list named 'New' (specs/us-dnc.yaml:4:3) (give its listId, or",
        ),
        (list_spec(list_id="gone"), False, "no list gone"),
        (list_spec(), True, f"id {LIST}"),
    ],
)
def test_a_list_is_found_as_a_run_would_find_it(listed: ListSpec, ok: bool, detail: str) -> None:
    """By its id, or by its name; one to be created is no trouble."""
    check = checks(World(), listed)[2]

    assert ("list", ok) == (check.name, check.ok)
    assert check.detail.startswith(detail)
    assert (0 if ok else 1) == check.exit_code


def test_nothing_more_is_asked_of_a_list_that_is_not_there() -> None:
    """What would be asked next has no answer."""
    found = checks(World(exists=False), list_spec(), PINNED)

    assert ["token", "clock", "list", "list"] == [check.name for check in found]


def test_a_list_of_another_type_is_an_error() -> None:
    """A run would refuse it."""
    found = checks(Service(kind="calling"), PINNED)

    (check,) = [check for check in found if check.name == "type"]
    assert (False, 1) == (check.ok, check.exit_code)
    assert "'calling', expected 'suppression': never written" == check.detail


def test_contacts_that_may_not_be_read_are_an_error_of_that_list() -> None:
    """A missing scope shows here first."""
    found = checks(Service(walking=ForbiddenError("403: lists:contacts:read")), PINNED)

    (check,) = [check for check in found if check.name == "contacts"]
    assert (False, 1, "403: lists:contacts:read") == (check.ok, check.exit_code, check.detail)
    assert "version" == found[-1].name


def test_a_list_without_a_version_is_an_error() -> None:
    """Its settings could not be guarded."""
    check = checks(Service(version=""), PINNED)[-1]

    assert ("version", False, 1) == (check.name, check.ok, check.exit_code)
    assert check.detail.startswith("no ETag")


@pytest.mark.parametrize("step", ["signing", "reading", "walking"])
def test_ctrl_c_ends_it(step: str) -> None:
    """It is not an answer of the service."""
    service = Service(**{step: InterruptedRunError("interrupted")})  # type: ignore[arg-type]

    with pytest.raises(InterruptedRunError):
        checks(service, PINNED)


def test_without_any_list_the_tenants_are_asked() -> None:
    """Before the first list is declared one wants to know whether the way is open."""
    assert [("acme", "token", False, 1)] == words(checks(Service(signing=AuthError("no"))))


@dataclass(slots=True, kw_only=True)
class Groups(Service):
    """A service of groups, which are scrubbed by some skills, and fill an account."""

    full: int | None = 7
    skills: tuple[Skill, ...] = (Skill(id="4711", name="Sales"),)

    def get(self, list_id: str) -> RemoteList:
        """Return the group with its skills."""
        found = Service.get(self, list_id)
        held = replace(found.settings, scrubbed_skills=self.skills, contributing_skills=())
        return replace(found, settings=held)

    def occupied(self) -> int | None:
        """Say how full the account is, perhaps."""
        if self.full is None:
            raise ForbiddenError("the service said no")
        return self.full


GROUPED = list_spec(list_id=LIST)


@pytest.mark.parametrize(
    ("full", "ok", "said"),
    [
        (7, True, "7 of 1,000,000 contacts in use"),
        (1_000_000, False, "there is no room left"),
        (None, False, "the service said no"),
    ],
)
def test_how_full_an_account_is_is_told(full: int | None, *, ok: bool, said: str) -> None:
    """Where the dialect knows a bound; an account without room is a failure."""
    service = Groups(capabilities=DNC_GROUPS, full=full)

    found = checks(service, GROUPED, tenants=(tenant(dialect="dnc-groups"),))

    (one,) = (check for check in found if check.name == "capacity")
    assert ("acme", ok, 0 if ok else 1) == (one.subject, one.ok, one.exit_code)
    assert said in one.detail


def test_a_group_that_no_skill_scrubs_by_fails_the_check() -> None:
    """It suppresses nobody; declared skills that are missing are told with it."""
    care = (Skill(id="Care", name="Care"),)
    declared = replace(GROUPED, settings=replace(GROUPED.settings, scrubbed_skills=care))
    groups = (tenant(dialect="dnc-groups"),)

    bare = checks(Groups(capabilities=DNC_GROUPS, skills=()), declared, tenants=groups)
    busy = checks(Groups(capabilities=DNC_GROUPS), declared, tenants=groups)

    told = [check for found in (bare, busy) for check in found if check.name == "skills"]
    assert [False, True] == [check.ok for check in told]
    assert "suppresses nobody" in told[0].detail
    assert "scrubbedSkills Care, found (none)" in told[0].detail
    assert "declared scrubbedSkills 4711, Care, found 4711" in told[1].detail
