"""How well a classifier answers labelled rows, by the three measures with which approximate unlearning is validated.

Xu, Wu, Wang, Jia, "Machine Unlearning: Solutions and Challenges", 2024, arXiv 2308.07061: accuracy, F1 and the area under the ROC curve, on
the rows to forget, those that are retained, and test rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


class Validation(NamedTuple):
    """Measures in [0, 1]; ``f1`` is the mean over classes, ``auc`` that of one class against the rest, None of rows of one class."""

    accuracy: float
    f1: float
    auc: float | None


def validate(y: npt.NDArray[np.int64], probabilities: npt.NDArray[Any]) -> Validation:
    """Return the measures of answers on rows.

    Parameters
    ----------
    y : int64 array, shape (n,)
        Classes of the rows; ``ValueError`` if there are none.
    probabilities : float array, shape (n, classes)

    Notes
    -----
    Of F1 the classes are those that rows have or that are answered, of the area those that some rows have and others have not.
    """
    from sklearn.metrics import f1_score, roc_auc_score

    if not len(y):
        raise ValueError("there are no rows to validate on: give at least one")
    answered = probabilities.argmax(axis=1)
    areas = [float(roc_auc_score(y == one, probabilities[:, one])) for one in np.unique(y) if (y != one).any()]
    f1 = float(f1_score(y, answered, average="macro", zero_division=0))
    return Validation(float((answered == y).mean()), f1, float(np.mean(areas)) if areas else None)
