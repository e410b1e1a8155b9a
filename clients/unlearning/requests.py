"""Validation of requests to forget: integer ids, each named once, all of them held."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.data.rows import Ids
from clients.unlearning.contract import UnlearningError

_LARGEST = 2**63 - 1
_SHOWN = 40
"""Largest number of characters of a wrong value that an error quotes."""


def whole_ids(given: object, what: str = "row", width: int | None = None) -> Ids:
    """Return ids as an integer array, after checking that they are integers.

    Parameters
    ----------
    given : array-like of int, shape (n,) or (n, width)
        A list, a tuple, a range, or an array of integers. An empty one is accepted with any dtype.
    what : str
        Noun for an id in error messages.
    width : int, optional
        Number of ids that belong together, such as the two ends of an edge; by default ids are single.

    Returns
    -------
    int64 array, shape (n,) or (n, width)
        A copy.

    Raises
    ------
    UnlearningError
        Names the first value that is not an integer (a float, a bool, a string, ...) or does not fit 64 bits, or the wrong shape.
    """
    array = _array(given, what)
    fits = array.shape[1:] == (() if width is None else (width,)) if array.ndim else False
    if not fits and not (array.ndim == 1 and not array.size):
        raise UnlearningError(f"{what}s: {_said(given)} is {_form(array)}: name them in {_cure(width)}")
    if array.dtype.kind not in "iu":
        array = _integers(array, what)
    elif array.dtype == np.uint64 and array.size and int(array.max()) > _LARGEST:
        raise UnlearningError(f"{what} {int(array.max())} does not fit 64 bits: name only {what}s that are held")
    found: Ids = np.array(array, dtype=np.int64)
    return found if found.size else found.reshape((0,) if width is None else (0, width))


def named_rows(request: npt.ArrayLike, held: Ids) -> Ids:
    """Return the requested ids, ascending int64; ``UnlearningError`` names the first that is not an integer, repeated or not held."""
    ids = np.sort(whole_ids(request))
    repeated = ids[1:][ids[1:] == ids[:-1]]
    if len(repeated):
        raise UnlearningError(f"row {repeated[0]} is named twice in one request: name it once")
    strangers = ids[~np.isin(ids, held)]
    if len(strangers):
        raise UnlearningError(f"row {strangers[0]} is not held (never given, or already forgotten): name only rows that are held")
    return ids


def require_new(ids: Ids, known: Ids) -> None:
    """Raise ``UnlearningError`` naming the first id that is already known."""
    old = np.isin(ids, known)
    if old.any():
        raise UnlearningError(f"row {ids[old][0]} is or was held: ids are never reused, give new rows new ids")


def _array(given: object, what: str) -> npt.NDArray[Any]:
    """Return an array unchanged, anything else as an object array, so that no float or bool is converted to an integer."""
    if np.ma.is_masked(given):
        raise UnlearningError(f"{what}s: {_said(given)} holds masked values: name only {what}s that are meant")
    if isinstance(given, np.ndarray):
        return np.asarray(given)
    try:
        return np.array(given, dtype=object)
    except Exception as error:  # a foreign object may raise anything when it is read
        raise UnlearningError(f"{what}s: {_said(given)} cannot be read ({type(error).__name__}): name them in a list of integers") from None


def _integers(array: npt.NDArray[Any], what: str) -> Ids:
    """Return an object array of integers as int64; ``UnlearningError`` for other values and for arrays of other dtypes."""
    mixed = array.dtype.kind == "O"
    for value in array.ravel():
        if not mixed or not isinstance(value, Integral) or isinstance(value, bool | np.timedelta64):
            raise UnlearningError(f"{what} {_said(value)} is no integer but a {type(value).__name__}: name {what}s by their integer ids")
        if not -_LARGEST - 1 <= int(value) <= _LARGEST:
            raise UnlearningError(f"{what} {_said(value)} does not fit 64 bits: name only {what}s that are held")
    return array.astype(np.int64) if array.size else np.empty(array.shape, np.int64)


def _said(value: object) -> str:
    """Return a value on one line, shortened if it is long."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # an object whose repr fails
        text = f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _form(array: npt.NDArray[Any]) -> str:
    return "no list" if not array.ndim else f"of shape {array.shape}"


def _cure(width: int | None) -> str:
    return "a flat list of integers" if width is None else f"a list of {width} integers each"
