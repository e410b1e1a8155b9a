"""How far one quantity is a function of others, and which of many it depends on: conditional dependence and greedy selection.

Azadkia and Chatterjee, "A Simple Measure of Conditional Dependence", Annals of Statistics 2021, equations 2.1 and 4.1; selection stops at
the first candidate that adds nothing, as in their FOCI.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def squared_distances(z: Floats) -> Floats:
    """Return the squared distances of the values of one column, (n, n)."""
    return np.asarray(np.square(z[:, None] - z[None, :]))


def neighbours(distances: Floats) -> npt.NDArray[np.intp]:
    """Return the nearest other observation of each, the lowest index among equals, (n,)."""
    apart = distances.copy()
    np.fill_diagonal(apart, np.inf)
    return np.asarray(apart.argmin(axis=1))


def dependence(y: Floats, z: Floats, given: Floats | None = None) -> float:
    """Return how far ``y`` depends on ``z``, given what else is known: 0 for independence, 1 for a function, on large samples.

    Parameters
    ----------
    y : float64 array, shape (n,)
    z : float64 array, shape (n, n)
        Squared distances of the candidate's values.
    given : float64 array, shape (n, n), optional
        Squared distances of what is known, summed over its columns.

    Returns
    -------
    float
        0 where ``y`` does not vary, or is a function of what is known already.
    """
    ordered, n = np.sort(y), len(y)
    lower = np.searchsorted(ordered, y, side="right").astype(np.float64)
    upper = n - np.searchsorted(ordered, y, side="left").astype(np.float64)
    with_z = np.minimum(lower, lower[neighbours(z if given is None else z + given)])
    if given is None:
        above, below = (n * with_z - upper**2).sum(), (upper * (n - upper)).sum()
    else:
        known = np.minimum(lower, lower[neighbours(given)])
        above, below = (with_z - known).sum(), (lower - known).sum()
    return float(above / below) if below else 0.0


def selected(y: Floats, columns: Floats, most: int) -> list[int]:
    """Return the columns on which ``y`` depends, strongest first, each given those before it; it ends where none adds anything.

    Parameters
    ----------
    y : float64 array, shape (n,)
    columns : float64 array, shape (n, p)
        Without ties, or the lowest index decides which observation is the neighbour.
    most : int
        Largest number of columns.
    """
    apart = [squared_distances(column) for column in columns.T]
    given: Floats | None = None
    chosen: list[int] = []
    while len(chosen) < min(most, len(apart)):
        left = [j for j in range(len(apart)) if j not in chosen]
        gains = [dependence(y, apart[j], given) for j in left]
        best = int(np.argmax(gains))
        if gains[best] <= 0:
            break
        chosen.append(left[best])
        given = apart[left[best]] if given is None else given + apart[left[best]]
    return chosen
