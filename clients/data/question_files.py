"""Rows of files with questions, as benchmarks publish them: a list in JSON, JSON lines, or Parquet. Nothing is downloaded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from clients.data.errors import DataError
from clients.data.limits import afford
from clients.data.scaling import existing
from clients.data.wording import normalised

Table = Mapping[str, Any]

_KINDS = "JSON, JSON lines or Parquet"


def _readable(text: str) -> str:
    """Return a text of which something is read; ``ValueError`` otherwise."""
    if not normalised(text):
        raise ValueError("has no letter and no digit")
    return text


Text = Annotated[str, AfterValidator(_readable)]
"""A text with a letter or a digit."""


class Row(BaseModel):
    """What a row of a file has; other columns are left aside."""

    model_config = ConfigDict(strict=True, frozen=True)

    question: Text


class Answered(Row):
    """A question and its answer."""

    answer: Text


R = TypeVar("R", bound=Row)


def questions_in(path: str, kind: type[R], cure: str) -> tuple[R, ...]:
    """Return the rows of a file.

    Parameters
    ----------
    path : str
    kind : type of Row
        Which columns they have, of which types.
    cure : str
        Which of the published files has them, for messages.

    Raises
    ------
    DataError
        If the file is none of these kinds, has no row, lacks a column, or has another value there.
    """
    file = existing(path, f"file of {_KINDS}")
    found = _rows(file, file.stat().st_mtime_ns)
    if not found:
        raise DataError(f"{path}: has no rows: {cure}")
    return tuple(_read(path, row, i, kind, cure) for i, row in enumerate(found))


def _read(path: str, row: Table, i: int, kind: type[R], cure: str) -> R:
    """Return a row as what it should be."""
    try:
        return kind.model_validate(row)
    except ValidationError as error:
        wrong = error.errors()[0]
    place, what = f"{path}: row {i} (from 0)", wrong["msg"].removeprefix("Value error, ")
    column = str(wrong["loc"][0])
    if row.get(column) is None:
        raise DataError(f"{place} lacks {column}, it has {', '.join(map(str, row)) or 'nothing'}: {cure}")
    raise DataError(f"{place} has {column} {str(row[column])[:40]!r}: {what[0].lower()}{what[1:]}: {cure}")


@lru_cache(maxsize=8)
def _rows(path: Path, changed: int) -> tuple[Table, ...]:
    """Return the rows of a file that was last changed at some time, in nanoseconds."""
    afford(path, 20 * path.stat().st_size, "reading it")
    if path.suffix == ".parquet":
        return _parquet(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8'}): fetch it again") from None
    # texts may have characters, such as U+2028, at which `splitlines` would cut
    lines = [(i, line) for i, line in enumerate(text.split("\n"), 1) if line.strip()]
    found = _listed(path, text) if text.lstrip().startswith("[") else [_parsed(path, line, i) for i, line in lines]
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
