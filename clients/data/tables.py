"""From the columns of a table to a data set: which column is the label, which columns are numbers, which are categories."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.data import DataError, Dataset
from clients.data.classes import Where, array_labels, coded, is_missing, is_number
from clients.data.rows import Column
from clients.data.scaling import unit_interval

Cells = Sequence[str] | npt.NDArray[Any]
"""A column: text, or numbers (float64, NaN where there is none; integers; booleans)."""

Selector = str | int

_MOST = 30
"""Columns that a message names."""

_NUMBERLIKE = re.compile(r"['‘’\"=]*[+\-−]?\s*[$€£¥]?\s*[+\-−]?\s*[.,]?\d[\d.,'‘’\s]*(?:[eE][+\-−]?\d+)?\s*[%$€£¥]?['’\"]*")
"""Numbers as people write them: ``1,037``, ``0,5``, ``12 %``, ``'3'``."""


@dataclass(frozen=True, eq=False)
class Table:
    """Columns with their names, and how messages name a row.

    Parameters
    ----------
    path : str
    names : sequence of str
    columns : sequence of text or arrays, as long as ``names``; each of shape (n,)
    where : callable
        Returns the words that name a row, such as ``"line 3"``.
    """

    path: str
    names: Sequence[str]
    columns: Sequence[Cells]
    where: Where

    def dataset(self, label: Selector, categorical: Sequence[Selector] | None = None) -> Dataset:
        """Return rows of shape (features,): numbers scaled to [0, 1], categories as codes in the order of their sorted names.

        Parameters
        ----------
        label : str or int
            Name, or number (from 0; negative from the end), of the label's column.
        categorical : sequence of str or int, optional
            Categorical columns; unless told, those that hold text and no number at all.

        Raises
        ------
        DataError
            If a column is unknown or ambiguous, a label is missing, or a cell is no number in a column of numbers.
        """
        place = self.place(label, "label")
        features = [i for i in range(len(self.names)) if i != place]
        if not features:
            raise DataError(f"{self.path}: has no rows or only one column: it needs a label and at least one feature")
        named = None if categorical is None else {self.place(one, "categorical") for one in categorical}
        cells = self.columns[place]
        if isinstance(cells, np.ndarray):
            labels, y = array_labels(cells, self.path, f"column {self.names[place]}")
        else:
            labels, y = coded(cells, self.path, self.where)
        parts = [self._feature(i, self._is_categorical(i, named, features)) for i in features]
        x = np.stack([values for values, _, _ in parts], axis=1)
        return Dataset(x, y, labels, tuple(column for _, column, _ in parts), categories=tuple(names for *_, names in parts))

    def place(self, column: Selector, key: str) -> int:
        """Return the number of the column that a key of the scenario gives by name or number."""
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

    def _is_categorical(self, place: int, named: set[int] | None, features: Sequence[int]) -> bool:
        """Tell whether a column holds categories; ``DataError`` where it holds numbers and something else."""
        cells, name = self.columns[place], self.names[place]
        if isinstance(cells, np.ndarray):
            return place in named if named is not None else cells.dtype.kind == "b"
        if named is not None and place in named:
            return True
        distinct = set(cells)
        numbers = {cell for cell in distinct if is_number(cell)}
        if distinct == numbers:
            return False
        if all(map(is_missing, distinct)):
            raise DataError(f"{self.path}: column {name} holds no value ({cells[0]!r:.60} in {self.where(0)}): remove the column")
        if named is None and not numbers and not all(_NUMBERLIKE.fullmatch(cell) or is_missing(cell) for cell in distinct):
            return True
        row = next(i for i, cell in enumerate(cells) if cell not in numbers)
        text = [self.names[i] for i in features if i == place or i in (named or ()) or (named is None and self._is_text(i))]
        paste = f" (categorical = {json.dumps(text, ensure_ascii=False)})" if len(text) <= _MOST else ""
        raise DataError(
            f"{self.path}: {self.where(row)}: column {name} holds {cells[row]!r:.60}, which is no number: add it to categorical{paste}, "
            f"or mend the cell{self._others(cells, numbers)}"
        )

    @staticmethod
    def _others(cells: Sequence[str], numbers: set[str]) -> str:
        """Return how many cells of a column are numbers, in words."""
        count = sum(cell in numbers for cell in cells)
        return f"; {count} of the column's {len(cells)} cells are numbers" if count else ""

    def _is_text(self, place: int) -> bool:
        """Tell whether a column holds no number at all."""
        cells = self.columns[place]
        return not isinstance(cells, np.ndarray) and not any(map(is_number, set(cells)))

    def _feature(self, place: int, categorical: bool) -> tuple[npt.NDArray[np.float32], Column, tuple[str, ...]]:
        """Return one feature, scaled or coded, shape (n,), what is publicly known of it, and the names of its categories."""
        cells, name = self.columns[place], self.names[place]
        if categorical:
            names, codes = _codes(cells)
            return codes.astype(np.float32), Column(name, 0.0, float(len(names) - 1), len(names)), names
        values = np.asarray(cells, dtype=np.float64)
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            raise DataError(f"{self.path}: {self.where(row)}: column {name} has no finite number: complete or remove the row")
        low, high = float(values.min()), float(values.max())
        if not np.isfinite(high - low):
            raise DataError(f"{self.path}: column {name} reaches from {low:g} to {high:g}, too far for a scale: mend the cells")
        return unit_interval(values[:, None])[:, 0], Column(name, 0.0, 1.0), ()


def _codes(cells: Cells) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """Return the sorted distinct cells (as numbers where all are) and each cell's place among them."""
    texts = [str(cell) for cell in cells]
    distinct = set(texts)
    ordered = sorted(distinct, key=lambda cell: (float(cell), cell)) if all(map(is_number, distinct)) else sorted(distinct)
    code = {cell: i for i, cell in enumerate(ordered)}
    return tuple(ordered), np.asarray([code[cell] for cell in texts], dtype=np.int64)
