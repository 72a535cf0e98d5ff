import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from sandbox_calls import CONTACTS, LIST, contacts, post, sign_in

from reconciler import sandbox
from reconciler.errors import SettingError

USER = "user1@example.com"
PROGRAM = """
import sys, pathlib
from reconciler import sandbox
sandbox.serve(pathlib.Path(sys.argv[1]), ready=lambda url: print(url, flush=True))
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Return a file with the list L1."""
    path = tmp_path / "sandbox.db"
    sandbox.ensure_list(path, "L1", "First")
    return path


def test_the_sandbox_answers_on_a_real_socket(database: Path) -> None:
    """The token, the list and its contacts, on a port that was free."""
    with sandbox.serving(database) as url, httpx.Client(base_url=url) as client:
        sign_in(client)
        post(client, {"email": USER})

        found = contacts(client)

    assert [{"email": USER, "version": 1}] == found


def test_a_page_on_a_socket_is_clamped_too(database: Path) -> None:
    """The app's settings reach the server."""
    with sandbox.serving(database, max_page=1) as url, httpx.Client(base_url=url) as client:
        sign_in(client)
        post(client, {"email": USER}, {"email": "user2@example.com"})

        assert 1 == len(contacts(client))


@pytest.mark.parametrize("kind", ["reset", "lost", "truncate"])
def test_a_broken_connection_is_a_transport_error_at_the_other_end(
    database: Path, kind: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """No status, no traceback, no line in the log; the next request works."""
    faults = [sandbox.parse(f"{kind}@GET contacts#1")]

    with sandbox.serving(database, faults=faults) as url, httpx.Client(base_url=url) as client:
        sign_in(client)
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            client.get(CONTACTS)
        after = client.get(CONTACTS)

    printed = capfd.readouterr()
    assert 200 == after.status_code
    assert ("", "", []) == (printed.out, printed.err, caplog.records)


def test_a_truncated_page_announces_all_of_itself(database: Path) -> None:
    """What arrived is half of what the length said."""
    faults = [sandbox.parse("truncate@GET contacts#2")]
    rows = [{"email": f"user{number}@example.com"} for number in range(2000)]
    received: list[bytes] = []

    with sandbox.serving(database, faults=faults) as url, httpx.Client(base_url=url) as client:
        sign_in(client)
        post(client, *rows)
        whole = client.get(CONTACTS).content
        with client.stream("GET", CONTACTS) as answer, pytest.raises(httpx.RemoteProtocolError):
            received.extend(answer.iter_bytes())

    assert str(len(whole)) == answer.headers["Content-Length"]
    assert whole[: len(whole) // 2] == b"".join(received)


def test_a_status_and_its_date_arrive(database: Path) -> None:
    """Retry-After goes through the server as it is."""
    faults = [sandbox.parse("status:429;retry-after=2@GET /api/v2/lists/L1#1")]

    with sandbox.serving(database, faults=faults) as url, httpx.Client(base_url=url) as client:
        sign_in(client)
        answer = client.get(LIST)

    assert (429, "2") == (answer.status_code, answer.headers["Retry-After"])
    assert 1 == len(answer.headers.get_list("Date"))


def test_threads_write_at_the_same_time_and_nothing_is_lost(database: Path) -> None:
    """Every batch is there afterwards, and the count agrees."""

    def write(thread: int) -> None:
        with httpx.Client(base_url=url, timeout=30) as client:
            sign_in(client)
            for number in range(10):
                post(client, {"email": f"user{thread}-{number}@example.com"})

    with sandbox.serving(database) as url, httpx.Client(base_url=url) as reader:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, range(4)))
        sign_in(reader)

        assert 40 == len(contacts(reader)) == reader.get(LIST).json()["contactCount"]


def test_two_servers_on_one_file_see_each_other(database: Path) -> None:
    """Also a token that the other one gave."""
    with (
        sandbox.serving(database) as one,
        sandbox.serving(database) as two,
        httpx.Client(base_url=one) as client,
    ):
        sign_in(client)
        post(client, {"email": USER})

        answer = httpx.get(two + CONTACTS, headers=client.headers)

    assert 1 == answer.json()["totalRecords"]


@pytest.fixture
def server(database: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a sandbox in a process of its own, whose first line is its URL."""
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", PROGRAM, str(database)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(sandbox.__file__).parents[2])},
    ) as started:
        yield started
        started.kill()


def test_another_process_sees_what_is_written_and_ends_cleanly(
    database: Path, server: subprocess.Popen[str]
) -> None:
    """A stranger in this process, a server in that one; SIGTERM ends it with 0 and silence."""
    url = server.stdout.readline().strip() if server.stdout else ""
    with httpx.Client(base_url=url) as client:
        sign_in(client)
        sandbox.stranger(database).add("L1", email=USER)
        found = contacts(client)
        post(client, {"email": "user2@example.com"})
        removed = sandbox.stranger(database).remove("L1", "user2@example.com")
    server.send_signal(signal.SIGTERM)
    out, err = server.communicate(timeout=20)

    assert [{"email": USER, "reason": "DNC", "version": 1}] == found
    assert removed
    assert (0, "", "") == (server.returncode, out, err)


def test_ctrl_c_ends_the_server(database: Path) -> None:
    """Serving returns as if nothing had happened, and the port is free again."""
    urls = []

    def interrupt(url: str) -> None:
        urls.append(url)
        threading.Timer(0.2, signal.raise_signal, [signal.SIGINT]).start()

    sandbox.serve(database, ready=interrupt)

    with pytest.raises(httpx.ConnectError):
        httpx.get(urls[0])


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", ""])  # noqa: S104 - refused
def test_nobody_else_is_served(database: Path, host: str) -> None:
    """A host that is not loopback is refused before anything listens."""
    with pytest.raises(SettingError, match="this machine only"):
        sandbox.serve(database, host=host, ready=pytest.fail)


def test_a_port_that_is_taken_is_told(database: Path) -> None:
    """With its number."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(SettingError, match=f"port {port}"):
            sandbox.serve(database, port=port, ready=pytest.fail)
