"""Check that a text table has a header if, and only if, the scenario says so."""

from __future__ import annotations

from collections.abc import Sequence

from clients.data.classes import all_numbers, is_missing, is_number
from clients.data.delimited import TextTable
from clients.data.errors import DataError

_ENOUGH = 10
"""Minimum number of rows for which it is evidence of a header that no cell of the first line occurs again."""


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
            "or give the columns names that are no numbers"
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
    """Return whether the first line has numbers where its columns have them, and these are unlikely to be names."""
    names = [cell for cell, numbers in zip(first, numeric, strict=True) if numbers and not is_missing(cell)]
    texts = [(cell, body) for cell, body, numbers in zip(first, bodies, numeric, strict=True) if not numbers]
    again = any(cell in set(body) for cell, body in texts)
    if not any(numeric):
        return bool(texts) and all(cell in set(body) for cell, body in texts)
    if not names or not all(map(is_number, names)) or _counts_up(names):
        return False
    fractions = any(not float(name).is_integer() or float(name) < 0 for name in names)
    return fractions or again or not texts


def _counts_up(names: Sequence[str]) -> bool:
    """Return whether names are the numbers of the columns, from 0 or 1, as programs write them for columns without names."""
    return len(names) > 1 and any(list(names) == [str(number) for number in range(first, first + len(names))] for first in (0, 1))
