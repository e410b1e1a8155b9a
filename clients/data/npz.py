"""Data sets in NumPy's ``.npz`` files."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from clients.data import Dataset, DatasetSpec
from clients.data.archives import Archive
from clients.data.classes import array_labels
from clients.data.errors import DataError
from clients.data.facts import ColumnFacts, PublicRows, Source, check_bounds
from clients.data.limits import afford
from clients.data.rows import Column
from clients.data.scaling import existing

_PAIRS = (("x", "y"), ("x_train", "y_train"), ("x_test", "y_test"))


class Npz(DatasetSpec):
    """Arrays ``x`` and ``y``, or ``x_train``, ``y_train``, ``x_test``, ``y_test`` (joined in this order), in an ``.npz`` file.

    Unsigned bytes are divided by 255, other numbers are unchanged. Images, shape (n, h, w) or (n, h, w, channels) with 1, 3 or 4 channels,
    become channels-first. An optional array ``classes`` names the classes in the order of their labels. The columns of a table are called
    ``x0``, ``x1``, ...; their values are clipped to the bounds.

    Parameters
    ----------
    path : str
        The ``.npz`` file, relative to the scenario's folder.
    """

    dataset: Literal["npz"] = "npz"
    path: str

    def load(self) -> Dataset:
        """Return rows of shape (features,) or (channels, height, width); ``DataError`` if the file is no such data set."""
        arrays = self._arrays()
        x, y = arrays["x"], arrays["y"]
        y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
        if y.ndim != 1 or x.ndim < 2 or len(x) != len(y):
            raise DataError(f"{self.path}: x has shape {x.shape} and y {y.shape}: x needs (n, ...) and y (n,)")
        codes, labels = self._codes(y, arrays.get("classes"))
        inputs, published = channels_first(scaled(x, self.path)), "classes" in arrays
        if inputs.ndim != 2 or not inputs.size:
            return Dataset(inputs, codes, labels, published=published)
        columns = self._bounds(inputs)
        low, high = (np.asarray([getattr(column, end) for column in columns], np.float32) for end in ("low", "high"))
        beyond = int(((inputs < low) | (inputs > high)).sum())
        notes = (f"{beyond} values lie beyond their column's bounds, and count as the bound",) if beyond else ()
        return Dataset(np.clip(inputs, low, high), codes, labels, columns, notes=notes, published=published)

    def known(self, source: Source, public: PublicRows) -> Self:
        """Return the spec with the bounds of a table's columns; undeclared ones are read from the reference rows."""
        if not isinstance(source, Dataset) or not source.columns:
            return super().known(source, public)
        self.check_classes(source, public)
        columns = self._bounds(source.x[source.at(public.reference)])
        facts = tuple(ColumnFacts(name=one.name, kind="numeric", low=one.low, high=one.high) for one in columns)
        return self.model_copy(update={"columns": facts})

    def _bounds(self, shown: npt.NDArray[np.float32]) -> tuple[Column, ...]:
        """Return a table's columns with their bounds: declared ones, else [0, 1] if it contains all ``shown`` rows, else theirs."""
        names = [f"x{i}" for i in range(shown.shape[1])]
        told = {one.name: one for one in self.columns or ()}
        if len(told) < len(self.columns or ()) or not told.keys() <= set(names):
            raise DataError(f"{self.path}: columns: its columns are x0 to {names[-1]}: declare each once at most")
        if any(one.told == "categorical" for one in told.values()):
            raise DataError(f"{self.path}: columns: an npz file holds numbers: declare low and high, no categories")
        unit = bool(shown.min() >= 0 and shown.max() <= 1)
        lows, highs = (np.zeros(len(names)), np.ones(len(names))) if unit else (shown.min(axis=0), shown.max(axis=0))
        columns = []
        for name, least, most in zip(names, lows.tolist(), highs.tolist(), strict=True):
            one = told.get(name, ColumnFacts(name=name))
            low, high = least if one.low is None else one.low, most if one.high is None else one.high
            check_bounds(f"{name} of {self.path}", low, high)
            columns.append(Column(name, low, high))
        return tuple(columns)

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the file's arrays ``x``, ``y`` and, if present, ``classes``."""
        path = existing(self.path, "npz file")
        archive = Archive(path, "save x and y with numpy.savez, without objects")
        parts = [pair for pair in _PAIRS if set(pair) <= set(archive.names)]
        if not parts:
            raise DataError(f"{path}: holds {sorted(archive.names)}: it needs arrays x and y, or x_train, y_train, x_test, y_test")
        for one, other in (ends for x, y in _PAIRS for ends in ((x, y), (y, x))):
            if one in archive.names and other not in archive.names:
                raise DataError(f"{path}: holds {one} without {other}: add {other}, or remove {one}")
        if parts[0] == _PAIRS[0] and len(parts) > 1:
            raise DataError(f"{path}: holds x and y beside {' and '.join(parts[1])}: remove the one pair or the other")
        held = archive.read({"classes", *(name for pair in parts for name in pair)})
        arrays = {key: self._joined([held[pair[i]] for pair in parts], key) for i, key in enumerate(("x", "y"))}
        return arrays | ({"classes": held["classes"]} if "classes" in held else {})

    def _joined(self, parts: list[npt.NDArray[Any]], key: str) -> npt.NDArray[Any]:
        """Return training and test rows as one array; ``DataError`` if their shapes differ, or dtypes that are read differently."""
        if len({part.shape[1:] for part in parts}) > 1 or not all(part.ndim for part in parts):
            raise DataError(f"{self.path}: {key}_train has shape {parts[0].shape}, {key}_test {parts[-1].shape}: make their rows alike")
        bytes_beside_others = key == "x" and len({part.dtype == np.uint8 for part in parts}) > 1  # only bytes are divided by 255
        if bytes_beside_others or len({part.dtype.kind in "US" for part in parts}) > 1:
            raise DataError(f"{self.path}: {key}_train holds {parts[0].dtype}, {key}_test {parts[-1].dtype}: give them the same type")
        return np.concatenate(parts)

    def _codes(self, y: npt.NDArray[Any], names: npt.NDArray[Any] | None) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
        """Return the code of each label, int64 (n,), and the names of the codes."""
        if names is None:
            labels, codes = array_labels(y, self.path)
            return codes, labels
        texts = [str(name) for name in (np.char.decode(names, "utf-8", "replace") if names.dtype.kind == "S" else names).ravel()]
        if names.ndim != 1 or len(set(texts)) < len(texts):
            raise DataError(f"{self.path}: classes has shape {names.shape} and {len(set(texts))} different names: name each class once")
        if not len(y) or not np.issubdtype(y.dtype, np.integer) or y.min() < 0 or y.max() >= len(names):
            held = f"labels {y.min()} to {y.max()}" if len(y) and y.dtype.kind in "iufb" else f"{y.dtype} of shape {y.shape}"
            raise DataError(f"{self.path}: y holds {held}, but classes has {len(names)} names: make them agree")
        return y.astype(np.int64), tuple(texts)


def scaled(x: npt.NDArray[Any], path: str) -> npt.NDArray[np.float32]:
    """Return ``x`` as float32, unsigned bytes divided by 255; ``DataError`` if it holds no numbers, or any that float32 cannot hold."""
    if x.dtype.kind not in "fiub":
        raise DataError(f"{path}: x holds {x.dtype}: it needs numbers")
    afford(path, 4 * x.size, "its numbers as float32")
    if x.dtype == np.uint8:
        return x.astype(np.float32) / np.float32(255)
    with np.errstate(over="ignore"):
        inputs = x.astype(np.float32)
    if not np.isfinite(inputs).all():
        row = int(np.flatnonzero(~np.isfinite(inputs.reshape(len(x), -1)).all(axis=1))[0])
        raise DataError(
            f"{path}: row {row} (from 0) of x holds values that are not finite, or beyond float32: replace NaN and infinity in the source"
        )
    return inputs


def channels_first(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return images with the channels as first dimension of each; other rows are unchanged."""
    if x.ndim == 3:
        return x[:, None]
    if x.ndim == 4 and x.shape[-1] in (1, 3, 4):
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    return x
