"""RMIA: a row's probability, relative to reference models, compared with that of rows of the population.

Zarifzadeh, Liu, Shokri, "Low-cost high-power membership inference attacks", arXiv 2312.03262, equations 2 to 4. It needs few references.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from server.audit.margins import Floats

OFFLINE = 0.3
"""How much of a row's mean probability in models that never saw it is taken for that in models that did."""


def relative_scores(
    rows: Floats, population: Floats, reference_rows: Floats, reference_population: Floats, *, offline: float = OFFLINE
) -> Floats:
    """Return, for every model and row, the share of the population to which the row is more familiar, in [0, 1].

    Parameters
    ----------
    rows, population : float64 arrays, shape (models, n) and (models, z)
        Margins in the judged models, of the rows in question and of rows that nobody held.
    reference_rows, reference_population : float64 arrays, shape (references, ...)
        Margins of the same rows in reference models, none of which ever had any of them. At least two; model k is judged without
        reference k, with which it may share its other rows.
    offline : float
        ``a`` in ``(1 + a) / 2 * mean + (1 - a) / 2``, which stands for the mean over models of both kinds.

    Returns
    -------
    float64 array, shape (models, n)
    """
    found = np.empty(rows.shape)
    for k in range(len(rows)):
        others = np.arange(len(reference_rows)) != k
        own, theirs = (
            expit(one[k]) / _expected(expit(references[others]), offline)
            for one, references in ((rows, reference_rows), (population, reference_population))
        )
        found[k] = np.searchsorted(np.sort(theirs), own, side="left") / len(theirs)
    return found


def _expected(probabilities: Floats, offline: float) -> Floats:
    """Return each row's expected probability of its true class over models that did and did not see it."""
    result: Floats = (1 + offline) / 2 * probabilities.mean(axis=0) + (1 - offline) / 2
    return result
