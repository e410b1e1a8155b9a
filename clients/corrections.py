"""Corrections of rows: the class, or the value in a column, that they should have had."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from clients.bookkeeping import CELLS, LABELS, VALUES
from clients.data.rows import Ids, Rows
from clients.spec import Spec

Arrays = Mapping[str, npt.NDArray[Any]]


class Correction(Spec):
    """What some rows should have held: their class ``label``, or ``value`` in a column.

    Parameters
    ----------
    rows : tuple of int
        Ids of the rows, ascending.
    label : int, optional
        The right class, in ``0 .. classes - 1``.
    column : int, optional
        Position of the column that is corrected; None if it is the class.
    value : float
        The right value in the column as inputs hold it: scaled, or the code of a category.
    """

    rows: tuple[int, ...]
    label: int | None = Field(None, exclude_if=lambda label: label is None)
    column: int | None = Field(None, exclude_if=lambda column: column is None)
    value: float = Field(0.0, exclude_if=lambda value: not value)

    def without(self, rows: Iterable[int]) -> Correction:
        """Return the correction without some rows."""
        return self.model_copy(update={"rows": tuple(sorted(set(self.rows).difference(rows)))})

    def covers(self, other: Correction) -> bool:
        """Return whether both correct the same thing: the class, or one column."""
        return self.column == other.column


@dataclass(frozen=True)
class Corrections:
    """The last correction of every class and cell.

    Parameters
    ----------
    labels : mapping of int to int
        Classes by row.
    cells : mapping of (int, int) to float
        Values by row and column.
    """

    labels: Mapping[int, int] = field(default_factory=dict)
    cells: Mapping[tuple[int, int], float] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.labels or self.cells)

    def joined(self, more: Iterable[Correction]) -> Self:
        """Return these corrections followed by others."""
        labels, cells = dict(self.labels), dict(self.cells)
        for one in more:
            if one.label is not None:
                labels |= dict.fromkeys(one.rows, one.label)
            if one.column is not None:
                cells |= {(row, one.column): one.value for row in one.rows}
        return type(self)(labels, cells)

    def followed_by(self, later: Corrections) -> Self:
        """Return these corrections, where later ones do not replace them, and the later ones."""
        return type(self)({**self.labels, **later.labels}, {**self.cells, **later.cells})

    def of(self, ids: npt.ArrayLike) -> Self:
        """Return the corrections of some rows."""
        rows = set(np.asarray(ids).tolist())
        labels = {row: label for row, label in self.labels.items() if row in rows}
        return type(self)(labels, {cell: value for cell, value in self.cells.items() if cell[0] in rows})

    def applied(self, rows: Rows) -> Rows:
        """Return the rows as they should be; the given ones are not changed."""
        mine = self.of(rows.ids)
        x, y = rows.x, rows.y
        if mine.labels:
            y = y.copy()
            y[np.searchsorted(rows.ids, list(mine.labels))] = list(mine.labels.values())
        if mine.cells:
            x = x.copy()
            places, columns = np.array(list(mine.cells), dtype=np.int64).T
            x[np.searchsorted(rows.ids, places), columns] = list(mine.cells.values())
        return Rows(rows.ids, x, y)

    def wrong(self, ids: Ids, other: Corrections) -> list[int]:
        """Return which of some rows another set of corrections leaves otherwise, ascending."""
        mine, theirs = self.of(ids), other.of(ids)
        found = {row for row, label in mine.labels.items() if theirs.labels.get(row) != label}
        found |= {cell[0] for cell, value in mine.cells.items() if theirs.cells.get(cell) != value}
        return sorted(found)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the corrections as arrays for a main artefact, sorted by row; none if there are no corrections."""
        found: dict[str, npt.NDArray[Any]] = {}
        if self.labels:
            found[LABELS] = np.array(sorted(self.labels.items()), dtype=np.int64)
        if self.cells:
            found[CELLS] = np.array(sorted(self.cells), dtype=np.int64)
            found[VALUES] = np.array([self.cells[cell] for cell in sorted(self.cells)], dtype=np.float32)
        return found

    @classmethod
    def read(cls, arrays: Arrays) -> Self:
        """Return the corrections of which ``arrays`` returned these."""
        labels = {int(row): int(label) for row, label in arrays[LABELS]} if LABELS in arrays else {}
        if CELLS not in arrays:
            return cls(labels)
        pairs = zip(arrays[CELLS], arrays[VALUES], strict=True)
        return cls(labels, {(int(row), int(column)): float(value) for (row, column), value in pairs})
