"""Encoding of labels, and detection of labels that are no classes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.data.errors import DataError

MISSING = frozenset(
    ["", "-", "--", "?", ".", "*", "na", "n/a", "#n/a", "#na", "<na>", "nan", "-nan", "null", "none", "nil", "nat", "missing"]
    + [sign + word for sign in ("", "+", "-") for word in ("inf", "infinity")]
)
"""Notations of a missing value, in lower case; infinity is included, since no model can use it."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,400}")  # Python reads no whole numbers of thousands of digits
_MANY = 20
_MANY_FRACTIONS = 10  # ratings in half stars are ten classes
Where = Callable[[int], str]


def is_number(cell: str) -> bool:
    """Return whether a cell is a finite number in decimal notation with a point."""
    return _NUMBER.fullmatch(cell) is not None and bool(np.isfinite(float(cell)))


def all_numbers(cells: Iterable[str]) -> bool:
    """Return whether all cells are finite numbers."""
    return all(map(is_number, set(cells)))


def is_missing(cell: str) -> bool:
    """Return whether a cell denotes a missing value."""
    return cell.lower() in MISSING


def coded(cells: Sequence[str], path: str, where: Where) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """Return the names of the classes, sorted (by value if all are numbers), and each row's position among them, int64 (n,).

    Equal numbers are one class: ``0`` and ``0.0`` have the shorter name.

    Parameters
    ----------
    cells : sequence of str
        One label per row.
    path : str
        The file, for messages.
    where : callable
        Maps a row's position to words for messages, such as ``"line 3"``.

    Raises
    ------
    DataError
        If a label is missing (empty, NaN, -1 among other numbers ...), or the labels are measurements instead of classes.
    """
    counts = Counter(cells)
    if bad := {cell for cell in counts if is_missing(cell)}:
        row = next(i for i, cell in enumerate(cells) if cell in bad)
        raise DataError(f"{path}: {where(row)} has the label {cells[row]!r:.60}, which is no class: label the row or remove it")
    numeric = all(map(is_number, counts))
    names, place = by_value(counts) if numeric else by_text(counts)
    if numeric:
        _refuse_minus_one(names, cells, path, where)
    _refuse_measurements(names, len(cells), path, numeric)
    return names, np.fromiter((place[cell] for cell in cells), np.int64, len(cells))


def array_labels(y: npt.NDArray[Any], path: str, what: str = "y") -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """Return names and codes of the labels in an array, shape (n,), of integers, floats, booleans or text; errors as of `coded`."""
    if y.dtype.kind not in "iufbUS":
        raise DataError(f"{path}: {what} holds {y.dtype}: it needs numbers or text, one class a row")
    texts = np.char.decode(y, "utf-8", "replace") if y.dtype.kind == "S" else y
    values, codes = np.unique(texts, return_inverse=True)
    cells = np.asarray([str(value).strip() for value in values], dtype=object)[codes.ravel()]
    return coded(cells.tolist(), path, lambda row: f"row {row} (from 0) of {what}")


def by_text(cells: Iterable[str]) -> tuple[tuple[str, ...], dict[str, int]]:
    """Return the distinct cells, sorted, and the position of each."""
    ordered = sorted(cells)
    return tuple(ordered), {cell: i for i, cell in enumerate(ordered)}


def by_value(cells: Iterable[str]) -> tuple[tuple[str, ...], dict[str, int]]:
    """Return the names of the distinct numbers, by value, and the position of every notation of them."""
    spellings: dict[float, list[str]] = {}
    for cell in cells:
        spellings.setdefault(value_of(cell), []).append(cell)
    ordered = sorted(spellings)
    names = tuple(min(spellings[value], key=lambda cell: (len(cell), cell)) for value in ordered)
    return names, {cell: i for i, value in enumerate(ordered) for cell in spellings[value]}


def value_of(cell: str) -> float:
    """Return the value of a number: exact where it is written in digits alone, because float64 makes large neighbours one."""
    return int(cell) if _WHOLE.fullmatch(cell) else float(cell)


def _refuse_minus_one(names: Sequence[str], cells: Sequence[str], path: str, where: Where) -> None:
    """Raise ``DataError`` if -1 is one of several numeric classes, except for the two classes -1 and 1."""
    values = {float(name) for name in names}
    if -1.0 in values and len(values) > 1 and values != {-1.0, 1.0}:
        row = next(i for i, cell in enumerate(cells) if float(cell) == -1)
        raise DataError(
            f"{path}: {where(row)} has the label {cells[row]!r:.60}, which mostly means that there is none: label the row or remove it; "
            "if it is a class, give it another name"
        )


def _refuse_measurements(names: Sequence[str], rows: int, path: str, numeric: bool) -> None:
    """Raise ``DataError`` if labels are many different fractions, or most rows have a label of their own."""
    fractions = numeric and len(names) > _MANY_FRACTIONS and any(not float(name).is_integer() for name in names)
    if fractions or (len(names) > _MANY and 2 * len(names) > rows):
        some = ", ".join(name[:20] for name in names[:3])
        raise DataError(
            f"{path}: the labels have {len(names)} values in {rows} rows ({some}, ...), which are no classes: name the column that holds "
            "the classes, or sort the values into a few"
        )
