"""Images and labels in the IDX format of MNIST and its relatives."""

from __future__ import annotations

import gzip
import math
import struct
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from clients.data import DataError, Dataset, DatasetSpec

_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def read_idx(path: Path) -> npt.NDArray[Any]:
    """Return the array of an IDX file, gzipped or not; ``DataError`` if it is damaged."""
    try:
        raw = path.read_bytes()
        blob = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (OSError, EOFError) as error:
        raise DataError(f"{path}: cannot be read ({error}): fetch the file again") from None
    if len(blob) < 4 or blob[:2] != b"\0\0" or blob[2] not in _TYPES or len(blob) < 4 + 4 * blob[3]:
        raise DataError(f"{path}: is no IDX file (it starts with {blob[:4].hex()}): give the path of MNIST-style images and labels")
    shape = struct.unpack_from(f">{blob[3]}I", blob, 4)
    dtype = np.dtype(_TYPES[blob[2]])
    if len(blob) != 4 + 4 * len(shape) + math.prod(shape) * dtype.itemsize:
        raise DataError(f"{path}: holds {len(blob)} bytes, not what its header announces: fetch the file again")
    return np.frombuffer(blob, dtype, offset=4 + 4 * len(shape)).reshape(shape)


class Idx(DatasetSpec):
    """Greyscale images in IDX files, plain or gzipped.

    ``path`` is a folder, of which all ``*images*idx3*`` files with their ``*labels*idx1*`` are read in the order of their names, or a
    prefix such as ``mnist/t10k``. Pixels are divided by 255.
    """

    dataset: Literal["idx"] = "idx"
    path: str

    def load(self) -> Dataset:
        """Return images of shape (1, height, width)."""
        parts = [self._pair(images) for images in self._images()]
        if len({x.shape[1:] for x, _ in parts}) > 1:
            raise DataError(f"{self.path}: holds images of several sizes: name one set by its prefix, for example {self.path}/t10k")
        x, y = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
        names, codes = np.unique(y, return_inverse=True)
        return Dataset((x[:, None] / np.float32(255)).astype(np.float32), codes.astype(np.int64), tuple(str(name) for name in names))

    def _images(self) -> list[Path]:
        """Return the image files the path names."""
        path = Path(self.path).expanduser()
        folder, prefix = (path, "") if path.is_dir() else (path.parent, path.name)
        found = [p for p in folder.glob("*") if p.name.startswith(prefix) and "images" in p.name and "idx3" in p.name]
        if not found:
            raise DataError(
                f"{self.path}: no file *images*idx3* there: give a folder of MNIST-style files or their prefix "
                "(relative paths start at the scenario file's folder)"
            )
        return sorted(found)

    @staticmethod
    def _pair(images: Path) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return an image file's array with that of its labels."""
        stem = images.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
        candidates = [images.with_name(stem), images.with_name(stem + ".gz")]
        labels = next((path for path in candidates if path.is_file()), None)
        if labels is None:
            raise DataError(f"{images}: its labels are missing: put {stem} (or {stem}.gz) beside it")
        x, y = read_idx(images), read_idx(labels)
        if x.ndim != 3 or y.ndim != 1 or len(x) != len(y):
            raise DataError(f"{images}: shape {x.shape} does not go with labels of shape {y.shape}: fetch both files again")
        return x, y
