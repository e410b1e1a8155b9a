"""Images and labels in the IDX format of MNIST and its relatives."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from clients.data import DataError, Dataset, DatasetSpec
from clients.data.classes import array_labels
from clients.data.limits import afford
from clients.data.npz import scaled
from clients.data.scaling import located

_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_GZIP = b"\x1f\x8b"

Images = tuple[npt.NDArray[Any], npt.NDArray[Any]]


def read_idx(path: Path) -> npt.NDArray[Any]:
    """Return the array of an IDX file, plain or gzipped.

    ``DataError`` if it is no IDX file, cannot be read, has another size than its header declares, or exceeds the memory.
    """
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == _GZIP
        with gzip.open(path) if zipped else path.open("rb") as file:
            start = file.read(4)
            if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in _TYPES:
                raise DataError(f"{path}: is no IDX file (it starts with {start.hex()}): give the path of MNIST-style images and labels")
            sizes, dtype = file.read(4 * start[3]), np.dtype(_TYPES[start[2]])
            if len(sizes) < 4 * start[3]:
                raise DataError(f"{path}: ends within its header: fetch the file again")
            shape = struct.unpack(f">{start[3]}I", sizes)
            size = math.prod(shape) * dtype.itemsize
            _check_size(path, size, zipped)
            blob = file.read(size + 1)  # one byte more than declared detects a longer file without unpacking all of it
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error}): fetch the file again") from None
    if len(blob) != size:
        held = "more" if len(blob) > size else str(len(blob))
        raise DataError(f"{path}: holds {held} bytes, not what its header announces ({size}): fetch the file again")
    return np.frombuffer(blob, dtype).reshape(shape)


def _check_size(path: Path, size: int, zipped: bool) -> None:
    """Raise ``DataError`` where a header announces more than such a file can hold, or than memory can."""
    most = path.stat().st_size * (1032 if zipped else 1)  # the highest ratio of deflate
    if size > most:
        raise DataError(f"{path}: holds at most {most} bytes, not what its header announces ({size}): fetch the file again")
    afford(path, size, "unpacking it")


class Idx(DatasetSpec):
    """Greyscale images in IDX files, plain or gzipped.

    All files ``*images*idx3*`` of a folder, or with a prefix such as ``mnist/t10k``, are read in the order of their names, each with its
    ``*labels*idx1*``. Copies of a set, such as a gzipped one, are read once. Pixels that are unsigned bytes are divided by 255, others are
    unchanged.

    Parameters
    ----------
    path : str
        The folder or prefix, relative to the scenario's folder.
    """

    dataset: Literal["idx"] = "idx"
    path: str

    def load(self) -> Dataset:
        """Return images of shape (1, height, width); ``DataError`` if the files cannot be read, or do not match."""
        parts = list(_once(_pair(one) for one in _without_twins(self._images())))
        if len({x.shape[1:] for x, _ in parts}) > 1:
            raise DataError(f"{self.path}: holds images of several sizes: name one set by its prefix, for example {self.path}/t10k")
        if len({x.dtype for x, _ in parts}) > 1:
            kinds = " and ".join(sorted({str(x.dtype) for x, _ in parts}))
            raise DataError(f"{self.path}: holds images of {kinds}: name one set by its prefix, for example {self.path}/t10k")
        x, y = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
        labels, codes = array_labels(y, self.path, "the labels")
        return Dataset(scaled(x[:, None], self.path), codes, labels)

    def _images(self) -> list[Path]:
        """Return the image files of the path, sorted by name."""
        path = located(self.path)
        folder, prefix = (path, "") if path.is_dir() else (path.parent, path.name)
        found = [p for p in folder.glob("*") if p.name.startswith(prefix) and "images" in p.name and "idx3" in p.name and p.is_file()]
        if not found:
            raise DataError(
                f"{self.path}: no file *images*idx3* there: give a folder of MNIST-style files or their prefix "
                "(relative paths start at the scenario file's folder)"
            )
        return sorted(found)


def _key(path: Path) -> str:
    """Return the common name of a file's copies: of ``train-images.idx3-ubyte.gz`` it is ``train-images-idx3-ubyte``."""
    return path.name.removesuffix(".gz").replace(".", "-")


def _twins(path: Path) -> list[Path]:
    """Return a file and its copies, which differ in their endings; those that are not gzipped come first."""
    return sorted((p for p in path.parent.glob("*") if p.is_file() and _key(p) == _key(path)), key=lambda p: (p.suffix == ".gz", p.name))


def _without_twins(paths: Iterable[Path]) -> list[Path]:
    """Return the first file of each set."""
    return list({_key(path): path for path in reversed(list(paths))}.values())[::-1]


def _agreed(path: Path) -> npt.NDArray[Any]:
    """Return the array of a file; ``DataError`` if its copies differ."""
    first, *others = _twins(path)
    array = read_idx(first)
    for other in others:
        held = read_idx(other)
        if held.dtype != array.dtype or held.shape != array.shape or held.tobytes() != array.tobytes():
            raise DataError(f"{first} and {other.name} are called alike and hold different data: remove one of them")
    return array


def _pair(images: Path) -> Images:
    """Return the arrays of an image file and of its labels' file; ``DataError`` if there is none, or their lengths differ."""
    wanted = images.name.replace("images", "labels").replace("idx3", "idx1")
    labels = next((p for p in sorted(images.parent.glob("*")) if p.is_file() and _key(p) == _key(Path(wanted))), None)
    if labels is None:
        stem = wanted.removesuffix(".gz")
        raise DataError(f"{images}: its labels are missing: put {stem} (or {stem}.gz) beside it")
    x, y = _agreed(images), _agreed(labels)
    if x.ndim != 3 or y.ndim != 1 or len(x) != len(y):
        raise DataError(f"{images}: shape {x.shape} does not go with labels of shape {y.shape}: fetch both files again")
    return x, y


def _once(parts: Iterable[Images]) -> Iterable[Images]:
    """Yield each set of images and labels once, even if copies have other names."""
    seen: set[tuple[int, int]] = set()
    for x, y in parts:
        key = (hash(x.tobytes()), hash(y.tobytes()))
        if key not in seen:
            seen.add(key)
            yield x, y
