"""How many rows gradients are taken of: what any method costs, in one unit, counted where gradients are taken.

The gradient of one row's loss counts 1; the product of its second derivatives with a direction counts 2, as it takes two backward passes.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Self

_TAKEN: ContextVar[int] = ContextVar("taken", default=0)
"""Gradients of single rows taken so far in this context; meters read differences."""


def taken(rows: int) -> None:
    """Count gradients of this many rows."""
    _TAKEN.set(_TAKEN.get() + rows)


class Meter:
    """A context that counts the gradients of single rows taken inside it, whoever takes them; meters may be nested.

    Attributes
    ----------
    rows : int
        Gradients of single rows, known once the context is left.
    """

    rows = 0

    def __enter__(self) -> Self:
        self._before = _TAKEN.get()
        return self

    def __exit__(self, *_: object) -> None:
        self.rows = _TAKEN.get() - self._before
