"""Images in folders, one folder per class."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from clients.data import DataError, Dataset, DatasetSpec
from clients.data.scaling import located


class Images(DatasetSpec):
    """Images in folders with the names of their classes: ``path/cat/1.png``.

    Rows are sorted by class, then by file name. All images must have the same size; pixels are divided by 255. If some are coloured, the
    channels of grey ones are repeated. Names that start with a dot are ignored.

    Parameters
    ----------
    path : str
        The folder of the classes' folders, relative to the scenario's folder.
    """

    dataset: Literal["images"] = "images"
    path: str

    def load(self) -> Dataset:
        """Return images of shape (channels, height, width); ``DataError`` if a folder or an image cannot be read."""
        from clients.data.npz import channels_first, scaled
        from clients.data.pictures import decode

        files = {folder.name: self._files(folder) for folder in self._folders()}
        count = sum(map(len, files.values()))
        pixels = decode(((str(file), _bytes(file)) for of_class in files.values() for file in of_class), count)
        y = np.repeat(np.arange(len(files)), [len(of_class) for of_class in files.values()])
        return Dataset(channels_first(scaled(pixels, self.path)), y.astype(np.int64), tuple(files))

    def _folders(self) -> list[Path]:
        """Return the folders of the classes, sorted by name; ``DataError`` if there is none, or a file lies beside them."""
        root = located(self.path)
        if not root.is_dir():
            raise DataError(f"{self.path}: there is no such folder: correct path (relative paths start at the scenario file's folder)")
        shown = sorted(_shown(root))
        folders = [path for path in shown if path.is_dir()]
        if not folders:
            raise DataError(f"{self.path}: holds no folder: make one folder a class, with the class's images in it")
        if stray := next((path for path in shown if not path.is_dir()), None):
            raise DataError(f"{stray}: lies in no class's folder: move it into one, or away")
        return folders

    @staticmethod
    def _files(folder: Path) -> list[Path]:
        """Return the files of a class, sorted by name; ``DataError`` if there is none, or a folder among them."""
        files = sorted(_shown(folder))
        if not files:
            raise DataError(f"{folder}: holds no image: remove the folder, or put the class's images in it")
        if nested := next((path for path in files if not path.is_file()), None):
            raise DataError(f"{nested}: is no file: put images right into their class's folder, or end path with {folder.name}")
        return files


def _shown(folder: Path) -> Iterator[Path]:
    """Yield the entries of a folder that are not hidden."""
    return (path for path in folder.iterdir() if not path.name.startswith("."))


def _bytes(file: Path) -> bytes:
    """Return a file's bytes."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror or error}): mend its permissions or remove it") from None
