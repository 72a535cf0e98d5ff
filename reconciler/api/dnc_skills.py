"""The skills of a do-not-call group: whose calls it keeps back, and who adds to it.

A group without a scrubbed skill keeps back nobody's call. Under which key the service lists skills
is not published alike everywhere: the one list of objects that have an id is taken.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from reconciler.api.contact import text
from reconciler.api.exchange import Answer, Exchange, Request
from reconciler.errors import InactiveError, NotFoundError, RequestRefusedError, ServiceError
from reconciler.model import Change, Skill, joined

PATHS: Final[Mapping[str, str]] = {
    "scrubbedSkills": "/dnc-groups/{}/scrubbed-skills",
    "contributingSkills": "/dnc-groups/{}/contributing-skills",
}
ALL_SKILLS: Final = "/skills"
ID: Final = "skillId"
NAME: Final = "skillName"
PAGE_SIZE: Final = 10_000
PAGES: Final = 1_000
"""Pages of skills after which their reading is taken to have no end."""

_READ: Final = frozenset({200, 204})
_DONE: Final = frozenset({200, 201, 202, 204})
_BAD: Final = 400
_INACTIVE: Final = 409


class Skills:
    """The skills of one tenant and of its groups.

    Args:
        exchange: the way to its service.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def of_group(self, list_id: str, field: str) -> tuple[Skill, ...]:
        """Return the skills of one kind that a group works for, by id.

        Args:
            list_id: the group's.
            field: of ``PATHS``.

        Raises:
            ServiceError: they cannot be told for certain.
        """
        path = PATHS[field].format(quote(list_id, safe=""))
        return tuple(sorted(self._all(path, f"group {list_id}"), key=lambda each: each.id))

    def move(self, list_id: str, change: Change) -> None:
        """Give a group the skills of a change and take those away that it no longer names.

        Raises:
            NotFoundError: there is no such skill, or more than one of its name; nothing was done.
            InactiveError: the group takes nothing.
        """
        before, after = joined(change.old), joined(change.new)
        known = tuple(self._all(ALL_SKILLS, "all skills"))
        steps = [("POST", _id(each, known)) for each in sorted(after - before)]
        steps += [("DELETE", _id(each, known)) for each in sorted(before - after)]
        for method, skill in steps:
            self._put(method, list_id, change.field, skill)

    def _put(self, method: str, list_id: str, field: str, skill: str) -> None:
        subject = f"group {list_id}"
        answer = self._exchange.ask(
            Request(
                method=method,
                path=f"{PATHS[field].format(quote(list_id, safe=''))}/{quote(skill, safe='')}",
                kind="update list",
                subject=subject,
                expected=_DONE | {_BAD, _INACTIVE},
                parse=_unread,
            )
        )
        if answer.status == _INACTIVE:
            raise InactiveError(f"{subject} is inactive", hint="activate it in CXone")
        if answer.status == _BAD:
            raise RequestRefusedError(
                f"{subject}: the service does not take skill {skill} among its {field} (400)",
                hint="compare the spec's skills with those of the service",
            )

    def _all(self, path: str, subject: str) -> Iterator[Skill]:
        """Yield skills page by page, until one is empty or tells nothing new."""
        seen: set[str] = set()
        for _ in range(PAGES):
            answer = self._exchange.ask(
                Request(
                    method="GET",
                    path=path,
                    kind="read skills",
                    subject=subject,
                    params={"skip": str(len(seen)), "top": str(PAGE_SIZE)},
                    expected=_READ,
                )
            )
            page = _skills(answer, subject)
            new = [skill for skill in page if skill.id not in seen]
            if not new:
                return
            seen |= {skill.id for skill in new}
            yield from new
        raise ServiceError(f"{subject}: its skills have no end after {PAGES:,} pages")


def _unread(_body: bytes) -> Mapping[str, Any]:
    """What a change of skills is answered with is not published; its status is."""
    return {}


def _skills(answer: Answer, subject: str) -> list[Skill]:
    """Read a page of skills, under whatever key they stand."""
    held: Any = answer.document.get("resultSet", answer.document)
    lists = [value for value in held.values() if isinstance(value, list)] if held else []
    rows = [row for value in lists for row in value]
    if not all(isinstance(row, dict) and text(row.get(ID)) for row in rows):
        raise ServiceError(f"{subject}: a skill without an id")
    return [Skill(id=text(row[ID]) or "", name=text(row.get(NAME)) or "") for row in rows]


def _id(spelled: str, known: tuple[Skill, ...]) -> str:
    """Return the id of a skill that is named by id or name."""
    if any(skill.id == spelled for skill in known):
        return spelled
    found = [skill.id for skill in known if skill.name == spelled]
    if len(found) == 1:
        return found[0]
    raise NotFoundError(
        f"{len(found) or 'no'} skills are called {spelled!r}",
        hint="name the skill by its id, or as the service spells it",
    )
