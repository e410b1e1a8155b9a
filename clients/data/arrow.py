"""Conversion of Arrow tables to tables of numbers and text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clients.data.errors import DataError
from clients.data.tables import Cells, Table

if TYPE_CHECKING:
    import pyarrow as pa

_PANDAS_INDEX = "__index_level_"


def typed_table(path: str, table: pa.Table) -> Table:
    """Return the table of an Arrow table's columns, without an index that pandas saved, which is noted.

    Raises
    ------
    DataError
        If a value is null, or a column's type is neither numeric, boolean nor text.
    """
    names = [name for name in table.column_names if not name.startswith(_PANDAS_INDEX)]
    left_out = [name for name in table.column_names if name not in names]
    notes = tuple(f"column {name}, an index that pandas saved, is left out" for name in left_out)
    places = [i for i, name in enumerate(table.column_names) if name in names]
    columns = [_cells(path, table.column_names[i], table.column(i)) for i in places]
    return Table(path, names, columns, lambda row: f"row {row} (from 0)", notes)


def _cells(path: str, name: str, column: pa.ChunkedArray) -> Cells:
    """Return the values of a column: float64, integers, bool or text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_null(kind):
        raise DataError(f"{path}: column {name} holds no value: remove the column")
    if column.null_count:
        row = int(np.flatnonzero(pc.is_null(column).to_numpy(zero_copy_only=False))[0])
        raise DataError(f"{path}: row {row} (from 0): column {name} is null: complete or remove the row")
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return np.asarray(column.to_numpy())
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return np.asarray(column.cast(pa.float64()).to_numpy())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return [str(cell).strip() for cell in column.to_pylist()]
    raise DataError(f"{path}: column {name} holds {kind}: turn it into numbers or text, or remove it")
