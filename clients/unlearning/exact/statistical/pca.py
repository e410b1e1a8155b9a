"""Principal components from moments, and a nearest-mean classifier in their space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.unlearning.contract import Problem, UnlearningError
from clients.unlearning.exact.statistical.fixed import Design
from clients.unlearning.exact.statistical.learner import part, softmax
from clients.unlearning.exact.statistical.moment_learner import MomentLearner
from clients.unlearning.tabular import Floats

_LEAST_VARIANCE = 1e-12  # avoids a division by 0 for axes without variance, which do not separate classes


@dataclass(frozen=True)
class Axes:
    """Mean (D,), axes (k, D), variances along them (k,), total variance, mean variance along the omitted axes, class counts (C,) and
    class means in the axes' space (C, k).
    """

    mean: Floats
    axes: Floats
    variance: Floats
    total: float
    noise: float
    counts: Floats
    centres: Floats


class Components(MomentLearner[Axes]):
    """Principal component analysis; ``components_``, ``explained_variance_`` and so on as in scikit-learn.

    Classes are predicted by the nearest class mean in the space of the components, each scaled to variance 1: the model is one Gaussian of
    variance 1 per class around its mean, weighted by the class's share.

    Parameters
    ----------
    components : int
        Number of axes kept, at most the width of the design.
    """

    def __init__(self, problem: Problem, design: Design, components: int) -> None:
        super().__init__(problem, design)
        if components > design.width:
            raise UnlearningError(f"components = {components} but the inputs have {design.width} columns: ask for at most that many")
        self.components = components

    def learn(self) -> Axes:
        """Return the axes of largest variance, each with its largest loading positive."""
        found, d = self.gram(), self.design.width
        covariance = found.scatter[:d, :d] / max(found.n - 1, 1)
        variance, vectors = np.linalg.eigh(covariance)
        axes = vectors[:, ::-1].T[: self.components]
        axes = axes * np.where(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)] < 0, -1.0, 1.0)[:, None]
        counts, means = self.class_means(found)
        centres = (means - found.mean[:d]) @ axes.T
        falling = np.maximum(variance[::-1], 0.0)
        noise = falling[self.components : min(found.n, d)]  # scikit-learn counts no more axes than there are rows
        kept, total = falling[: self.components], float(np.trace(covariance))
        return Axes(found.mean[:d], axes, kept, total, float(noise.mean()) if len(noise) else 0.0, counts, centres)

    def transform(self, x: npt.NDArray[Any]) -> Floats:
        """Return the coordinates along the components, float64 (n, k)."""
        return (self.design.expand(self.design.table.features(x)) - self.learned.mean) @ self.learned.axes.T

    def probabilities(self, x: npt.NDArray[np.float32]) -> Floats:
        """Return class probabilities by distance to the class means; a class without rows has probability 0."""
        found = self.learned
        if self.problem.classes == 1:
            return np.ones((len(x), 1))
        scale = 1 / np.sqrt(np.maximum(found.variance, _LEAST_VARIANCE))
        away = (self.transform(x)[:, None] - found.centres) * scale
        with np.errstate(divide="ignore"):
            return softmax(np.log(found.counts / self.count) - 0.5 * (away**2).sum(axis=2))

    mean_: Floats = part("learned.mean", "Mean of the design, (D,).")
    components_: Floats = part("learned.axes", "Axes, (k, D), by descending variance.")
    explained_variance_: Floats = part("learned.variance", "Variance along each axis, (k,).")
    noise_variance_: float = part("learned.noise", "Mean variance along the omitted axes, 0 if there are none.")
    n_components_: int = part("components", "Number of axes kept, k.")

    @property
    def explained_variance_ratio_(self) -> Floats:
        """Share of the total variance along each axis, (k,)."""
        return self.learned.variance / (self.learned.total or 1.0)

    @property
    def singular_values_(self) -> Floats:
        """Singular values of the centred rows, (k,)."""
        return np.sqrt(self.learned.variance * max(self.count - 1, 0))
