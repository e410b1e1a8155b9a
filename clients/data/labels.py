"""Encoding of labels by classes that are known without any private row."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from clients.data.classes import Where, by_text, by_value, is_number, value_of
from clients.data.errors import DataError
from clients.data.facts import pasted_labels
from clients.data.rows import Ids

_MOST = 20
"""Maximum number of classes that a message names."""


def names_of(cells: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the distinct classes, sorted; by value if all are numbers."""
    distinct = set(cells)
    return (by_value(distinct) if all(map(is_number, distinct)) else by_text(distinct))[0]


def codes_of(cells: Sequence[str], names: Sequence[str], path: str, where: Where) -> npt.NDArray[np.int64]:
    """Return each cell's position among the names of classes, int64 (n,); ``DataError`` if a cell is not among them."""
    place = _finder(names)
    found = {cell: place(cell) for cell in dict.fromkeys(cells)}
    if strange := [cell for cell, code in found.items() if code is None]:
        raise _unknown(strange, names, f"{path}: {where(cells.index(strange[0]))}")
    return np.fromiter((found[cell] for cell in cells), np.int64, len(cells))


def recoded(held: Sequence[str], y: npt.NDArray[np.int64], names: Sequence[str], ids: Ids) -> npt.NDArray[np.int64]:
    """Return labels as positions in ``names`` instead of ``held``, int64 (n,); ``DataError`` if ``names`` lacks a row's class."""
    place = _finder(names)
    codes = [place(name) for name in held]
    unknown = np.asarray([code is None for code in codes])
    if (strange := unknown[y]).any():
        missing = [held[label] for label in np.unique(y[strange])]
        raise _unknown(missing, names, f"row {ids[np.argmax(y == held.index(missing[0]))]}")
    return np.asarray([-1 if code is None else code for code in codes], dtype=np.int64)[y]


def check_public(held: Sequence[str], y: npt.NDArray[np.int64], public: Ids, ids: Ids) -> None:
    """Raise ``DataError`` if a row's class is that of no public row; ``public`` are the positions of these rows."""
    shown = np.unique(y[public])
    if len(hidden := np.setdiff1d(y, shown)):
        missing = [held[label] for label in hidden]
        raise _unknown(missing, [held[label] for label in shown], f"row {ids[np.argmax(y == hidden[0])]}", held)


def _finder(names: Sequence[str]) -> Callable[[str], int | None]:
    """Return a function from a class's name to its position; names are compared as numbers if all are."""
    by_name = {name: i for i, name in enumerate(names)}
    numbers = {value_of(name): i for i, name in enumerate(names)} if all(map(is_number, names)) else {}
    return lambda cell: by_name.get(cell, numbers.get(value_of(cell)) if numbers and is_number(cell) else None)


def _unknown(missing: Sequence[str], known: Sequence[str], place: str, order: Sequence[str] | None = None) -> DataError:
    """Return the error for unknown classes."""
    both = [*known, *missing]
    names = [name for name in order if name in both] if order is not None else list(names_of(both))
    paste = f" ({pasted_labels(names)})" if len(names) <= _MOST else ""
    return DataError(
        f"{place} is of class {missing[0]!r:.60}, which is in no reference or test row and not declared: "
        f"add labels to [data]{paste}, or remove the row"
    )
