"""Fidelity and diversity of samples: distances between sets of features of real images and of samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float64]

NEIGHBOURS = 3
"""The k of the k-nearest-neighbour balls, as published."""


@dataclass(frozen=True)
class Fidelity:
    """How near a set of samples is to real images.

    Parameters
    ----------
    frechet : float
        Squared Frechet distance, at least 0; it grows as sets become smaller, so that only sets of equal sizes compare.
    precision : float
        Share of the samples within reach of a real image, in [0, 1].
    recall : float
        Share of the real images within reach of a sample, in [0, 1].
    """

    frechet: float
    precision: float
    recall: float


def fidelity(real: Features, samples: Features) -> Fidelity | None:
    """Return how near samples are to real images; None if a set has no more than ``NEIGHBOURS`` members, or a feature is not finite.

    Parameters
    ----------
    real, samples : float64 array, shapes (n, d) and (m, d)
        Features of images, of one judge.
    """
    if min(len(real), len(samples)) <= NEIGHBOURS or not (np.isfinite(real).all() and np.isfinite(samples).all()):
        return None
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # sums over threads differ in their last bits, and findings are part of a run's digest
        return Fidelity(frechet_distance(real, samples), _covered(samples, real), _covered(real, samples))


def frechet_distance(a: Features, b: Features) -> float:
    """Return the squared Frechet distance between Gaussians fitted to two sets of features, shapes (n, d) and (m, d).

    The trace of the root of the covariances' product is the nuclear norm of the centred sets' product, which is exact even where there are
    fewer images than features and the product has no inverse.

    Source: Heusel et al., NeurIPS 2017, arXiv 1706.08500.
    """
    from scipy.linalg import svdvals

    mean = np.square(a.mean(axis=0) - b.mean(axis=0)).sum()
    a, b = ((one - one.mean(axis=0)) / np.sqrt(len(one) - 1) for one in (a, b))
    shared = svdvals(a @ b.T).sum()
    return max(0.0, float(mean + np.square(a).sum() + np.square(b).sum() - 2 * shared))


def _covered(points: Features, centres: Features) -> float:
    """Return the share of points that lie in any ball around a centre, whose radius is the distance to its k-th nearest other centre.

    Source: Kynkaanniemi et al., NeurIPS 2019, arXiv 1904.06991, equations 1 and 2.
    """
    from scipy.spatial.distance import cdist
    from sklearn.neighbors import NearestNeighbors

    radii = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(centres).kneighbors()[0][:, -1]
    return float((cdist(points, centres) <= radii).any(axis=1).mean())
