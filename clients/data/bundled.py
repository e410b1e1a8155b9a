"""Real data sets that scikit-learn contains; they are read without importing it, because the import takes longer than the reading."""

from __future__ import annotations

from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from clients.data import DataError, Dataset, DatasetSpec
from clients.data.scaling import unit_columns, unit_interval

_WINE = [
    "alcohol",
    "malic_acid",
    "ash",
    "alcalinity_of_ash",
    "magnesium",
    "total_phenols",
    "flavanoids",
    "nonflavanoid_phenols",
    "proanthocyanins",
    "color_intensity",
    "hue",
    "od280/od315_of_diluted_wines",
    "proline",
]
_CELL = [
    "radius",
    "texture",
    "perimeter",
    "area",
    "smoothness",
    "compactness",
    "concavity",
    "concave points",
    "symmetry",
    "fractal dimension",
]
_CANCER = [form.format(feature) for form, feature in product(("mean {}", "{} error", "worst {}"), _CELL)]


def _path(name: str) -> Path:
    """Return the path of a file among scikit-learn's data; ``DataError`` if it is missing."""
    found = find_spec("sklearn")
    if found is None or not found.submodule_search_locations:
        raise DataError(f"{name}: scikit-learn, which brings this data set, is not installed: pip install scikit-learn")
    path = Path(found.submodule_search_locations[0], "datasets", "data", name)
    if not path.is_file():
        raise DataError(f"{path}: scikit-learn is installed without this file: reinstall it")
    return path


def _table(name: str, columns: list[str], labels: tuple[str, ...]) -> Dataset:
    """Return the data of a CSV file whose first line is a summary and whose last column is the class."""
    table = np.loadtxt(_path(name), delimiter=",", skiprows=1)
    return Dataset(unit_interval(table[:, :-1]), table[:, -1].astype(np.int64), labels, unit_columns(columns), published=True)


class Digits(DatasetSpec):
    """1,797 handwritten digits, 8 x 8 pixels in [0, 1], 10 classes (UCI optical recognition of handwritten digits, test part)."""

    published: ClassVar[bool] = True
    dataset: Literal["digits"] = "digits"

    def load(self) -> Dataset:
        """Return images of shape (1, 8, 8)."""
        table = np.loadtxt(_path("digits.csv.gz"), delimiter=",", dtype=np.float32)
        images = (table[:, :-1] / np.float32(16)).reshape(-1, 1, 8, 8).astype(np.float32)
        return Dataset(images, table[:, -1].astype(np.int64), tuple("0123456789"), published=True)


class BreastCancer(DatasetSpec):
    """569 tumours, 30 features of cell nuclei scaled to [0, 1], 2 classes (UCI breast cancer Wisconsin, diagnostic)."""

    published: ClassVar[bool] = True
    dataset: Literal["breast_cancer"] = "breast_cancer"

    def load(self) -> Dataset:
        """Return rows of shape (30,)."""
        return _table("breast_cancer.csv", _CANCER, ("malignant", "benign"))


class Wine(DatasetSpec):
    """178 wines, 13 chemical features scaled to [0, 1], 3 classes (UCI wine recognition)."""

    published: ClassVar[bool] = True
    dataset: Literal["wine"] = "wine"

    def load(self) -> Dataset:
        """Return rows of shape (13,)."""
        return _table("wine_data.csv", _WINE, ("class_0", "class_1", "class_2"))
