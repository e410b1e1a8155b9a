"""Linear and ridge regression from moments."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clients.data.rows import Ids
from clients.unlearning.contract import Problem, UnlearningError
from clients.unlearning.exact.statistical.fixed import Design, kernels
from clients.unlearning.exact.statistical.moment_learner import MomentLearner
from clients.unlearning.tabular import Floats

LEAST = 1e-3
"""Smallest score of a class before scores are normalised to sum 1."""


class Plane(NamedTuple):
    """Coefficients (targets, D) and intercepts (targets,)."""

    coef: Floats
    intercept: Floats


class Linear(MomentLearner[Plane]):
    """Ridge regression with an unpenalised intercept; minimum-norm ordinary least squares if ``alpha`` is 0.

    With several classes there is one regression per class on 0/1 targets: a linear probability model, whose scores already sum to 1. They
    are converted to probabilities by the public map ``max(score, 0.001)``, divided by the sum.

    Parameters
    ----------
    alpha : float
        Penalty on squared coefficients, as in scikit-learn.
    target : tuple of float
        Public (low, high) of a regression's targets.
    """

    def __init__(self, problem: Problem, design: Design, alpha: float, target: tuple[float, float]) -> None:
        super().__init__(problem, design, target)
        self.alpha = alpha

    def check_labels(self, y: npt.NDArray[Any], ids: Ids) -> None:
        """Raise ``UnlearningError`` for regression targets that are not finite or outside their public range."""
        if self.problem.classes > 1:
            return
        wrong = ~((y >= self.target[0]) & (y <= self.target[1]))
        if wrong.any():
            raise UnlearningError(f"row {ids[wrong][0]}: target {y[wrong][0]} lies outside the public {list(self.target)}: set target")

    def learn(self) -> Plane:
        """Solve the centred normal equations: by Cholesky if the matrix is numerically positive definite, else with minimum norm."""
        d, sums = self.design.width, self.sums
        if self.alpha > 0 and self.count:
            try:
                return Plane(*kernels().ridge(self.count, sums["first"], sums["second"], self.unit, self.centre, d, self.alpha))
            except np.linalg.LinAlgError:
                pass
        found = self.gram()
        a, b = found.scatter[:d, :d], found.scatter[:d, d:]
        a.flat[:: d + 1] += self.alpha
        coef = (np.linalg.pinv(a, rcond=d * np.finfo(np.float64).eps * 16, hermitian=True) @ b).T
        return Plane(coef, found.mean[d:] - coef @ found.mean[:d])

    @property
    def coef_(self) -> Floats:
        """Coefficients, (D,) for a regression, (C, D) for 0/1 targets of C classes."""
        return self.learned.coef[0] if self.problem.classes == 1 else self.learned.coef

    @property
    def intercept_(self) -> Floats:
        """Intercepts, () or (C,)."""
        return self.learned.intercept[0] if self.problem.classes == 1 else self.learned.intercept

    def scores(self, x: npt.NDArray[np.float32]) -> Floats:
        """Return the regressions' values, float64 (n, targets), of checked features."""
        return self.design.expand(x) @ self.learned.coef.T + self.learned.intercept

    def predict(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return predicted targets, float64 (n,), or classes, int64 (n,)."""
        scores = self.scores(self.design.table.features(x))
        return scores[:, 0] if self.problem.classes == 1 else scores.argmax(axis=1)

    def probabilities(self, x: npt.NDArray[np.float32]) -> Floats:
        """Return class probabilities by the public map; ones for a regression, which has one class only."""
        if self.problem.classes == 1:
            return np.ones((len(x), 1))
        scores = np.maximum(self.scores(x), LEAST)
        return np.asarray(scores / scores.sum(axis=1, keepdims=True))
