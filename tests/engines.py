"""One open engine for all tests of a process: to open one takes longer than many a test.

Sessions share nothing but the functions they are given, as in a run over many lists. Tests of
opening, closing, spilling and of a limit open their own.
"""

import atexit
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from reconciler.contacts.engine import Engine

KEY = b"k" * 32


@cache
def shared() -> Engine:
    """Return the engine with the key ``KEY``, which is closed when the process ends."""
    stack = ExitStack()
    atexit.register(stack.close)
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="engine-")))
    engine = stack.enter_context(Engine(key=KEY, spill=folder / "spill"))
    with engine.session() as session:
        session.execute("SET GLOBAL threads = 1")  # tables of a few rows, and a test process a core
    return engine
