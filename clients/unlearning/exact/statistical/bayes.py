"""Naive Bayes from counts and sums per class."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from clients.data.rows import Ids
from clients.unlearning.contract import Problem, UnlearningError
from clients.unlearning.exact.statistical.fixed import Design, Ints, Sums, squares, whole
from clients.unlearning.exact.statistical.learner import SumLearner, check_counts, one_hot, part, softmax
from clients.unlearning.tabular import Floats

Learned = TypeVar("Learned")

_LEAST_VARIANCE = 1e-12  # if all features are constant, scikit-learn's smoothing is 0, which would be a divisor


class _Bayes(SumLearner[Learned]):
    """Naive Bayes of any kind, with scikit-learn's names. `predict_proba` returns float32, `predict_log_proba` float64."""

    @abstractmethod
    def joint(self, x: npt.NDArray[np.float32]) -> Floats:
        """Return joint log probabilities of class and features, float64 (n, C), of checked features; -inf for a class without rows."""

    def probabilities(self, x: npt.NDArray[np.float32]) -> Floats:
        """Return class probabilities; a class without rows has probability 0."""
        return softmax(self.joint(x))

    def predict_joint_log_proba(self, x: npt.NDArray[Any]) -> Floats:
        """Return joint log probabilities of class and features, float64 (n, C), -inf for a class without rows; needs at least one row."""
        return self.joint(self.design.table.features(x))

    def predict_log_proba(self, x: npt.NDArray[Any]) -> Floats:
        """Return log probabilities of the classes, float64 (n, C), -inf for a class without rows; needs at least one row."""
        joint = self.predict_joint_log_proba(x)
        top = joint.max(axis=1, keepdims=True)
        return np.asarray(joint - top - np.log(np.exp(joint - top).sum(axis=1, keepdims=True)))

    def predict(self, x: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Return the most probable class, int64 (n,), the lowest among equals; needs at least one row."""
        return np.asarray(self.predict_joint_log_proba(x).argmax(axis=1))

    @property
    def classes_(self) -> Ints:
        """The public labels, (C,), including those without rows."""
        return np.arange(self.problem.classes)

    @property
    def class_count_(self) -> Floats:
        """Rows per class, (C,)."""
        return self.sums["count"].astype(np.float64)


@dataclass(frozen=True)
class Bell:
    """Parameters of Gaussian naive Bayes: means and smoothed variances (C, D), and the smoothing."""

    mean: Floats
    variance: Floats
    smoothing: float


class Gaussian(_Bayes[Bell]):
    """Gaussian naive Bayes; ``theta_``, ``var_``, ``epsilon_``, ``class_count_`` and ``class_prior_`` as in scikit-learn.

    Parameters
    ----------
    smoothing : float
        Share of the largest variance of a feature, over all classes, that is added to every variance.
    """

    def __init__(self, problem: Problem, design: Design, smoothing: float) -> None:
        super().__init__(problem, design)
        self.smoothing = smoothing

    def contribution(self, x: npt.NDArray[np.float32], y: npt.NDArray[Any]) -> Sums:
        """Return n and, per class, counts (C,), sums (C, D) and sums of squares by limbs (3, C, D)."""
        z = self.design.integers(x)
        classes = range(self.problem.classes)
        return {
            "n": np.array([len(z)]),
            "count": one_hot(y, self.problem.classes).sum(axis=0),
            "first": np.stack([z[y == c].sum(axis=0) for c in classes]),
            "square": np.stack([squares(z[y == c]) for c in classes], axis=1),
        }

    def learn(self) -> Bell:
        """Return means and variances, computed in exact integers until the last division."""
        count, first = self.sums["count"].astype(object), self.sums["first"].astype(object)
        limb = self.sums["square"]
        square = (whole(limb[0], limb[1]) << 20) + limb[2].astype(object)
        mean, spread = self._ratios(count, first, square)
        total = self._ratios(np.array([count.sum()]), first.sum(axis=0)[None], square.sum(axis=0)[None])[1][0]
        smoothing = self.smoothing * float(total.max())
        return Bell(mean, np.maximum(spread + smoothing, _LEAST_VARIANCE), smoothing)

    def _ratios(self, count: Any, first: Any, square: Any) -> tuple[Floats, Floats]:
        """Return means and variances (k, D) of k groups; those of an empty group are 0."""
        n = np.maximum(count, 1)[:, None]
        mean = self.design.values((first / n).astype(np.float64))
        spread = ((square * n - first * first) / (n * n)).astype(np.float64)
        return mean, spread / self.design.scale / self.design.scale

    def joint(self, x: npt.NDArray[np.float32]) -> Floats:
        """Return log probabilities of class and features together."""
        bell, design = self.learned, self.design.expand(x)
        scores = np.empty((len(x), self.problem.classes))
        for c, (mean, variance) in enumerate(zip(bell.mean, bell.variance, strict=True)):
            scores[:, c] = -0.5 * (np.log(2 * np.pi * variance).sum() + ((design - mean) ** 2 / variance).sum(axis=1))
        return scores + _log(self.class_prior_)

    def check(self, sums: Mapping[str, Ints]) -> None:
        """Raise ``UnlearningError`` for negative counts or variances."""
        check_counts(sums, ("n", "count"))
        count, first, limb = sums["count"].astype(object)[:, None], sums["first"].astype(object), sums["square"]
        square = (whole(limb[0], limb[1]) << 20) + limb[2].astype(object)
        _same_total(sums)
        if (square * count < first * first).any() or ((count == 0) & ((first != 0) | (square != 0))).any():
            raise UnlearningError("sums: a variance falls below 0: more is taken out than was given")

    theta_: Floats = part("learned.mean", "Means, (C, D).")
    var_: Floats = part("learned.variance", "Smoothed variances, (C, D).")
    epsilon_: float = part("learned.smoothing", "Value added to every variance.")

    @property
    def class_prior_(self) -> Floats:
        """Share of each class, (C,)."""
        return self.class_count_ / max(self.count, 1)


@dataclass(frozen=True)
class Counts:
    """Log shares: of the classes (C,), and of the features within a class (C, D)."""

    prior: Floats
    share: Floats


class _Counting(_Bayes[Counts]):
    """Naive Bayes from feature counts per class."""

    def __init__(self, problem: Problem, design: Design, alpha: float) -> None:
        super().__init__(problem, design)
        self.alpha = alpha

    def features(self, x: npt.NDArray[np.float32]) -> Ints:
        """Return the features to count, int64 (n, D)."""
        raise NotImplementedError

    def contribution(self, x: npt.NDArray[np.float32], y: npt.NDArray[Any]) -> Sums:
        """Return n, and per class counts (C,) and feature counts (C, D)."""
        z = self.features(x)
        total = np.stack([z[y == c].sum(axis=0) for c in range(self.problem.classes)])
        return {"n": np.array([len(z)]), "count": one_hot(y, self.problem.classes).sum(axis=0), "feature": total}

    def check(self, sums: Mapping[str, Ints]) -> None:
        """Raise ``UnlearningError`` for negative counts."""
        check_counts(sums, ("n", "count", "feature"))
        _same_total(sums)
        if sums["feature"][sums["count"] == 0].any():
            raise UnlearningError("sums: a class without rows keeps feature counts: take out exactly what was given")

    class_log_prior_: Floats = part("learned.prior", "Log share of each class, (C,); -inf for a class without rows.")
    feature_log_prob_: Floats = part("learned.share", "Log share of each feature within a class, (C, D).")


class Multinomial(_Counting):
    """Multinomial naive Bayes over non-negative features; attributes as in scikit-learn."""

    def check_labels(self, y: npt.NDArray[Any], ids: Ids) -> None:
        """Raise ``UnlearningError`` if the public range allows negative features."""
        if (self.design.low < 0).any():
            j = int(self.design.source[np.argmax(self.design.low < 0)])
            raise UnlearningError(f"column {self.design.table.names[j]}: low is below 0, multinomial counts cannot be: use gaussian")

    def features(self, x: npt.NDArray[np.float32]) -> Ints:
        """Return the features in fixed point."""
        return self.design.integers(x)

    @property
    def feature_count_(self) -> Floats:
        """Feature totals per class, (C, D)."""
        return self.design.values(self.sums["feature"])

    def learn(self) -> Counts:
        """Return smoothed log shares."""
        counts = self.feature_count_ + self.alpha
        return Counts(_log(self.class_count_ / max(self.count, 1)), np.log(counts) - np.log(counts.sum(axis=1, keepdims=True)))

    def joint(self, x: npt.NDArray[np.float32]) -> Floats:
        """Return log probabilities of class and features together."""
        return self.design.expand(x) @ self.learned.share.T + self.learned.prior


class Bernoulli(_Counting):
    """Bernoulli naive Bayes over ``x > threshold``; attributes as in scikit-learn."""

    def __init__(self, problem: Problem, design: Design, alpha: float, threshold: float) -> None:
        super().__init__(problem, design, alpha)
        self.threshold = threshold

    def features(self, x: npt.NDArray[np.float32]) -> Ints:
        """Return 1 for features that exceed the threshold, else 0."""
        return (self.design.expand(x) > self.threshold).astype(np.int64)

    @property
    def feature_count_(self) -> Floats:
        """Number of rows in which a feature is 1, per class, (C, D)."""
        return self.sums["feature"].astype(np.float64)

    def learn(self) -> Counts:
        """Return smoothed log shares."""
        counts = self.class_count_[:, None] + 2 * self.alpha
        return Counts(_log(self.class_count_ / max(self.count, 1)), np.log(self.feature_count_ + self.alpha) - np.log(counts))

    def joint(self, x: npt.NDArray[np.float32]) -> Floats:
        """Return log probabilities of class and features together."""
        share = self.learned.share
        absent = np.log1p(-np.exp(share))
        return np.asarray(self.features(x) @ (share - absent).T + absent.sum(axis=1) + self.learned.prior)


def _log(share: Floats) -> Floats:
    """Return logarithms, -inf for 0."""
    with np.errstate(divide="ignore"):
        return np.log(share)


def _same_total(sums: Mapping[str, Ints]) -> None:
    """Raise ``UnlearningError`` if class counts do not add up to the number of rows."""
    if int(sums["count"].sum()) != int(sums["n"][0]):
        raise UnlearningError(f"sums: {int(sums['n'][0])} rows but {int(sums['count'].sum())} labels: give both of the same rows")
