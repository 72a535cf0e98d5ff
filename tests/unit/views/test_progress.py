"""What is told while work goes on."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor

from reconciler.views.progress import progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """It is one."""
        return True


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return seconds."""
        return self.now


def test_short_work_says_nothing() -> None:
    """Work of less than a second leaves no line behind."""
    stream = io.StringIO()

    with progress(stream=stream, clock=Hands(), tick=None) as tell:
        tell("reading us-dnc", 10, 10)

    assert "" == stream.getvalue()


def test_lines_tell_rate_and_time_left_at_most_every_two_seconds() -> None:
    """A log gets a line now and then, whatever happens in between."""
    stream, clock = io.StringIO(), Hands()

    with progress(stream=stream, clock=clock, tick=None) as tell:
        for second in range(4):
            clock.now = 100.0 + second
            tell("reading us-dnc", 10_000 * second, 40_000)
        tell("reading us-dnc", 40_000, 40_000)

    assert (
        "reading us-dnc: 10,000 of 40,000 (25%), 10,000/s, 3 s left\n"
        "reading us-dnc: 30,000 of 40,000 (75%), 10,000/s, 1 s left\n"
    ) == stream.getvalue()


def test_a_thousand_lists_are_one_line_now_and_then() -> None:
    """All of them counted, the ones that have been in work for longest, and how many more."""
    stream, clock = io.StringIO(), Hands()

    with progress(stream=stream, clock=clock, tick=None) as tell:
        tell("lists read", 0, 1_000)
        for number in range(1_000):
            clock.now += 1 / 256
            tell(f"list-{number:04}: asking the service", 0)
            if number >= 8:
                tell(f"list-{number:04}: asking the service", 0, 0)
                tell("lists read", number - 7, 1_000)

    lines = stream.getvalue().splitlines()
    assert 2 == len(lines)
    assert (
        "lists read: 759 of 1,000 (75%), 253/s, 1 s left; list-0000: asking the service, for 3 s; "
        "list-0001: asking the service, for 3 s; and 7 more"
    ) == lines[1]


def test_a_phase_without_a_count_is_seen_while_nothing_is_told() -> None:
    """Comparing ten million contacts is one statement: the clock alone goes on."""
    seen = threading.Event()

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            written = super().write(text)
            seen.set()
            return written

    stream, clock = Stream(), Hands()

    with progress(stream=stream, clock=clock, tick=0.001) as tell:
        tell("us-dnc: comparing 10,000,000 rows", 0)
        clock.now += 9
        heard = seen.wait(30)

    assert heard
    assert "us-dnc: comparing 10,000,000 rows, for 9 s\n" == stream.getvalue()


def test_a_subject_is_in_one_phase_at_a_time() -> None:
    """The next takes the place of the one before, and counts from its own beginning."""
    stream, clock = io.StringIO(), Hands()

    with progress(stream=stream, clock=clock, tick=None) as tell:
        tell("us-dnc: reading files", 500)
        clock.now += 0.5
        tell("us-dnc: comparing", 0)
        clock.now += 2
        tell("us-dnc: comparing", 10, 100)
        tell("us-dnc: comparing", 100, 100)
        clock.now += 2
        tell("uk-dnc: reading files", 1)

    assert "us-dnc: comparing: 10 of 100 (10%), 5/s, 18 s left\nuk-dnc: reading files: 1\n" == (
        stream.getvalue()
    )


def test_there_are_only_so_many_bars() -> None:
    """Those of what is in work for longest; a place that comes free is filled."""
    stream, clock = Terminal(), Hands()

    with progress(stream=stream, clock=clock, tick=None) as tell:
        tell("lists read", 0, 1_000)
        for number in range(100):
            tell(f"list-{number:02}: comparing", 0)
        clock.now += 1
        tell.rest()
        tell("lists read", 1, 1_000)
        for number in range(100):
            tell(f"list-{number:02}: comparing", 0)
        clock.now += 1
        tell("list-00: comparing", 0, 0)

    shown = {number for number in range(100) if f"list-{number:02}" in stream.getvalue()}
    assert set(range(1, 8)) == shown


def test_work_of_unknown_size_has_no_share() -> None:
    """A total that nobody knows is not made up."""
    stream, clock = io.StringIO(), Hands()

    with progress(stream=stream, clock=clock, tick=None) as tell:
        tell("reading", 0)
        clock.now += 2
        tell("reading", 5_000)

    assert "reading: 5,000, 2,500/s\n" == stream.getvalue()


def test_a_notice_is_said_at_once() -> None:
    """Being told to wait is news within the first second too."""
    stream = io.StringIO()

    with progress(stream=stream, clock=Hands(), tick=None) as tell:
        tell.notice("waiting 3 s\nas asked")

    assert "waiting 3 s as asked\n" == stream.getvalue()


def test_quiet_work_says_nothing_at_all() -> None:
    """Switched off, notices are too."""
    stream, clock = io.StringIO(), Hands()

    with progress(stream=stream, enabled=False, clock=clock, tick=None) as tell:
        tell("reading", 0, 10)
        clock.now += 60
        tell("reading", 10, 10)
        tell.notice("waiting")

    assert "" == stream.getvalue()


def test_a_terminal_gets_bars_after_a_second() -> None:
    """Not before; and notices stand above them."""
    stream, clock = Terminal(), Hands()

    with progress(stream=stream, clock=clock, tick=None) as tell:
        tell("reading us-dnc", 1, 10)
        early = stream.getvalue()
        clock.now += 1
        tell("reading us-dnc", 5, 10)
        tell("compiling", 5)
        tell.notice("waiting [3 s]")

    assert "" == early
    assert "reading us-dnc" in stream.getvalue()
    assert "5/10" in stream.getvalue()
    assert "waiting [3 s]\n" in stream.getvalue()


def test_bars_without_colour_have_none() -> None:
    """What moves the cursor stays, colours go."""
    stream, clock = Terminal(), Hands()

    with progress(stream=stream, clock=clock, color=False, tick=None) as tell:
        tell("reading", 1, 10)
        clock.now += 1
        tell("reading", 5, 10)

    assert "\x1b[3" not in stream.getvalue()
    assert "\x1b[1;" not in stream.getvalue()


def test_a_terminal_in_ci_gets_lines() -> None:
    """Where bars are not wanted a terminal is a log."""
    stream, clock = Terminal(), Hands()

    with progress(stream=stream, bars=False, clock=clock, tick=None) as tell:
        clock.now += 2
        tell("reading", 5, 10)

    assert "reading: 5 of 10 (50%)\n" == stream.getvalue()


def test_threads_may_tell_at_once() -> None:
    """No line is torn."""
    stream = io.StringIO()

    with (
        progress(stream=stream, clock=Hands(), tick=None) as tell,
        ThreadPoolExecutor(8) as pool,
    ):
        list(pool.map(lambda number: tell.notice(f"notice {number}"), range(200)))

    assert {f"notice {number}" for number in range(200)} == set(stream.getvalue().splitlines())
