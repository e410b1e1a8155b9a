"""Aggregation of the predictions of a model's shards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

Rule = Literal["mean", "majority", "weighted", "median"]
Answers = npt.NDArray[np.float32]


def joined(answers: Sequence[Answers], rows: Sequence[int], rule: Rule) -> Answers:
    """Return the shards' aggregated prediction (Bourtoule et al. 2021, section IV; the median, robust to outlying shards, is ours).

    Parameters
    ----------
    answers : sequence of float32 array, shape (n, classes)
        Class probabilities of each trained shard; not empty.
    rows : sequence of int
        Number of rows that each of these shards was trained on and still holds, at least 1.
    rule : {"mean", "majority", "weighted", "median"}
        Mean of the probabilities; shares of the votes for the most probable class, ties within a shard to the lowest class; mean weighted
        by ``rows``; median of each class's probabilities, scaled to sum to 1, and the mean where all medians are 0.

    Returns
    -------
    float32 array, shape (n, classes)
        Each row sums to 1.
    """
    if rule == "majority":
        answers = [np.eye(answer.shape[1], dtype=np.float32)[answer.argmax(axis=1)] for answer in answers]
    if rule == "weighted":
        return np.average(np.asarray(answers, np.float64), axis=0, weights=np.asarray(rows, np.float64)).astype(np.float32)
    total: Answers = np.sum(answers, axis=0, dtype=np.float32)
    mean: Answers = total / np.float32(len(answers))
    if rule != "median":
        return mean
    middle = np.median(np.asarray(answers, np.float64), axis=0)
    sums = middle.sum(axis=1, keepdims=True)
    return np.where(sums > 0, middle / np.where(sums > 0, sums, 1), mean).astype(np.float32)
