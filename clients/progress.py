"""Progress of long loops: who shows it listens, and loops need not know who that is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

Item = TypeVar("Item")

Begin = Callable[[str, int], Callable[[int], None]]
"""From what a loop does and its largest number of items to a function that takes how many are done; all of them when the loop ends."""

_LISTENER: ContextVar[Begin | None] = ContextVar("listener", default=None)


@contextmanager
def listening(begin: Begin) -> Iterator[None]:
    """Let a function be told of the loops inside the context."""
    before = _LISTENER.set(begin)
    try:
        yield
    finally:
        _LISTENER.reset(before)


@contextmanager
def stage(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that tells who listens how many of at most ``total`` items are done."""
    begin = _LISTENER.get()
    advance = begin(what, total) if begin is not None else lambda done: None
    try:
        yield advance
    finally:
        advance(total)


def told(what: str, items: Iterable[Item], total: int) -> Iterator[Item]:
    """Yield the items, and tell who listens how many of at most ``total`` are done."""
    with stage(what, total) as advance:
        for done, item in enumerate(items, start=1):
            yield item
            advance(done)
