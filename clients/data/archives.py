"""Arrays from NumPy's ``.npz`` archives, which are read only after their headers have been checked."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from clients.data.errors import DataError
from clients.data.limits import afford

Arrays = dict[str, npt.NDArray[Any]]


class Archive:
    """An ``.npz`` file, whose directory has been read.

    Parameters
    ----------
    path : Path
        The file.
    cure : str
        How to make a valid file, for messages: ``"save it with numpy.savez, without objects"``.

    Raises
    ------
    DataError
        If the file is no archive, or contains two arrays of the same name.
    """

    def __init__(self, path: Path, cure: str) -> None:
        self.path, self.cure = path, cure
        with path.open("rb") as file:
            start = file.read(6)
        if start == npy.MAGIC_PREFIX:
            raise DataError(f"{path}: is a .npy file, which holds a single array: {cure}")
        try:
            with zipfile.ZipFile(path) as file:
                self._members = [info for info in file.infolist() if info.filename.endswith(".npy")]
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise self._unreadable(error) from None
        self.names = [info.filename.removesuffix(".npy") for info in self._members]
        if twice := next((name for name in self.names if self.names.count(name) > 1), None):
            raise DataError(f"{path}: holds two arrays called {twice}: {cure}")

    def read(self, names: Collection[str]) -> Arrays:
        """Return the arrays with these names, without those that the archive lacks.

        Raises
        ------
        DataError
            If an array is damaged, has another size than its header declares, exceeds the memory, or contains objects.
        """
        wanted = [info for info in self._members if info.filename.removesuffix(".npy") in names]
        # an array's bytes are in memory twice: unpacked, and as the array
        afford(self.path, 2 * sum(info.file_size for info in wanted), "unpacking it")
        try:
            with zipfile.ZipFile(self.path) as file:
                return {info.filename.removesuffix(".npy"): self._array(file.read(info), info.filename) for info in wanted}
        except DataError:
            raise
        # zipfile, zlib and NumPy's header parser raise a dozen kinds of errors for damaged bytes, including MemoryError
        except Exception as error:
            raise self._unreadable(error) from None

    def _array(self, blob: bytes, name: str) -> npt.NDArray[Any]:
        """Return the array in a member's bytes; ``DataError`` if it contains objects, or its size is not that of its header."""
        file = io.BytesIO(blob)
        shape, fortran, dtype = _header(file)
        if dtype.hasobject:
            raise DataError(f"{self.path}: {name} holds objects: {self.cure}")
        size = math.prod(shape) * dtype.itemsize
        if len(blob) - file.tell() != size:
            raise DataError(f"{self.path}: {name} holds {len(blob) - file.tell()} bytes, but its header announces {size}: fetch it again")
        flat = np.frombuffer(blob, dtype, offset=file.tell())
        return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)

    def _unreadable(self, error: Exception) -> DataError:
        """Return the error for a damaged file."""
        reason = " ".join((str(error) or type(error).__name__).split())[:200]
        return DataError(f"{self.path}: cannot be read as npz ({reason}): fetch it again, or {self.cure}")


def _header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, whether the order is Fortran's, and dtype, from the header of a ``.npy`` file; ``ValueError`` for other versions."""
    version = npy.read_magic(file)
    if version == (1, 0):
        return npy.read_array_header_1_0(file)
    if version == (2, 0):
        return npy.read_array_header_2_0(file)
    raise ValueError(f"version {version[0]}.{version[1]} of the npy format")
