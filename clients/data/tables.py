"""Tables before scaling and encoding: columns by name, and their kinds, which are inferred from the cells."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.data.classes import Where, is_missing, is_number
from clients.data.errors import DataError
from clients.data.rows import Ids

Cells = Sequence[str] | npt.NDArray[Any]
"""A column: text, or an array of float64 (NaN for a missing value), integers or booleans."""

Selector = str | int

_MOST = 30
"""Maximum number of columns that a message names."""

_NUMBERLIKE = re.compile(r"['‘’\"=]*[+\-−]?\s*[$€£¥]?\s*[+\-−]?\s*[.,]?\d[\d.,'‘’\s]*(?:[eE][+\-−]?\d+)?\s*[%$€£¥]?['’\"]*")
"""Numbers in notations that are not read as numbers: ``1,037``, ``0,5``, ``12 %``, ``'3'``."""


@dataclass(frozen=True, eq=False)
class Table:
    """Columns with their names, and the way in which messages name a row.

    Parameters
    ----------
    path : str
        The source, for messages.
    names : sequence of str
        Names of the columns.
    columns : sequence of text or arrays, each of length n
        One for each name.
    where : callable
        Maps a row's position to words for messages, such as ``"line 3"``.
    notes : tuple of str
        One line for each change to the source that its owner might not expect.
    classes : tuple of str, optional
        Classes that the source itself names, whatever rows it has.
    """

    path: str
    names: Sequence[str]
    columns: Sequence[Cells]
    where: Where
    notes: tuple[str, ...] = ()
    classes: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.columns[0])

    def only(self, rows: Ids) -> Table:
        """Return the table of the rows at these positions, in this order."""
        chosen = rows.tolist()
        columns = [cells[rows] if isinstance(cells, np.ndarray) else [cells[row] for row in chosen] for cells in self.columns]
        return replace(self, columns=columns, where=lambda row: self.where(chosen[row]))

    def place(self, column: Selector, key: str) -> int:
        """Return the position of the column that a scenario's key names, or numbers (negative from the end).

        ``DataError`` if there is none, or if several have the name.
        """
        if isinstance(column, int) and -len(self.names) <= column < len(self.names):
            return column % len(self.names)
        places = [i for i, name in enumerate(self.names) if name == column]
        if len(places) == 1:
            return places[0]
        if places:
            numbers = " and ".join(map(str, places))
            raise DataError(f"{self.path}: {key} = {column!r} names columns {numbers}: give the number of one, or rename the others")
        known = ", ".join(self.names[:_MOST]) + (", ..." if len(self.names) > _MOST else "")
        raise DataError(f"{self.path}: {key} = {column!r} is no column: the columns are {known} (or 0 to {len(self.names) - 1})")

    def texts(self, place: int) -> Sequence[str]:
        """Return a column's cells as text."""
        cells = self.columns[place]
        return [str(cell) for cell in cells.tolist()] if isinstance(cells, np.ndarray) else cells

    def is_categorical(self, place: int, named: set[int] | None) -> bool | None:
        """Return whether a column is categorical, or None if it mixes numbers and text, or has no value.

        ``named`` are the positions of the columns declared categorical; if None, the cells decide.
        """
        cells = self.columns[place]
        if isinstance(cells, np.ndarray):
            return place in named if named is not None else cells.dtype.kind == "b"
        if named is not None and place in named:
            return True
        distinct = set(cells)
        numbers = {cell for cell in distinct if is_number(cell)}
        if distinct == numbers:
            return False
        if named is None and not numbers and not all(_NUMBERLIKE.fullmatch(cell) or is_missing(cell) for cell in distinct):
            return True
        return None

    def numbers(self, place: int, named: set[int] | None, features: Sequence[int]) -> npt.NDArray[np.float64]:
        """Return a numeric column, float64 (n,); ``DataError`` names the first cell that is no finite number."""
        cells = self.columns[place]
        if not isinstance(cells, np.ndarray) and not all(map(is_number, set(cells))):
            raise self.no_number(place, named, features)
        values = np.asarray(cells, dtype=np.float64)
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            raise DataError(f"{self.path}: {self.where(row)}: column {self.names[place]} has no finite number: complete or remove the row")
        return values

    def no_number(self, place: int, named: set[int] | None, features: Sequence[int]) -> DataError:
        """Return the error for the first cell of a column that is no number."""
        cells, name = self.columns[place], self.names[place]
        if all(map(is_missing, set(cells))):
            return DataError(f"{self.path}: column {name} holds no value ({cells[0]!r:.60} in {self.where(0)}): remove the column")
        numbers = {cell for cell in set(cells) if is_number(cell)}
        row = next(i for i, cell in enumerate(cells) if cell not in numbers)
        text = [self.names[i] for i in features if i == place or i in (named or ()) or (named is None and self._is_text(i))]
        paste = f" (categorical = {json.dumps(text, ensure_ascii=False)})" if len(text) <= _MOST else ""
        count = sum(cell in numbers for cell in cells)
        others = f"; {count} of the column's {len(cells)} cells are numbers" if count else ""
        return DataError(
            f"{self.path}: {self.where(row)}: column {name} holds {cells[row]!r:.60}, which is no number: add it to categorical{paste}, "
            f"or mend the cell{others}"
        )

    def _is_text(self, place: int) -> bool:
        """Return whether a column contains no number."""
        cells = self.columns[place]
        return not isinstance(cells, np.ndarray) and not any(map(is_number, set(cells)))
