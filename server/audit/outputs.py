"""Figures of class probabilities: divergence from a network that knows nothing, and modified entropy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import entr

from server.audit.margins import Floats

_LEAST = 1e-30
"""Smallest probability whose logarithm is taken."""


def divergence(p: npt.NDArray[Any], q: npt.NDArray[Any]) -> Floats:
    """Return the Jensen-Shannon divergence in bits of distributions (..., classes), float64 (...): 0 for equal, 1 for disjoint ones.

    It is the sum over classes. ZRF, zero retrain forgetting, is 1 less it, of a model and one that was never trained (Chundawat et al.,
    AAAI 2023, arXiv 2205.08096).
    """
    one, other = np.asarray(p, np.float64), np.asarray(q, np.float64)
    found: Floats = (entr((one + other) / 2) - (entr(one) + entr(other)) / 2).sum(axis=-1) / np.log(2)
    return np.clip(found, 0, 1)


def modified_entropy(p: npt.NDArray[Any], classes: npt.NDArray[Any]) -> Floats:
    """Return -(1 - p_y) log p_y - sum over the other classes of p_c log(1 - p_c), in nats, float64 (..., rows); finite for p of 0 and 1.

    Small where a row is answered rightly and surely, large where wrongly and surely (Song and Mittal, USENIX Security 2021, eq. 11).

    Parameters
    ----------
    p : float array, shape (..., rows, classes)
        Class probabilities.
    classes : int array, shape (rows,)
        The true classes.
    """
    wide = np.asarray(p, np.float64)
    own = np.zeros(wide.shape[-2:], bool)
    own[np.arange(len(classes)), classes] = True
    others: Floats = -wide * np.log(np.maximum(1 - wide, _LEAST))
    true: Floats = -(1 - wide) * np.log(np.maximum(wide, _LEAST))
    found: Floats = np.where(own, true, others).sum(axis=-1)
    return found
