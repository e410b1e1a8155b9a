"""Aggregation of the shards' posteriors: mean, majority, and learned weights (LBAggr)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_STEPS = 500
_RATE = 0.3


def learned_weights(posteriors: npt.NDArray[np.floating], y: npt.NDArray[np.int64], penalty: float) -> Floats:
    """Return the weights on the simplex, shape (k,), that minimise the mixture's loss (Chen et al. 2022, section 5, LBAggr).

    Minimises ``mean_v -log sum_s alpha_s p_s(v)[y_v] + penalty ||alpha||_2``. On the simplex the problem is convex and the penalty
    affects the direction only. Exponentiated gradient descent from equal weights solves it without sampling or randomness.

    Parameters
    ----------
    posteriors : float array, shape (k, n, classes)
    y : int64 array, shape (n,)
        Labels in ``0 .. classes - 1``.
    penalty : float
        Not negative.
    """
    shards = len(posteriors)
    weights = np.full(shards, 1 / max(shards, 1))
    if shards < 2 or not len(y):
        return weights
    right = np.maximum(posteriors[:, np.arange(len(y)), y].astype(np.float64).T, 1e-12)
    for _ in range(_STEPS):
        mixture = (right * weights).sum(axis=1, keepdims=True)
        gradient = penalty * weights / np.sqrt(np.square(weights).sum()) - (right / mixture).mean(axis=0)
        step = -_RATE / (1 + penalty) * (gradient - (gradient * weights).sum())
        weights = weights * np.exp(np.clip(step, -5, 5))
        weights /= weights.sum()
    return weights


def majority(posteriors: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Return each class's share of the shards' votes, float32 (n, classes); ties within a shard go to the lowest class."""
    votes = np.eye(posteriors.shape[2], dtype=np.float32)[posteriors.argmax(axis=2)]
    share: npt.NDArray[np.float32] = votes.mean(axis=0)
    return share


def mixture(posteriors: npt.NDArray[np.floating], weights: Floats) -> npt.NDArray[np.float32]:
    """Return the weighted mean of posteriors, float32 (n, classes); each row sums to 1."""
    total = (posteriors.astype(np.float64) * weights[:, None, None]).sum(axis=0)
    shares: npt.NDArray[np.float32] = (total / total.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares
