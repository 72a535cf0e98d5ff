"""The bounds that every test runs in hold."""

import os
import socket
from pathlib import Path

import pytest
from pytest_socket import SocketConnectBlockedError

pytest_plugins = ["pytester"]

CONFTEST = Path(__file__).with_name("conftest.py")

TOOLS = """
import pytest

@pytest.mark.tools
def test_absent_program():
    pytest.skip("no such program")

def test_of_another_reason():
    pytest.skip("not here")
"""


def test_the_network_is_blocked() -> None:
    """Nothing but loopback can be reached from a test."""
    with (
        socket.socket() as line,
        pytest.warns(UserWarning, match="tried to use"),
        pytest.raises(SocketConnectBlockedError),
    ):
        line.connect(("192.0.2.1", 80))


def test_loopback_is_open() -> None:
    """A server of the test itself can be reached."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
            assert line.getpeername()[1] == port


def test_the_callers_settings_and_home_are_hidden(empty_home: Path) -> None:
    """A developer's own settings cannot make a test pass or fail."""
    assert str(empty_home) == os.environ["HOME"]
    assert not [name for name in os.environ if name.startswith("RECONCILER_")]


@pytest.mark.parametrize(("flags", "failed", "skipped"), [((), 0, 2), (("--require-tools",), 1, 1)])
def test_required_tools_may_not_be_skipped(
    pytester: pytest.Pytester, flags: tuple[str, ...], failed: int, skipped: int
) -> None:
    """Under --require-tools a test marked so fails where its program is absent; no other does."""
    pytester.makeini("[pytest]\nmarkers = tools: x")
    pytester.makeconftest(CONFTEST.read_text(encoding="utf-8"))
    pytester.makepyfile(TOOLS)

    ran = pytester.runpytest_subprocess("-p", "no:cacheprovider", *flags)

    ran.assert_outcomes(failed=failed, skipped=skipped)
