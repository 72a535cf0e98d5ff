"""``reconciler sandbox``, as a process of its own."""

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from urllib.error import HTTPError

import orjson
import pytest

from reconciler.commands import main

START = [sys.executable, "-m", "reconciler", "sandbox", "--port", "0"]


@contextmanager
def started(data: Path, *args: str) -> Iterator["subprocess.Popen[str]"]:
    """Yield the running command."""
    with subprocess.Popen(  # noqa: S603 - our own program
        [*START, "--data", str(data), *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as ran:
        try:
            yield ran
        finally:
            ran.kill()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_serves_until_a_signal_ends_it(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """Its URL is its data; it ends quietly, with the signal's code."""
    with started(tmp_path / "state" / "sandbox.db") as ran:
        assert ran.stdout
        assert ran.stderr
        url = ran.stdout.readline().strip()
        with pytest.raises(HTTPError) as refused:
            urllib.request.urlopen(f"{url}/api/v2/lists/none")  # noqa: S310 - loopback
        refused.value.close()
        ran.send_signal(number)
        ended = ran.wait(timeout=20)
        told = ran.stderr.read()

    assert HTTPStatus.UNAUTHORIZED == refused.value.code
    assert code == ended
    first, *ways = told.splitlines()
    assert f"Serving {tmp_path}/state/sandbox.db. Ctrl-C ends it." == first
    assert ["oauth/token", "auth/token"] == ["/".join(way.split("/")[-2:]) for way in ways]


def test_its_url_can_be_had_as_json(tmp_path: Path) -> None:
    """On one document, as soon as it answers; faults are taken along."""
    fault = "status:503@/api/v2/**"

    with started(tmp_path / "sandbox.db", "--format", "json", "--fault", fault) as ran:
        assert ran.stdout
        lines = iter(ran.stdout.readline, "}\n")
        url = orjson.loads("".join(lines) + "}")["url"]
        with pytest.raises(HTTPError) as refused:
            urllib.request.urlopen(f"{url}/api/v2/lists/none")  # noqa: S310 - loopback
        refused.value.close()

    assert HTTPStatus.SERVICE_UNAVAILABLE == refused.value.code


@pytest.mark.parametrize(
    ("args", "code"), [(("--fault", "nonsense"), 64), (("--host", "192.0.2.1"), 7)]
)
def test_it_refuses_what_it_cannot_do(
    tmp_path: Path, args: tuple[str, ...], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fault nobody understands, and any address but loopback."""
    ended = main(["sandbox", "--port", "0", "--data", str(tmp_path / "x.db"), *args])

    assert code == ended
    assert "error: " in capsys.readouterr().err
