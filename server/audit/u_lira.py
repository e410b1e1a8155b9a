"""U-LiRA: per row, the likelihood ratio of *unlearned* against *never seen*, fitted on shadow models.

Hayes, Shumailov, Triantafillou, Khalifa, Papernot, "Inexact unlearning needs more careful evaluations to avoid a false sense of privacy",
arXiv 2403.01218, section 3: one model fitted for each row, instead of one threshold for all of them, which makes methods look safer.
"""

from __future__ import annotations

import numpy as np

from server.audit.margins import Floats, Mask
from server.audit.ranking import Scored

FEWEST = 4
"""A row needs as many models in each group: two for a variance, one that is judged, one to spare."""

FLOOR = 0.1
"""Smallest variance of a row, as a share of the mean variance over all rows."""


def likelihood_ratios(unlearned: Floats, never: Floats, inside: Mask) -> Scored:
    """Return log N(z; unlearned) - log N(z; never seen) of every judged model on the rows that it had to forget.

    The model that is judged has no part in any fit that judges it.

    Parameters
    ----------
    unlearned, never : float64 arrays, shape (models, rows)
        Margins of the forgotten rows: of model k after unlearning those that it had, and of model k trained without them.
    inside : bool array, shape (models, rows)
        Which rows model k had.

    Returns
    -------
    Scored
        Positive of the unlearned models, negative of the others; NaN outside, and where a row has fewer than four models.
    """
    usable = inside & (inside.sum(axis=0) >= FEWEST)
    fits = [_left_out(margins, usable) for margins in (unlearned, never)]
    return Scored(*(np.where(usable, _log_normal(z, *fits[0]) - _log_normal(z, *fits[1]), np.nan) for z in (unlearned, never)))


def _log_normal(z: Floats, mean: Floats, variance: Floats) -> Floats:
    """Return log-densities of normal distributions, without the constant; the log of the variance differs between the two fits."""
    result: Floats = -((z - mean) ** 2) / (2 * variance) - np.log(variance) / 2
    return result


def _left_out(z: Floats, inside: Mask) -> tuple[Floats, Floats]:
    """Return means and floored variances (models, rows) over the models that had a row, each model left out of its own."""
    count = np.maximum(inside.sum(axis=0), FEWEST)
    centre = np.where(inside, z, 0).sum(axis=0) / count
    apart = np.where(inside, z - centre, 0)
    rest = count - 1
    mean = centre - apart / rest
    squares = (apart**2).sum(axis=0) - apart**2
    variance = np.maximum((squares - apart**2 / rest) / (rest - 1), 0)
    pooled = np.where(inside, variance, 0).sum(axis=1, keepdims=True) / np.maximum(inside.sum(axis=1, keepdims=True), 1)
    return mean, np.maximum(variance, np.maximum(FLOOR * pooled, 1e-12))
