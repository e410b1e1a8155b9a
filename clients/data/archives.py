"""Arrays from NumPy's ``.npz`` archives, read only after everything that they declare has been checked."""

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
    """An ``.npz`` file that is open for reading.

    Parameters
    ----------
    path : Path
    cure : str
        What the file should be, for messages: ``"save it with numpy.savez, without objects"``.

    Raises
    ------
    DataError
        If the file is no archive, or holds two arrays of one name.
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
        """Return those of the arrays with these names that the archive has.

        Raises
        ------
        DataError
            If one is damaged, lies about its size, does not fit into memory or holds objects.
        """
        wanted = [info for info in self._members if info.filename.removesuffix(".npy") in names]
        # reading an array holds its bytes twice: as they are unpacked, and as an array
        afford(self.path, 2 * sum(info.file_size for info in wanted), "unpacking it")
        try:
            with zipfile.ZipFile(self.path) as file:
                return {info.filename.removesuffix(".npy"): self._array(file.read(info), info.filename) for info in wanted}
        except DataError:
            raise
        # zipfile, zlib and NumPy's header parser answer damaged bytes with a dozen kinds of errors, MemoryError among them
        except Exception as error:
            raise self._unreadable(error) from None

    def _array(self, blob: bytes, name: str) -> npt.NDArray[Any]:
        """Return the array of a member's bytes."""
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
        """Return what to say about a damaged file."""
        reason = " ".join((str(error) or type(error).__name__).split())[:200]
        return DataError(f"{self.path}: cannot be read as npz ({reason}): fetch it again, or {self.cure}")


def _header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, Fortran order and dtype as the header of a ``.npy`` file says."""
    version = npy.read_magic(file)
    if version == (1, 0):
        return npy.read_array_header_1_0(file)
    if version == (2, 0):
        return npy.read_array_header_2_0(file)
    raise ValueError(f"version {version[0]}.{version[1]} of the npy format")
