"""Which training rows made a model fail: scores of rows by what forgetting them would do to the failures.

Tanno, Pradier, Nori and Li, "Repairing Neural Networks by Leaving the Right Past Behind", NeurIPS 2022 (arXiv 2207.04806), whose special
case is the influence of Koh and Liang (ICML 2017). The equations are this project's reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from clients.data.rows import Ids, Rows
from clients.models.network import Network
from clients.streams import Field, key_hash
from clients.training import Arrays

if TYPE_CHECKING:
    from torch import Tensor

    from clients.unlearning.general.curvature import Curvature
    from clients.unlearning.general.posterior import Precision

Scores = npt.NDArray[np.float64]


class Cause(NamedTuple):
    """A row or a group of rows: its name, the ids of its rows, and by how much forgetting it lowers the summed loss of the failures."""

    name: str
    ids: tuple[int, ...]
    score: float


def direction(curvature: Curvature, precision: Precision, failures: Rows) -> Tensor:
    """Return ``s = A^-1 sum_F grad l``, float64 (k,): all that a holder of rows must be told, and the only solve for all of them."""
    return precision.solve(curvature.loss_gradient(failures))


def scores(curvature: Curvature, towards: Tensor, rows: Rows) -> Scores:
    """Return ``r = - <s, grad l(z)>`` of each row, float64 (n,): to first order, the failures' loss falls by r if the row is forgotten.

    Parameters
    ----------
    curvature : Curvature
        At the trained weights; a row's gradient is that of its loss and its share of the penalty.
    towards : float64 tensor, shape (k,)
        What `direction` returns.
    rows : Rows
        Training rows of one holder.
    """
    found: Scores = -curvature.slopes(rows, towards).cpu().numpy()
    return found


def ranked(names: Sequence[str], ids: Ids, found: Scores) -> list[Cause]:
    """Return groups of rows, those with the largest sums of scores first.

    Parameters
    ----------
    names : sequence of str
        The group of each row.
    ids : int64 array, shape (n,)
    found : float64 array, shape (n,)
        Scores of the rows.
    """
    members: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        members.setdefault(name, []).append(place)
    causes = [Cause(name, tuple(ids[places].tolist()), float(found[places].sum())) for name, places in members.items()]
    return sorted(causes, key=lambda cause: -cause.score)


def clusters(network: Network, weights: Arrays, x: npt.NDArray[np.float32], count: int, key: tuple[Field, ...]) -> npt.NDArray[np.int64]:
    """Return a cluster of each row, int64 (n,): k-means on the inputs of the network's last linear layer, keyed."""
    from sklearn.cluster import KMeans

    from clients.unlearning.refine.hardness import penultimate

    features = penultimate(network, weights, x)
    made = KMeans(min(count, len(x)), n_init=1, random_state=key_hash(*key, "clusters") % 2**32).fit_predict(features)
    return np.asarray(made, dtype=np.int64)
