"""Ranking metrics over held-out interactions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from clients.data.ratings import Ratings


def recall_and_ndcg(scores: npt.NDArray[np.floating], seen: Ratings, relevant: Ratings, k: int) -> tuple[float, float]:
    """Return Recall@k and NDCG@k, each averaged over the users with a relevant item, in [0, 1].

    ``Recall@k = hits / relevant items``; ``NDCG@k = sum over hits of 1 / log2(rank + 1)``, divided by its value for an ideal ranking of
    ``min(k, relevant items)`` hits. Seen items are excluded from the ranking; equal scores are ordered by item.

    Parameters
    ----------
    scores : float array, shape (users, items)
    seen, relevant : Ratings
        Interactions that the model was trained on, and held-out interactions to be found.
    k : int
        From 1 to the number of items.
    """
    ranked = scores.astype(np.float64, copy=True)
    ranked[seen.user, seen.item] = -np.inf
    top = np.argsort(-ranked, axis=1, kind="stable")[:, :k]
    wanted = np.zeros(ranked.shape, dtype=np.bool_)
    wanted[relevant.user, relevant.item] = True
    hits = np.take_along_axis(wanted, top, axis=1)
    count = wanted.sum(axis=1)
    asked = count > 0
    gains = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.concatenate([[0.0], np.cumsum(gains)])[np.minimum(count, k)]
    recall = hits[asked].sum(axis=1) / count[asked]
    ndcg = (hits[asked] * gains).sum(axis=1) / ideal[asked]
    return float(recall.mean()), float(ndcg.mean())
