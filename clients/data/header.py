"""Check that a text table has a header if, and only if, the scenario says so."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from clients.data.classes import all_numbers, is_missing, is_number
from clients.data.delimited import TextTable
from clients.data.errors import DataError

_ENOUGH = 10
"""Minimum number of rows for which it is evidence of a header that no cell of the first line occurs again."""

_COUNTED = 3
"""Minimum number of columns whose numbers may be their names; of fewer, 0 and 1 are as likely values."""


def check_header(table: TextTable, header: bool) -> None:
    """Raise ``DataError``, with the value to set, if the first line contradicts the flag ``header``."""
    bodies = [table.column(place, True) for place in range(table.width)]
    if not bodies[0]:
        return
    numeric = [all_numbers(cells) for cells in bodies]
    first = table.first
    if header and _looks_like_a_row(first, bodies, numeric):
        raise DataError(
            f"{table.path}: line 1 ({_shown(first)}) looks like a row, not like the names of columns: set header = false, "
            "or give the columns names that are neither numbers nor values of theirs"
        )
    if not header and _looks_like_names(first, bodies, numeric):
        raise DataError(f"{table.path}: line 1 ({_shown(first)}) looks like the names of columns: set header = true, or remove the line")


def _shown(cells: Sequence[str]) -> str:
    """Return a few cells for a message."""
    return ", ".join(cell[:30] for cell in cells[:4]) + (", ..." if len(cells) > 4 else "")


def _looks_like_names(first: Sequence[str], bodies: Sequence[Sequence[str]], numeric: Sequence[bool]) -> bool:
    """Return whether only the first line keeps columns from being numeric, or its cells occur in no other row."""
    words = [not is_number(cell) and not is_missing(cell) for cell in first]
    if any(numeric):
        return any(word for word, numbers in zip(words, numeric, strict=True) if numbers)
    seldom = all(cell not in body for cell, body in zip(first, map(set, bodies), strict=True))
    return len(bodies[0]) >= _ENOUGH and len(set(first)) == len(first) and all(words) and seldom


def _looks_like_a_row(first: Sequence[str], bodies: Sequence[Sequence[str]], numeric: Sequence[bool]) -> bool:
    """Return whether the first line has numbers where its columns have them, and its cells are unlikely to be names.

    The class of a row mostly occurs in other rows, the name of a column does not.
    """
    again = [not is_missing(cell) and cell in body for cell, body in zip(first, bodies, strict=True)]
    places = [i for i, numbers in enumerate(numeric) if numbers]
    if not places:
        return any(again)
    names = [first[i] for i in places if not is_missing(first[i])]
    if not names or not all(map(is_number, names)):
        return False
    if any(again[i] for i in range(len(first)) if i not in places):
        return True
    if _counts_up(names):
        return len(names) == len(places) and (len(names) < _COUNTED or all(again[i] for i in places))
    values = [float(name) for name in names]
    ascending = all(low < high for low, high in pairwise(values))
    whole = all(value.is_integer() and value >= 0 for value in values)
    return len(places) == len(first) or not ascending or not whole or any(again)


def _counts_up(names: Sequence[str]) -> bool:
    """Return whether names are the numbers of the columns, from 0 or 1, as programs write them for columns without names."""
    return len(names) > 1 and any(list(names) == [str(number) for number in range(first, first + len(names))] for first in (0, 1))
