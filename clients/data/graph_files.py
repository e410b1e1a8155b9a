"""Reading of citation graphs from ``npz`` files. All arrays are checked here, because SciPy does not check them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from clients.data.archives import Archive, Arrays
from clients.data.errors import DataError
from clients.data.limits import afford
from clients.data.scaling import existing

_NAMES = ("x_data", "x_indices", "x_indptr", "x_shape", "edges", "y")
_CURE = "give an npz with x_data, x_indices, x_indptr, x_shape, edges, y"


def read_citations(path: str | Path) -> tuple[sp.csr_matrix, npt.NDArray[Any], npt.NDArray[Any]]:
    """Return features, CSR float32 (n, features), edges (m, 2) and labels (n,) of a citation graph; see `graphs.load_graph`.

    Raises
    ------
    DataError
        If the file cannot be read, lacks an array, or its arrays contradict each other.
    """
    arrays = _arrays(path)
    n, features = _shape(path, arrays["x_shape"])
    _check_features(path, arrays, n, features)
    if arrays["y"].shape != (n,) or arrays["edges"].ndim != 2 or arrays["edges"].shape[1:] != (2,):
        raise DataError(
            f"{path}: {n} rows of features, y of shape {arrays['y'].shape}, edges {arrays['edges'].shape}; make them (n,), (m, 2)"
        )
    _check_whole(path, arrays, ("edges", "y"))
    _check_within(path, arrays["edges"], n, "an edge names a node", "number the nodes by their row")
    _check_labels(path, arrays["y"], n)
    with np.errstate(over="ignore"):
        data = arrays["x_data"].astype(np.float32)
    if not np.isfinite(data).all():
        raise DataError(f"{path}: x_data holds a value that is not finite, or beyond float32; clean the features first")
    x = sp.csr_matrix((data, arrays["x_indices"], arrays["x_indptr"]), shape=(n, features))
    return x, arrays["edges"], arrays["y"]


def _arrays(path: str | Path) -> Arrays:
    """Return the six arrays; ``DataError`` if one is missing, cannot be read, or has no numbers."""
    try:
        archive = Archive(existing(str(path), "npz file"), _CURE)
        if missing := [name for name in _NAMES if name not in archive.names]:
            raise DataError(f"{path}: holds no array {missing[0]}: {_CURE}")
        arrays = archive.read(_NAMES)
    except DataError as error:
        raise DataError(f"{path}: not a citation graph: {str(error).removeprefix(f'{path}: ')}") from None
    _check_whole(path, arrays, ("x_indices", "x_indptr", "x_shape"))
    if arrays["x_data"].dtype.kind not in "iufb":
        raise DataError(f"{path}: x_data holds {arrays['x_data'].dtype}: it needs numbers")
    return arrays


def _check_whole(path: str | Path, arrays: Arrays, names: Iterable[str]) -> None:
    """Raise ``DataError`` if an array's dtype is not an integer."""
    for name in names:
        if arrays[name].dtype.kind not in "iu":
            raise DataError(f"{path}: {name} holds {arrays[name].dtype}: it needs whole numbers, nothing is rounded here")


def _shape(path: str | Path, shape: npt.NDArray[Any]) -> tuple[int, int]:
    """Return the numbers of nodes and features."""
    if shape.shape != (2,) or int(shape.min()) < 1:
        raise DataError(f"{path}: x_shape is {shape.tolist()}: it needs the numbers of nodes and of features, both at least 1")
    n, features = map(int, shape)
    # the features exist as CSR, as a scaled copy, and as a dense float32 array
    afford(path, 6 * n * features + 8 * n, f"{n} x {features} features")
    return n, features


def _check_features(path: str | Path, arrays: Arrays, n: int, features: int) -> None:
    """Raise ``DataError`` unless the arrays are a CSR matrix; SciPy would read beyond their ends."""
    data, indices, pointers = (arrays[name] for name in ("x_data", "x_indices", "x_indptr"))
    if any(array.ndim != 1 for array in (data, indices, pointers)):
        shapes = ", ".join(str(array.shape) for array in (data, indices, pointers))
        raise DataError(f"{path}: not a citation graph: x_data, x_indices, x_indptr have shapes {shapes}; each needs one dimension")
    if len(pointers) != n + 1:
        raise DataError(f"{path}: not a citation graph: x_indptr has {len(pointers)} entries for {n} rows; it needs {n + 1}")
    if len(data) != len(indices) or int(pointers[0]) != 0 or int(pointers[-1]) != len(data):
        raise DataError(
            f"{path}: x_data has {len(data)} entries, x_indices {len(indices)}, x_indptr goes from {pointers[0]} to {pointers[-1]}; "
            "it must go from 0 to their length"
        )
    if (pointers[1:] < pointers[:-1]).any():
        row = int(np.argmax(pointers[1:] < pointers[:-1]))
        raise DataError(f"{path}: x_indptr falls from {pointers[row]} to {pointers[row + 1]} at row {row}; it must never fall")
    _check_within(path, indices, features, "x_indices names a feature", f"x_shape says {features} features")
    ends = pointers.astype(np.int64)
    rows = np.repeat(np.arange(n), ends[1:] - ends[:-1])
    order = np.lexsort((indices, rows))
    same = (np.diff(rows[order]) == 0) & (np.diff(indices[order].astype(np.int64)) == 0)
    if same.any():
        place = order[int(np.argmax(same))]
        raise DataError(f"{path}: row {rows[place]} (from 0) of the features names feature {indices[place]} twice; name it once")


def _check_within(path: str | Path, numbers: npt.NDArray[Any], end: int, what: str, cure: str) -> None:
    """Raise ``DataError`` if a number, of any dtype, is not in ``0 .. end - 1``."""
    if numbers.size and not (int(numbers.min()) >= 0 and int(numbers.max()) < end):
        bad = int(numbers.min()) if int(numbers.min()) < 0 else int(numbers.max())
        raise DataError(f"{path}: {what} outside 0 .. {end - 1} ({bad}); {cure}")


def _check_labels(path: str | Path, y: npt.NDArray[Any], n: int) -> None:
    """Raise ``DataError`` if labels are not class numbers from 0, or -1."""
    low, high = int(y.min()), int(y.max())
    if low < -1 or high >= n:
        raise DataError(f"{path}: y goes from {low} to {high} for {n} nodes; number the classes from 0, and write -1 where there is none")
    if high < 0:
        raise DataError(f"{path}: y is -1 for every node; label some of them")
