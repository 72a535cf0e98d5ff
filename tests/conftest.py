"""What holds for every test: loopback only, an empty HOME, none of the caller's settings.

It makes no nouns (builders) and no worlds (strategies); it never loosens these bounds for one
test.
"""

import os
import signal
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from reconciler.contacts.engine import Engine

LOOPBACK = ["127.0.0.1", "::1", "localhost"]
COLOURS = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE")

settings.register_profile("default", deadline=None)
settings.register_profile("thorough", deadline=None, max_examples=1_000)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let CI insist that every test marked ``tools`` runs, and people refresh golden files."""
    parser.addoption(
        "--refresh-golden",
        action="store_true",
        help="write what the program prints now as what tests/golden expects; then read the diff",
    )
    parser.addoption(
        "--require-tools",
        action="store_true",
        help="fail, instead of skipping, a test whose program is not installed",
    )


def pytest_configure() -> None:
    """Let Ctrl-C be heard: a shell that starts the suite in the background has it ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Block the network but for loopback, in every test."""
    for item in items:
        item.add_marker(pytest.mark.allow_hosts(LOOPBACK))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the skip of a test marked ``tools`` into a failure where tools are required."""
    report = yield
    required = item.config.getoption("--require-tools")
    if required and report.skipped and item.get_closest_marker("tools"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped under --require-tools: {reason}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many faults a campaign tried, and how often anything was lost."""
    told = [
        report.user_properties
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
    ]
    pairs, lost = (
        [value for each in told for name, value in each if name == wanted and type(value) is int]
        for wanted in ("fault pairs", "fault losses")
    )
    if pairs:
        terminalreporter.write_line(f"{sum(pairs):,} (request, fault) pairs, {sum(lost):,} lost")


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that every test of this process takes for its home."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def engine() -> "Engine":
    """Return the open engine that all tests of this process share."""
    from engines import shared  # noqa: PLC0415 - only for tests that want one

    return shared()


@pytest.fixture(autouse=True)
def _own_environment(empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the caller's settings, colours and home from the program under test."""
    for name in os.environ:
        if name.startswith("RECONCILER_") or name in COLOURS:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(empty_home))
    monkeypatch.setenv("TERM", "xterm-256color")
