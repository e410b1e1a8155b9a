"""Membership inference: an attacker infers from a row's loss whether a model was trained on it.

The attack of Yeom et al., "Privacy risk in machine learning", CSF 2018 (a low loss indicates a member), evaluated as a ranking, so that
no threshold has to be chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from server.audit.ranking import pairs_won


@dataclass(frozen=True)
class Predictions:
    """A model's predictions for rows whose label is known.

    ``probabilities`` is a float array (n, classes) in [0, 1]; ``labels`` an integer array (n,) in ``0 .. classes - 1``.
    """

    probabilities: npt.NDArray[Any]
    labels: npt.NDArray[Any]

    def confidence(self) -> npt.NDArray[np.float64]:
        """Return the probability of the true label, shape (n,): the attacker's score, which ranks rows as the negative loss does.

        Raises
        ------
        ValueError
            If a probability is NaN.
        """
        scores: npt.NDArray[np.float64] = self.probabilities[np.arange(len(self.labels)), self.labels].astype(np.float64)
        if np.isnan(scores).any():
            row = int(np.flatnonzero(np.isnan(scores))[0])
            raise ValueError(f"probabilities: row {row} is not a number; the model has diverged, audit an earlier round")
        return scores


def membership_auc(members: Predictions, others: Predictions) -> float | None:
    """Return the class-matched area under the ROC curve of the attack.

    Only pairs of a member and a non-member of the same class are compared: otherwise the attack could succeed by a peer's class
    distribution rather than its rows. Equal scores count one half.

    Parameters
    ----------
    members : Predictions
        Rows that were trained on, or are claimed to be forgotten.
    others : Predictions
        Rows of the same data set that were never trained on.

    Returns
    -------
    float or None
        In [0, 1]; 0.5 is chance. None if no class occurs on both sides.
    """
    inside, outside = members.confidence(), others.confidence()
    won, pairs = 0.0, 0
    for label in np.intersect1d(members.labels, others.labels):
        a, b = inside[members.labels == label], outside[others.labels == label]
        won += pairs_won(a, b)
        pairs += len(a) * len(b)
    return won / pairs if pairs else None
