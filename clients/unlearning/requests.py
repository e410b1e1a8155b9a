"""Reading a request to forget: integers only, each named once, all of them held."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.data.rows import Ids
from clients.unlearning.contract import UnlearningError

_LARGEST = 2**63 - 1
_SHOWN = 40
"""Most letters of a wrong value that an error repeats."""


def whole_ids(given: object, what: str = "row", width: int | None = None) -> Ids:
    """Return ids that were named as integers.

    Parameters
    ----------
    given : array-like of int, shape (n,) or (n, width)
        A list, a tuple, a range, or an array of integers. What holds nothing names nothing, whatever its dtype.
    what : str
        What an id stands for, as errors call it.
    width : int, optional
        How many ids belong together, such as the two ends of an edge; single ones unless told.

    Returns
    -------
    int64 array, shape (n,) or (n, width)
        In memory of its own.

    Raises
    ------
    UnlearningError
        Naming the first value that is no integer (a float, a truth value, a text, ...) or does not fit 64 bits, or the shape that is
        neither.
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
    """Return the requested ids, ascending int64; ``UnlearningError`` naming the first that is no integer, repeated or not held."""
    ids = np.sort(whole_ids(request))
    repeated = ids[1:][ids[1:] == ids[:-1]]
    if len(repeated):
        raise UnlearningError(f"row {repeated[0]} is named twice in one request: name it once")
    strangers = ids[~np.isin(ids, held)]
    if len(strangers):
        raise UnlearningError(f"row {strangers[0]} is not held (never given, or already forgotten): name only rows that are held")
    return ids


def _array(given: object, what: str) -> npt.NDArray[Any]:
    """Return an array as it is, anything else as an array of the objects it holds: so that no float or truth value becomes an integer."""
    if np.ma.is_masked(given):
        raise UnlearningError(f"{what}s: {_said(given)} holds masked values: name only {what}s that are meant")
    if isinstance(given, np.ndarray):
        return np.asarray(given)
    try:
        return np.array(given, dtype=object)
    except Exception as error:  # whatever a stranger's object raises while it is read
        raise UnlearningError(f"{what}s: {_said(given)} cannot be read ({type(error).__name__}): name them in a list of integers") from None


def _integers(array: npt.NDArray[Any], what: str) -> Ids:
    """Return an array of objects as int64, where all of them are integers; an array of any other numbers holds none."""
    mixed = array.dtype.kind == "O"
    for value in array.ravel():
        if not mixed or not isinstance(value, Integral) or isinstance(value, bool | np.timedelta64):
            raise UnlearningError(f"{what} {_said(value)} is no integer but a {type(value).__name__}: name {what}s by their integer ids")
        if not -_LARGEST - 1 <= int(value) <= _LARGEST:
            raise UnlearningError(f"{what} {_said(value)} does not fit 64 bits: name only {what}s that are held")
    return array.astype(np.int64) if array.size else np.empty(array.shape, np.int64)


def _said(value: object) -> str:
    """Return a value on one line, cut where it is long."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # an object that cannot even be shown
        text = f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _form(array: npt.NDArray[Any]) -> str:
    return "no list" if not array.ndim else f"of shape {array.shape}"


def _cure(width: int | None) -> str:
    return "a flat list of integers" if width is None else f"a list of {width} integers each"
