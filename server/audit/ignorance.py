"""The proof of ignorance: whether a model answers rows to forget better than rows that nobody held, beside models ignorant of both.

Ye et al., "Auditing Machine Unlearning", arXiv 2606.16110, compare a model with verification models; the statistic is of this project.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from server.audit.margins import Floats


def lead(gone: Floats, others: Floats, classes: npt.NDArray[np.int64], of_others: npt.NDArray[np.int64]) -> Floats:
    """Return by how much margins of the rows to forget exceed those of others of the same classes, class by class, of every model.

    Parameters
    ----------
    gone, others : float64 array, shape (models, rows)
        Margins on the rows to forget, and on rows that nobody held.
    classes, of_others : int64 array, shape (rows,)
        Their classes.

    Returns
    -------
    float64 array, shape (models,)
        Differences of means, weighted by the rows to forget in each class that both have.

    Raises
    ------
    ValueError
        If no class has rows of both.
    """
    shared = [(int((classes == label).sum()), label) for label in np.intersect1d(classes, of_others)]
    if not shared:
        raise ValueError("none of the rows that nobody held is of a class of the rows to forget: set more test rows aside")
    apart = [many * (gone[:, classes == label].mean(axis=1) - others[:, of_others == label].mean(axis=1)) for many, label in shared]
    found: Floats = np.sum(apart, axis=0) / sum(many for many, _ in shared)
    return found


def deviations(leads: Floats, ignorant: Floats) -> Floats:
    """Return leads less the mean of those of ignorant models, in standard deviations of these.

    Parameters
    ----------
    leads : float64 array, shape (models,)
    ignorant : float64 array, shape (verification models,)
        At least two, not all equal.
    """
    found: Floats = (leads - ignorant.mean()) / ignorant.std(ddof=1)
    return found
