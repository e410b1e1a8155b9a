"""Rows of files with questions, as benchmarks publish them: a list in JSON, JSON lines, or Parquet. Nothing is downloaded."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from clients.data.errors import DataError
from clients.data.limits import afford
from clients.data.scaling import existing

Table = Mapping[str, Any]

_KINDS = "JSON, JSON lines or Parquet"


def questions_in(path: str, needed: Sequence[str], cure: str) -> tuple[Table, ...]:
    """Return the rows of a file, which have all of these columns.

    Parameters
    ----------
    path : str
    needed : sequence of str
        Columns.
    cure : str
        Which of the published files has them, for messages.

    Raises
    ------
    DataError
        If the file is none of these kinds, has no row, or lacks a column.
    """
    file = existing(path, f"file of {_KINDS}")
    found = _rows(file, file.stat().st_mtime_ns)
    if not found:
        raise DataError(f"{path}: has no rows: {cure}")
    for i, row in enumerate(found):
        if missing := [column for column in needed if row.get(column) is None]:
            raise DataError(f"{path}: row {i} (from 0) lacks {missing[0]}, it has {', '.join(map(str, row)) or 'nothing'}: {cure}")
    return found


@lru_cache(maxsize=8)
def _rows(path: Path, changed: int) -> tuple[Table, ...]:
    """Return the rows of a file that was last changed at some time, in nanoseconds."""
    afford(path, 20 * path.stat().st_size, "reading it")
    if path.suffix == ".parquet":
        return _parquet(path)
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8'}): fetch it again") from None
    found = _listed(path, text) if text.startswith("[") else [_parsed(path, line, i) for i, line in enumerate(text.splitlines(), 1)]
    for i, row in enumerate(found):
        if not isinstance(row, dict):
            raise DataError(f"{path}: row {i} (from 0) is no table of columns: give a file as it was published, of {_KINDS}")
    return tuple(found)


def _listed(path: Path, text: str) -> list[Any]:
    """Return the rows of a JSON list."""
    try:
        return list(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is no JSON ({one(error)}): fetch it again") from None


def _parsed(path: Path, line: str, number: int) -> Any:
    """Return the row on a line of JSON."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: line {number} is no JSON ({one(error)}): fetch it again, or give another of {_KINDS}") from None


def _parquet(path: Path) -> tuple[Table, ...]:
    """Return the rows of a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows: list[Table] = pq.read_table(path).to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as Parquet ({one(error)}): fetch it again") from None
    return tuple(rows)


def one(error: Exception) -> str:
    """Return what an error says, on one line and not too long."""
    return " ".join(str(error).split())[:120]
