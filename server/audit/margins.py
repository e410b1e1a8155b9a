"""The statistic by which audits compare models on a row: the margin of its true class."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

DIVERGED = "logits: some are not numbers; a model has diverged, train with a smaller learning rate"

LIMIT = 100.0
"""Margins are clipped to this range on both sides, as a certain and an impossible class have infinite ones."""


def margins(logits: npt.NDArray[Any], classes: npt.NDArray[Any]) -> Floats:
    """Return the logit of each row's true class minus the log-sum-exp of the others, which is log p - log(1 - p).

    Parameters
    ----------
    logits : float array, shape (..., rows, classes)
        At least two classes.
    classes : int array, shape (rows,)
        The true classes.

    Returns
    -------
    float64 array, shape (..., rows)
        In [-100, 100].

    Raises
    ------
    ValueError
        If a logit is NaN.
    """
    wide = np.asarray(logits, np.float64)
    if np.isnan(wide).any():
        raise ValueError(DIVERGED)
    own = np.zeros(wide.shape[-2:], bool)
    own[np.arange(len(classes)), classes] = True
    others: Floats = logsumexp(np.where(own, -np.inf, wide), axis=-1)
    return np.clip(wide[..., own] - others, -LIMIT, LIMIT)
