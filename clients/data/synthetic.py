"""Synthetic reference rows: public inputs that are no row of any data set."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from clients.data.rows import Column
from clients.spec import Spec
from clients.streams import generator

Inputs = npt.NDArray[np.float32]

_FACTORS = 3
"""Hidden numbers that each generated row of a table is made from."""


class SyntheticReference(Spec):
    """Reference rows that are drawn instead of set aside, so that seeds are distilled without a row of the data set.

    They are a function of the run's seed, the shape of one input, the columns' public facts (their kinds; inputs lie in [0, 1] or are
    codes of categories), and nothing else: no row and no model is looked at, and so no peer's data can be in them. ``noise`` draws every
    value by itself, uniformly. ``generated`` draws images of smooth curves on empty ground and of soft blobs, in equal parts, and rows of
    tables whose columns go together by chance (a Gaussian copula with drawn loadings), each column still uniform.

    Parameters
    ----------
    kind : {"generated", "noise"}
        How rows are drawn.
    rows : int
        How many rows are drawn.
    """

    kind: Literal["generated", "noise"]
    rows: Annotated[int, Field(gt=0, le=100_000)]

    def inputs(self, shape: tuple[int, ...], columns: Sequence[Column], seed: int) -> Inputs:
        """Return the reference inputs of a run, float32 ``(rows, *shape)``; they are kept and must not be changed.

        Parameters
        ----------
        shape : tuple of int
            Shape of one input: ``(columns,)``, or ``(channels, height, width)``.
        columns : sequence of Column
            Facts of the columns of a table; empty for images.
        seed : int
            The run's seed.
        """
        return _drawn(self, shape, tuple(columns), seed)


@lru_cache(maxsize=4)
def _drawn(spec: SyntheticReference, shape: tuple[int, ...], columns: tuple[Column, ...], seed: int) -> Inputs:
    draws = generator(seed, "reference", spec.kind)
    if len(shape) == 1:
        levels = _levels(spec, shape[0], draws)
        return _in_range(levels, columns).astype(np.float32)
    if spec.kind == "noise":
        return draws.random((spec.rows, *shape)).astype(np.float32)
    first = spec.rows - spec.rows // 2
    kept = np.empty((spec.rows, *shape), np.float32)
    for row in range(spec.rows):
        kept[row] = _curves(shape, draws) if row < first else _blobs(shape, draws)
    return kept


def _levels(spec: SyntheticReference, width: int, draws: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return rows of a table with every column uniform in [0, 1), float64 ``(rows, width)``."""
    if spec.kind == "noise":
        return draws.random((spec.rows, width))
    from scipy.special import ndtr

    loadings = draws.standard_normal((_FACTORS + 1, width))
    loadings /= np.linalg.norm(loadings, axis=0)
    mixed = draws.standard_normal((spec.rows, _FACTORS)) @ loadings[:-1] + draws.standard_normal((spec.rows, width)) * loadings[-1]
    uniform: npt.NDArray[np.float64] = np.minimum(ndtr(mixed), np.nextafter(1.0, 0.0))
    return uniform


def _in_range(levels: npt.NDArray[np.float64], columns: Sequence[Column]) -> npt.NDArray[np.float64]:
    """Return levels in [0, 1) as values of the columns: numbers between their bounds, codes of categories."""
    for place, column in enumerate(columns):
        if column.categories:
            levels[:, place] = np.floor(levels[:, place] * column.categories)
        else:
            levels[:, place] = column.low + levels[:, place] * (column.high - column.low)
    return levels


def _curves(shape: tuple[int, ...], draws: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return an image of one to three cubic Bezier curves of a drawn width on empty ground; channels differ in brightness."""
    channels, height, width = shape
    places = np.stack(np.meshgrid((np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width, indexing="ij"))
    time = np.linspace(0, 1, 40)[:, None]
    powers = np.concatenate([(1 - time) ** 3, 3 * (1 - time) ** 2 * time, 3 * (1 - time) * time**2, time**3], axis=1)
    image = np.zeros((height, width))
    for _ in range(draws.integers(1, 4)):
        line = powers @ draws.uniform(0.1, 0.9, (4, 2))
        distance = ((places[None] - line[:, :, None, None]) ** 2).sum(axis=1).min(axis=0)
        image = np.maximum(image, np.exp(-distance / (2 * draws.uniform(0.04, 0.1) ** 2)))
    return image[None] * (np.ones((1, 1, 1)) if channels == 1 else draws.random((channels, 1, 1)))


def _blobs(shape: tuple[int, ...], draws: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return an image of smoothed noise of a drawn scale, contrast and brightness."""
    from scipy.ndimage import gaussian_filter

    scale = shape[-1] * draws.uniform(1 / 16, 1 / 5)
    smooth = gaussian_filter(draws.standard_normal(shape), (0, scale, scale), mode="wrap")
    smooth = (smooth - smooth.mean()) / max(float(smooth.std()), np.finfo(float).tiny)
    image: npt.NDArray[np.float64] = 1 / (1 + np.exp(-draws.uniform(1, 6) * (smooth + draws.uniform(-1.5, 0.5))))
    return image
