"""Independent pieces of a peer's work, which an engine may carry out side by side.

A piece is a call of a function that changes nothing, so that its answer is the same bytes wherever it is carried out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

Answer = TypeVar("Answer")
Spread = Callable[[Callable[..., Any], Sequence[tuple[Any, ...]]], list[Any]]


def each(function: Callable[..., Answer], pieces: Sequence[tuple[Any, ...]]) -> list[Answer]:
    """Return the function's answers to these arguments, in their order; one after the other unless the process was told otherwise."""
    return _spread[0](function, pieces)


def spread_by(spread: Spread) -> None:
    """Tell this process how pieces are carried out from now on."""
    _spread[:] = [spread]


def in_turn(function: Callable[..., Answer], pieces: Sequence[tuple[Any, ...]]) -> list[Answer]:
    """Carry out one piece after the other."""
    return [function(*piece) for piece in pieces]


_spread: list[Spread] = [in_turn]
