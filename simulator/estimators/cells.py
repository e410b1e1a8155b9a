"""Columns of users' tables: a data frame with categories, or an array of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Cells:
    """One column.

    Parameters
    ----------
    name : str
    numbers : float64 array, shape (n,)
        Empty if the column is categorical.
    text : list of str, optional
        The cells as text; None if the column is numeric.
    categories : tuple of str
        The categories that the column's type declares, in its order.
    """

    name: str
    numbers: Floats = field(default_factory=lambda: np.empty(0))
    text: list[str] | None = None
    categories: tuple[str, ...] = ()


def as_text(value: object) -> str:
    """Return a cell as text; whole numbers without a point, so that 3 and 3.0 are one category."""
    if isinstance(value, float | np.floating) and value.is_integer():
        return str(int(value))
    return str(value)


def names_of(frame: pd.DataFrame) -> list[str]:
    """Return the names of a data frame's columns; ``ValueError`` if two are equal."""
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"X: {names.count(twice)} columns are called {twice!r}: give each a name of its own")
    return names


def read(estimator: Any, X: Any, kinds: Sequence[str | None] | None, reset: bool) -> list[Cells]:
    """Return the columns of ``X``.

    Parameters
    ----------
    estimator : BaseEstimator
        Its number and names of features are set or checked.
    X : DataFrame, or array-like, shape (n, p)
    kinds : sequence of {"numeric", "categorical", None}, optional
        The kind of each column. By default a column of a data frame is categorical if it holds text, booleans or a categorical type, and a
        column of an array is numeric.
    reset : bool
        Whether the features are set.

    Raises
    ------
    ValueError
        If there is no row, a cell is missing, or a cell is no number in a column of numbers.
    """
    frame = isinstance(X, pd.DataFrame)
    if not frame and "categorical" not in (kinds or ()):
        array = validate_data(estimator, X, dtype=np.float64, reset=reset)
        return [Cells(f"x{j}", array[:, j]) for j in range(len(_matched(kinds, array.shape[1])))]
    if not frame:
        X = pd.DataFrame(check_array(X, dtype=None, ensure_all_finite=False))
    names = names_of(X) if frame else [f"x{j}" for j in range(X.shape[1])]
    validate_data(estimator, X if frame else X.to_numpy(), skip_check_array=True, reset=reset)
    if not X.size:
        raise ValueError(f"X: the table has {X.shape[0]} rows and {X.shape[1]} columns: a minimum of 1 is required of each")
    columns = [(name, X.iloc[:, j], kind) for j, (name, kind) in enumerate(zip(names, _matched(kinds, len(names)), strict=True))]
    categorical = [kind == "categorical" or (kind is None and _holds_categories(name, one)) for name, one, kind in columns]
    return [(_categories if text else _numbers)(name, one) for text, (name, one, _) in zip(categorical, columns, strict=True)]


def _matched(kinds: Sequence[str | None] | None, width: int) -> Sequence[str | None]:
    """Return the kinds of ``width`` columns, None for those not declared; ``ValueError`` if more or fewer kinds are declared."""
    if kinds is None:
        return [None] * width
    if len(kinds) != width:
        raise ValueError(f"columns: {len(kinds)} are described, X has {width}: describe each, or none")
    return kinds


def _holds_categories(name: str, cells: pd.Series[Any]) -> bool:
    """Return whether a column holds categories; ``ValueError`` if it mixes text and other values."""
    if isinstance(cells.dtype, pd.CategoricalDtype) or pd.api.types.is_bool_dtype(cells.dtype):
        return True
    if pd.api.types.is_numeric_dtype(cells.dtype):
        return False
    text = np.array([isinstance(cell, str) for cell in cells])
    missing = cells.isna().to_numpy()
    if text.any() and not (text | missing).all():
        row = int(np.flatnonzero(~text & ~missing)[0])
        cure = "make it all text, or say its kind in columns"
        raise ValueError(f"X: column {name} holds text and, in row {row}, {cells.iloc[row]!r:.60}: {cure}")
    return bool(text.any())


def _categories(name: str, cells: pd.Series[Any]) -> Cells:
    missing = cells.isna().to_numpy()
    if missing.any():
        raise ValueError(f"X: row {int(np.argmax(missing))}, column {name} holds no value (NaN): fill it, or leave the row out")
    declared = cells.cat.categories if isinstance(cells.dtype, pd.CategoricalDtype) else ()
    return Cells(name, text=[as_text(cell) for cell in cells], categories=tuple(as_text(one) for one in declared))


def _numbers(name: str, cells: pd.Series[Any]) -> Cells:
    try:
        array = check_array(cells.to_numpy().reshape(-1, 1), dtype=np.float64, input_name=f"X, column {name},")
    except (TypeError, ValueError) as error:
        raise type(error)(f"X, column {name}: {' '.join(str(error).split())}") from None
    return Cells(name, array[:, 0])
