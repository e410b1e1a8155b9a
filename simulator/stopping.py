"""Being asked to end: SIGTERM is taken as Ctrl-C is, so that what was started is ended in order; only the exit status is another."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_RECEIVED: list[int] = []  # what is raised cannot tell: Ray raises another KeyboardInterrupt in the place of ours


def _end(number: int, frame: FrameType | None) -> None:
    _RECEIVED.append(number)
    raise KeyboardInterrupt


def stopped_by() -> tuple[str, int]:
    """Return by what a KeyboardInterrupt came about, in a word, and the exit status that goes with it."""
    return ("terminated", 128 + signal.SIGTERM) if _RECEIVED else ("interrupted", 128 + signal.SIGINT)


@contextmanager
def terminable() -> Iterator[None]:
    """Raise ``KeyboardInterrupt`` in the main thread where SIGTERM comes while inside, and let the process end with its exit status."""
    _RECEIVED.clear()
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    except SystemExit as ending:
        if ending.code == 128 + signal.SIGINT:
            raise SystemExit(stopped_by()[1]) from None
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
