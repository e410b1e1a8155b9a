"""Handling of SIGTERM: it is treated like Ctrl-C, so that everything started is stopped cleanly; only the exit status differs."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

UNANSWERED = 130
"""What Typer returns after a KeyboardInterrupt, whatever has caused it, that no command has answered."""

_RECEIVED: list[int] = []  # the exception cannot carry it: Ray replaces ours by another KeyboardInterrupt


def _end(number: int, frame: FrameType | None) -> None:
    _RECEIVED.append(number)
    raise KeyboardInterrupt


def stopped_by() -> tuple[str, int]:
    """Return the cause of a KeyboardInterrupt in one word, and its exit status."""
    return ("terminated", 128 + signal.SIGTERM) if _RECEIVED else ("interrupted", 128 + signal.SIGINT)


@contextmanager
def interruptible(cure: str) -> Iterator[None]:
    """End the command with the status of a ``KeyboardInterrupt`` inside the context, after a line on its cause and the ``cure``."""
    import typer

    try:
        yield
    except KeyboardInterrupt:
        word, status = stopped_by()
        typer.echo(f"{word}; {cure}", err=True)
        raise SystemExit(status) from None  # unlike Typer's own, it cannot be taken for an interrupt that nobody has answered


@contextmanager
def terminable() -> Iterator[None]:
    """Raise ``KeyboardInterrupt`` in the main thread if SIGTERM arrives inside the context; `stopped_by` tells the two apart."""
    _RECEIVED.clear()
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
