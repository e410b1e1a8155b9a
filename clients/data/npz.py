"""Arrays in NumPy's ``.npz`` files."""

from __future__ import annotations

import zipfile
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from clients.data import DataError, Dataset, DatasetSpec
from clients.data.scaling import existing, unit_columns


class Npz(DatasetSpec):
    """Arrays ``x`` and ``y``, or ``x_train``, ``y_train``, ``x_test``, ``y_test`` (joined in this order), in an ``.npz`` file.

    Bytes are divided by 255, floats are taken as they are. Images, shape (n, h, w) or (n, h, w, channels) with 1, 3 or 4 channels, become
    channels-first. An optional array ``classes`` names the classes in the order of their labels.
    """

    dataset: Literal["npz"] = "npz"
    path: str

    def load(self) -> Dataset:
        """Return rows of shape (features,) or (channels, height, width)."""
        arrays = self._arrays()
        x, y = arrays["x"], arrays["y"]
        y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
        if y.ndim != 1 or len(x) != len(y) or x.ndim < 2:
            raise DataError(f"{self.path}: x has shape {x.shape} and y {y.shape}: x needs (n, ...) and y (n,)")
        codes, labels = self._codes(y, arrays.get("classes"))
        inputs = _channels_first(_scaled(x, self.path))
        columns = unit_columns([f"x{i}" for i in range(inputs.shape[1])]) if _is_unit_table(inputs) else ()
        return Dataset(inputs, codes, labels, columns)

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the file's ``x``, ``y`` and perhaps ``classes``."""
        path = existing(self.path, "npz file")
        try:
            with np.load(path, allow_pickle=False) as held:
                names = set(held.files)
                pairs = [("x", "y"), ("x_train", "y_train"), ("x_test", "y_test")]
                parts = [pair for pair in pairs if set(pair) <= names]
                if not parts:
                    raise DataError(f"{path}: holds {sorted(names)}: it needs arrays x and y, or x_train, y_train, x_test, y_test")
                parts = parts[:1] if parts[0] == ("x", "y") else parts
                arrays = {key: np.concatenate([held[pair[i]] for pair in parts]) for i, key in enumerate(("x", "y"))}
                return arrays | ({"classes": held["classes"]} if "classes" in names else {})
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{path}: cannot be read as npz ({error}): save it with numpy.savez, without objects") from None

    def _codes(self, y: npt.NDArray[Any], names: npt.NDArray[Any] | None) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
        """Return labels as codes, and the names of the codes."""
        values, codes = np.unique(y, return_inverse=True)
        if names is None:
            return codes.astype(np.int64), tuple(str(value) for value in values)
        if not np.issubdtype(values.dtype, np.integer) or values[0] < 0 or values[-1] >= len(names):
            raise DataError(f"{self.path}: y holds labels {values[0]} to {values[-1]}, but classes has {len(names)} names: make them agree")
        return y.astype(np.int64), tuple(str(name) for name in names)


def _scaled(x: npt.NDArray[Any], path: str) -> npt.NDArray[np.float32]:
    """Return x as float32; bytes become [0, 1]."""
    if x.dtype == np.uint8:
        return x.astype(np.float32) / np.float32(255)
    if x.dtype.kind not in "fiub":
        raise DataError(f"{path}: x holds {x.dtype}: it needs numbers")
    return x.astype(np.float32)


def _channels_first(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return images with their channels in front; other rows as they are."""
    if x.ndim == 3:
        return x[:, None]
    if x.ndim == 4 and x.shape[-1] in (1, 3, 4):
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    return x


def _is_unit_table(x: npt.NDArray[np.float32]) -> bool:
    """Tell whether x is a table of values in [0, 1]."""
    return bool(x.ndim == 2 and x.min() >= 0 and x.max() <= 1)
