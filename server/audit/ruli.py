"""RULI's two games, per row and with kernel densities: can an unlearned row be told from rows that were never seen.

Naderloui et al., "Rectifying privacy and efficacy measurements in machine unlearning", arXiv 2506.13009, section 4.
"""

from __future__ import annotations

import numpy as np

from server.audit.margins import Floats, Mask
from server.audit.ranking import Scored
from server.audit.u_lira import FEWEST

NARROWEST = 0.1
"""Narrowest kernel of a row, as a share of the mean width over all rows."""


def kernel_ratios(unlearned: Floats, reference: Floats, inside: Mask, *, width: float | None = None) -> Scored:
    """Return log p_unlearned(z) - log p_reference(z), which orders margins as p_unlearned / (p_unlearned + p_reference) does.

    In the game of *efficacy* the reference are margins in the trained models, before the request; in that of *privacy*, margins in the
    unlearned ones: each time of rows that the model never had. Every judged margin is left out of its own density.

    Parameters
    ----------
    unlearned : float64 array, shape (models, rows)
        Margins in the unlearned models; read where ``inside``.
    reference : float64 array, shape (models, rows)
        Margins of rows that the model never had; read where not ``inside``.
    inside : bool array, shape (models, rows)
        Which rows model k had and has forgotten.
    width : float, optional
        Width of all kernels. Unless given it is Silverman's for the row's pooled standard deviation: a fixed one ignores the spread of
        margins, and loses all power where that is smaller.

    Returns
    -------
    Scored
        Positive of unlearned rows, negative of rows never seen; NaN elsewhere, and where a row has fewer than four models on a side.
    """
    scored = Scored(np.full(inside.shape, np.nan), np.full(inside.shape, np.nan))
    enough = (inside.sum(axis=0) >= FEWEST) & ((~inside).sum(axis=0) >= FEWEST)
    groups = {x: (unlearned[inside[:, x], x], reference[~inside[:, x], x]) for x in np.flatnonzero(enough)}
    widths = {x: _silverman(*pair) for x, pair in groups.items()}
    narrowest = max(NARROWEST * float(np.mean(list(widths.values()))), 1e-6) if widths else 0.0
    for x, (mine, theirs) in groups.items():
        kernel = width or max(widths[x], narrowest)
        scored.positive[inside[:, x], x] = _log_density(mine, mine, kernel, own=True) - _log_density(mine, theirs, kernel)
        scored.negative[~inside[:, x], x] = _log_density(theirs, mine, kernel) - _log_density(theirs, theirs, kernel, own=True)
    return scored


def _silverman(one: Floats, other: Floats) -> float:
    """Return Silverman's width for two groups with a common standard deviation."""
    pooled = (one.var(ddof=1) * (len(one) - 1) + other.var(ddof=1) * (len(other) - 1)) / (len(one) + len(other) - 2)
    return float(1.06 * np.sqrt(pooled) * min(len(one), len(other)) ** -0.2)


def _log_density(at: Floats, samples: Floats, width: float, *, own: bool = False) -> Floats:
    """Return log-densities, up to a constant, of Gaussian kernels over samples; with ``own``, each place is left out of its own."""
    heights = -(((at[:, None] - samples[None, :]) / width) ** 2) / 2
    if own:
        np.fill_diagonal(heights, -np.inf)
    result: Floats = np.logaddexp.reduce(heights, axis=1) - np.log(len(samples) - own)
    return result
