"""Tables in CSV files."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from clients.data import DataError, Dataset, DatasetSpec
from clients.data.rows import Column
from clients.data.scaling import existing, unit_interval


class Csv(DatasetSpec):
    """A table with one row a line and a class label in one column.

    Numeric columns are scaled to [0, 1] by their bounds, categorical ones become codes ``0 .. c - 1`` in the order of their sorted values.

    Parameters
    ----------
    path : str
    label : str or int
        Name, or number (from 0; negative from the end), of the label's column.
    header : bool
        Whether the first line names the columns; if not they are called ``c0``, ``c1``, ...
    categorical : tuple of str or int, optional
        Categorical columns; unless told, those that hold anything that is not a number.
    """

    dataset: Literal["csv"] = "csv"
    path: str
    label: str | int = -1
    header: bool = True
    categorical: tuple[str | int, ...] | None = None

    def load(self) -> Dataset:
        """Return rows of shape (columns,)."""
        names, table = self._read()
        label = self._place(self.label, names, "label")
        features = [i for i in range(len(names)) if i != label]
        named = None if self.categorical is None else {self._place(c, names, "categorical") for c in self.categorical}
        labels, y = _codes(table[label])
        arrays, columns = zip(*(self._column(names[i], table[i], None if named is None else i in named) for i in features), strict=True)
        return Dataset(np.stack(arrays, axis=1), y, labels, columns)

    def _read(self) -> tuple[list[str], list[tuple[str, ...]]]:
        """Return the columns' names and the columns, as text."""
        path = existing(self.path, "CSV file")
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                reader = csv.reader(file, skipinitialspace=True)
                lines = [(reader.line_num, [cell.strip() for cell in line]) for line in reader if line]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{path}: cannot be read as CSV ({error}): save it as UTF-8 text with commas") from None
        if len(lines) < 1 + self.header or len(lines[0][1]) < 2:
            raise DataError(f"{path}: has no rows or only one column: it needs a label and at least one feature, separated by commas")
        width = len(lines[0][1])
        if ragged := next(((number, line) for number, line in lines if len(line) != width), None):
            raise DataError(f"{path}: line {ragged[0]} has {len(ragged[1])} cells, the first has {width}: complete or remove it")
        names = lines[0][1] if self.header else [f"c{i}" for i in range(width)]
        return names, list(zip(*(line for _, line in lines[self.header :]), strict=True))

    def _place(self, column: str | int, names: list[str], key: str) -> int:
        """Return the number of a column given by name or number."""
        if isinstance(column, int) and -len(names) <= column < len(names):
            return column % len(names)
        if column in names:
            return names.index(str(column))
        raise DataError(f"{self.path}: {key} = {column!r} is no column: the columns are {', '.join(names)} (or 0 to {len(names) - 1})")

    def _column(self, name: str, cells: tuple[str, ...], categorical: bool | None) -> tuple[npt.NDArray[np.float32], Column]:
        """Return one feature, scaled or coded, shape (n,), and what is publicly known of it."""
        values, unreadable = _numbers(cells)
        if categorical is None:
            categorical = values is None
        if categorical:
            categories, codes = _codes(cells)
            return codes.astype(np.float32), Column(name, 0.0, float(len(categories) - 1), len(categories))
        if values is None:
            raise DataError(f"{self.path}: column {name} holds {unreadable!r}, which is no number: add it to categorical, or mend the cell")
        return unit_interval(values[:, None])[:, 0], Column(name, 0.0, 1.0)


def _numbers(cells: Sequence[str]) -> tuple[npt.NDArray[np.float64] | None, str]:
    """Return the cells as finite numbers, or None and the first cell that is not one."""
    try:
        values = np.asarray(cells, dtype=np.float64)
        if np.isfinite(values).all():
            return values, ""
    except ValueError:
        pass
    return None, next(cell for cell in cells if not _is_number(cell))


def _is_number(cell: str) -> bool:
    """Tell whether a cell is a finite number."""
    try:
        return bool(np.isfinite(float(cell)))
    except ValueError:
        return False


def _codes(cells: Sequence[str]) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """Return the sorted distinct cells (as numbers where all are) and each cell's place among them."""
    distinct = set(cells)
    ordered = sorted(distinct, key=lambda cell: (float(cell), cell)) if all(map(_is_number, distinct)) else sorted(distinct)
    code = {cell: i for i, cell in enumerate(ordered)}
    return tuple(ordered), np.asarray([code[cell] for cell in cells], dtype=np.int64)
