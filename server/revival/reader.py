"""A trained detector of edited columns, as an attacker who knows the kind of fill could train it on releases of its own making.

Each test of ``server.defences.detection`` uses one statistic, and a fill may have been designed to pass just those. The detector uses many
statistics, most of which no fill is designed for, and is trained on layers with known cuts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from server.revival.knowledge import Example
from server.revival.locate import strongest

Layer = tuple[Tensor, Tensor]
"""A layer's weights, and the mask of the entries cut from it."""


class Reader:
    """Boosted trees over ``column_features``, trained on layers whose cuts are known; deterministic.

    Parameters
    ----------
    layers : iterable of (weight, mask)
        Tensors ``(m, n)``, read one at a time. A column counts as edited if any of its entries is masked; ``ValueError`` if all or none
        are.
    """

    def __init__(self, layers: Iterable[Layer]) -> None:
        from sklearn.ensemble import HistGradientBoostingClassifier

        lessons = [(column_features(weight), mask.any(dim=0).numpy(), int(mask.sum()), len(mask)) for weight, mask in layers]
        edited = np.concatenate([columns for _, columns, *_ in lessons])
        self._columns = float(edited.mean())
        if not 0 < self._columns < 1:
            raise ValueError("no column of the examples was left, or none was edited: there is nothing to tell apart")
        within = sum(int(columns.sum()) * rows for _, columns, _, rows in lessons)
        self._entries = sum(cut for *_, cut, _ in lessons) / within
        self._trees: Any = HistGradientBoostingClassifier(
            max_iter=150, learning_rate=0.06, max_leaf_nodes=12, l2_regularization=1.0, early_stopping=False, random_state=0
        ).fit(np.concatenate([features for features, *_ in lessons]), edited)

    @classmethod
    def of(cls, releases: Iterable[Example]) -> Reader:
        """Return the detector that has learned from all layers of whole releases."""
        return cls((weights[name], mask) for weights, masks in releases for name, mask in masks.items())

    def scores(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return by layer how much each column looks edited, float64 ``(n,)``."""
        return {name: self._scores(weight) for name, weight in weights.items()}

    def places(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the entries that it takes for the cut, bool ``(m, n)`` by layer.

        They are the smallest entries of the columns that look most edited: as large a share of the columns as was edited in all layers
        that it was trained on together, and of the entries within them as large a share as was cut from edited columns there.
        """
        found = {}
        for name, weight in weights.items():
            columns = strongest(self._scores(weight), None, self._columns)
            found[name] = strongest(-weight.abs(), columns.expand(weight.shape), self._entries)
        return found

    def _scores(self, weight: Tensor) -> Tensor:
        return torch.from_numpy(self._trees.decision_function(column_features(weight)))


def column_features(weight: Tensor) -> npt.NDArray[np.float64]:
    """Return statistics of each column, ``(n, features)``, as ranks within the layer in (0, 1], so that layers are comparable.

    The statistics are the absolute entries and the shape of their distribution, alone and relative to their rows; the share of energy
    along the layer's leading directions, at ranks 1 to 16 and at eighths of the full rank; leverages; similarity to the nearest other
    columns; and the residual of a regression on all other columns.
    """
    from scipy.stats import rankdata

    work = weight.double()
    columns = torch.cat([_entries(work), _directions(work), _others(work)])
    ranks: npt.NDArray[np.float64] = rankdata(columns.numpy(), axis=1) / columns.shape[1]
    return ranks.T


def _entries(work: Tensor) -> Tensor:
    """Return statistics of the single entries, ``(13, n)``."""
    size = work.square().mean(dim=0).sqrt().clamp_min(1e-300)
    shape = work / size
    inside = (work / work.square().mean(dim=1, keepdim=True).sqrt().clamp_min(1e-300)).abs()
    quantiles = torch.quantile(shape.abs(), torch.tensor([0.0, 0.25, 0.5, 0.75, 0.9, 1.0], dtype=torch.float64), dim=0)
    moments = torch.stack([size, shape.abs().mean(dim=0), *(shape.pow(power).mean(dim=0).abs() for power in (1, 3, 4))])
    return torch.cat([moments, quantiles, torch.stack([inside.mean(dim=0), inside.amax(dim=0)])])


def _directions(work: Tensor) -> Tensor:
    """Return energies along the layer's left singular vectors, and leverages, ``(15, n)``."""
    size = min(work.shape)
    _, left = torch.linalg.eigh(work @ work.mT)  # ascending; a singular value decomposition takes twenty times as long
    coordinates = (left.flip(1)[:, :size].mT @ work).square()
    shares = (coordinates / coordinates.sum(dim=0).clamp_min(1e-300)).cumsum(dim=0)
    ranks = [1, 2, 4, 8, 16, *(round(size * eighth / 8) for eighth in range(1, 8))]
    leverages = coordinates / coordinates.sum(dim=1, keepdim=True).clamp_min(1e-300)
    halves = [leverages[: size // 4].sum(dim=0), leverages[size // 2 :].sum(dim=0), leverages.sum(dim=0)]
    return torch.stack([*(shares[min(rank, size) - 1] for rank in ranks), *halves])


def _others(work: Tensor) -> Tensor:
    """Return similarities to, and residuals of regressions on, the other columns, ``(6, n)``."""
    unit = work / torch.linalg.vector_norm(work, dim=0).clamp_min(1e-300)
    cosines = (unit.mT @ unit).abs().fill_diagonal_(0.0)
    nearest = cosines.topk(min(4, len(cosines)), dim=0).values
    told = [nearest[0], nearest.sum(dim=0), cosines.mean(dim=0), cosines.square().sum(dim=0)]
    gram = work @ work.mT
    top = torch.linalg.eigvalsh(gram)[-1].clamp_min(1e-300)
    ridges = [ridge * top * torch.eye(len(gram), dtype=torch.float64) for ridge in (0.01, 0.1)]  # as shares of the largest eigenvalue
    return torch.stack([*told, *(_unexplained(work, gram, torch.linalg.solve(gram + ridge, work)) for ridge in ridges)])


def _unexplained(work: Tensor, gram: Tensor, solved: Tensor) -> Tensor:
    """Return leave-one-out residuals of a ridge regression on all columns, so that no column explains itself, as shares of its norm.

    With ``gram = W W^T``, ``G = gram + r I`` and ``solved = G^-1 W``, the regression predicts ``gram G^-1 W`` with leverages
    ``diag(W^T G^-1 W)``: systems of as many equations as there are rows, where ``W^T W`` would have as many as there are columns.
    """
    left = torch.linalg.vector_norm(work - gram @ solved, dim=0) / (1 - (work * solved).sum(dim=0))
    share: Tensor = left / torch.linalg.vector_norm(work, dim=0).clamp_min(1e-300)
    return share
