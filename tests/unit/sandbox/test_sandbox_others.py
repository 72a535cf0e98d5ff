import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from sandbox_calls import LATER, LIST, calling, contacts, etag, post, sign_in

from reconciler import sandbox
from reconciler.errors import NotFoundError, SettingError
from reconciler.sandbox.others import ListField

USER = "user1@example.com"
PHONE = "+15555550101"


def test_the_file_and_its_folder_are_the_owners_alone(tmp_path: Path) -> None:
    """They hold addresses; so do the files that SQLite puts beside."""
    database = tmp_path / "state" / "sandbox.db"
    sandbox.ensure_list(database, "L1", "First")

    with closing(sqlite3.connect(database)) as reader:
        reader.execute("SELECT count(*) FROM lists").fetchone()
        sandbox.stranger(database).touch("L1")
        modes = {path.name: path.stat().st_mode & 0o777 for path in database.parent.iterdir()}

    assert 0o700 == database.parent.stat().st_mode & 0o777
    assert {"sandbox.db", "sandbox.db-wal", "sandbox.db-shm"} == modes.keys()
    assert {0o600} == set(modes.values())


def test_a_file_that_others_may_read_is_closed_to_them(tmp_path: Path) -> None:
    """Also one that was there before."""
    database = tmp_path / "sandbox.db"
    database.touch(mode=0o644)

    sandbox.app(database)

    assert 0o600 == database.stat().st_mode & 0o777


def test_something_else_is_not_taken_for_a_database(tmp_path: Path) -> None:
    """It is left as it is."""
    path = tmp_path / "sandbox.db"
    path.write_text("not a database, and longer than its header would be " * 20)

    with pytest.raises(SettingError, match=r"sandbox\.db"):
        sandbox.app(path)


def test_a_database_of_another_format_is_told(tmp_path: Path) -> None:
    """With what to do about it."""
    path = tmp_path / "sandbox.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 99")

    with pytest.raises(SettingError, match="format 99") as told:
        sandbox.app(path)

    assert "delete" in told.value.hint


def test_a_list_is_made_once(tmp_path: Path) -> None:
    """One that is there stays as it is."""
    database = tmp_path / "sandbox.db"

    made = sandbox.ensure_list(
        database, "L1", "First", description="d", suppress_until=datetime(2028, 1, 1, tzinfo=UTC)
    )
    again = sandbox.ensure_list(database, "L1", "Second")
    with calling(tmp_path) as client:
        shown = client.get(LIST).json()

    assert (True, False) == (made, again)
    assert ("First", "d", "2028-01-01T00:00:00Z") == (
        shown["name"],
        shown["description"],
        shown["suppressUntil"],
    )


def test_a_new_sandbox_has_no_lists(tmp_path: Path) -> None:
    """Nothing is made up."""
    app = sandbox.app(tmp_path / "new" / "sandbox.db")
    with httpx.Client(transport=httpx.WSGITransport(app), base_url="http://sandbox") as client:
        sign_in(client)

        assert {"lists": []} == client.get("/api/v2/lists").json()


def test_a_stranger_adds_and_replaces_contacts(tmp_path: Path) -> None:
    """Also one whose end has passed, which no request could write."""
    with calling(tmp_path) as client:
        somebody = sandbox.stranger(tmp_path / "sandbox.db")
        seen = etag(client)

        somebody.add("L1", phone=PHONE, until=datetime(2020, 1, 1, tzinfo=UTC))
        somebody.add("L1", phone="+1 555 555 0101", reason="BOUNCE")
        somebody.add("L1", email=USER, reason=None, until=datetime(2020, 1, 1, tzinfo=UTC))

        assert [
            {"phoneNumber": "+1 555 555 0101", "reason": "BOUNCE", "version": 2},
            {"email": USER, "suppressUntil": "2020-01-01T00:00:00Z", "version": 1},
        ] == contacts(client)
        assert seen != etag(client)


@pytest.mark.parametrize("identifier", [USER, USER.upper(), PHONE, "+1 555-555-0101"])
def test_a_stranger_removes_a_contact_by_either_identifier(tmp_path: Path, identifier: str) -> None:
    """However spelled; the count and the version follow."""
    with calling(tmp_path) as client:
        post(client, {"email": USER, "phoneNumber": PHONE}, {"email": "user2@example.com"})
        somebody, seen = sandbox.stranger(tmp_path / "sandbox.db"), etag(client)

        gone, again = (somebody.remove("L1", identifier) for _ in range(2))

        assert (True, False) == (gone, again)
        assert ["user2@example.com"] == [each["email"] for each in contacts(client)]
        assert 1 == client.get(LIST).json()["contactCount"]
        assert seen != etag(client)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("name", "Renamed", "Renamed"),
        ("description", None, None),
        ("suppressUntil", datetime(2020, 1, 1, tzinfo=UTC), "2020-01-01T00:00:00Z"),
        ("suppressUntil", LATER, LATER),
    ],
)
def test_a_stranger_changes_a_setting(
    tmp_path: Path, field: ListField, value: datetime | str | None, expected: str | None
) -> None:
    """Without asking for the version."""
    with calling(tmp_path) as client:
        seen = etag(client)

        sandbox.stranger(tmp_path / "sandbox.db").set("L1", field, value)

        assert expected == client.get(LIST).json()[field]
        assert seen != etag(client)


def test_a_stranger_at_a_list_that_is_not_there_is_told(tmp_path: Path) -> None:
    """And leaves nothing behind."""
    database = tmp_path / "sandbox.db"

    with pytest.raises(NotFoundError, match="'none'"):
        sandbox.stranger(database).add("none", email=USER)

    with closing(sqlite3.connect(database)) as reader:
        assert (0,) == reader.execute("SELECT count(*) FROM contacts").fetchone()


def test_lists_do_not_share_contacts(tmp_path: Path) -> None:
    """One person on two lists is two contacts."""
    database = tmp_path / "sandbox.db"
    sandbox.ensure_list(database, "L2", "Second")
    somebody = sandbox.stranger(database)
    with calling(tmp_path) as client:
        somebody.add("L1", email=USER)
        somebody.add("L2", email=USER)

        somebody.remove("L2", USER)

        assert 1 == len(contacts(client))
