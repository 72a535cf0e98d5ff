"""Where captured surplus goes: one file a list, and what is said of what was and was not written.

It decides on names before anything is read, so that nobody waits for a report to hear that a file
is in the way. It never captures from a list that was not read whole.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from reconciler.contacts.capture import capture, taken
from reconciler.contacts.engine import Engine
from reconciler.errors import SettingError
from reconciler.model import Observed, ObservedList


def files(path: Path, keys: Sequence[str]) -> Mapping[str, Path]:
    """Return the file of each list: the one named, or of several lists one each, by key.

    Raises:
        SettingError: the name is not that of a CSV file, its folder is not there, or one of the
            files is.
    """
    if path.suffix.lower() != ".csv":
        raise SettingError(f"--capture: expected a name that ends in .csv, found {path.name!r}")
    if not path.absolute().parent.is_dir():
        raise SettingError(f"--capture: the folder {path.absolute().parent} does not exist")
    several = len(keys) > 1
    found = {key: path.with_stem(f"{path.stem}-{key}") if several else path for key in keys}
    for file in found.values():
        if file.exists() or file.is_symlink():
            raise taken(file)
    return found


def surplus(
    observed: Observed, into: Mapping[str, Path], *, engine: Engine, tell: Callable[[str], None]
) -> None:
    """Write each list's surplus to its file, and tell what was written and what was not.

    Args:
        observed: the lists as read.
        into: the file of each list that was to be read, by key.
        engine: an open engine.
        tell: takes a line of talk.

    Raises:
        SettingError: a file cannot be written, or is there by now.
    """
    for key, path in into.items():
        for line in _captured(observed.lists.get(key), path, engine):
            tell(f"{key}: {line}")


def _captured(seen: ObservedList | None, path: Path, engine: Engine) -> Iterator[str]:
    if seen is None or not seen.complete:
        yield f"nothing captured: it could not be read{' whole' * (seen is not None)}"
        return
    made = capture(engine, seen.gap.rows, path)
    if made.contacts:
        yield f"{_surplus(made.contacts)} captured in {path}, to be declared as a source"
    else:
        yield "no surplus to capture"
    if made.unreasoned:
        yield (
            f"{made.unreasoned:,} of them without a reason that a spec can declare: give them "
            "one, or the list a default"
        )
    left = seen.gap.opaque + made.unreadable
    if left:
        yield f"{left:,} surplus left out: not to be read as an address"
    if made.declared:
        yield f"{made.declared:,} surplus left out: a declared release is to let them go"


def _surplus(count: int) -> str:
    return f"{count:,} surplus contact{'s' * (count != 1)}"
