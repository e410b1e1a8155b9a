"""An item-item recommender from co-occurrence sums."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.unlearning.contract import Problem, UnlearningError
from clients.unlearning.exact.statistical.fixed import Design, Ints, Sums, moments
from clients.unlearning.exact.statistical.learner import SumLearner, check_counts
from clients.unlearning.tabular import Floats


class ItemItem(SumLearner[Floats]):
    """Items are similar if the same users rate them: cosine similarity of the rating columns. A row holds a user's ratings, 0 for none.

    The classes are the items: the probability of an item is its share of the user's scores over items not yet rated. Labels are not used.
    """

    def __init__(self, problem: Problem, design: Design) -> None:
        super().__init__(problem, design)
        if problem.classes != design.width:
            raise UnlearningError(f"item_item: {design.width} items but {problem.classes} classes: predictions are items, so have as many")
        if (design.low < 0).any():
            raise UnlearningError("item_item: low is below 0, but 0 means not rated: use ratings of at least 0")

    def contribution(self, x: npt.NDArray[np.float32], y: npt.NDArray[Any]) -> Sums:
        """Return n and the sums over users of products of two ratings, by limbs (3, items, items)."""
        found = moments(self.design.integers(x))
        return {"n": found["n"], "second": found["second"]}

    def learn(self) -> Floats:
        """Return the items' similarities, float64 (items, items), 0 on the diagonal."""
        second = self.sums["second"]
        products = second[0] * 2.0**40 + second[1] * 2.0**20 + second[2]
        length = np.sqrt(np.diag(products))
        likeness: Floats = products / np.where(length > 0, length, np.inf)[:, None] / np.where(length > 0, length, np.inf)
        np.fill_diagonal(likeness, 0.0)
        return likeness

    @property
    def similarity_(self) -> Floats:
        """Cosine similarities, (items, items), 0 on the diagonal."""
        return self.learned

    def scores(self, x: npt.NDArray[Any]) -> Floats:
        """Return each item's score, float64 (n, items): the user's ratings weighted by their items' similarity to it."""
        return self.design.expand(self.design.table.features(x)) @ self.learned

    def recommend(self, x: npt.NDArray[Any], k: int) -> npt.NDArray[np.int64]:
        """Return the k best items not yet rated, int64 (n, k), best first, the lower item first among equals."""
        scores = np.where(self.design.table.features(x) > 0, -np.inf, self.scores(x))
        return np.argsort(-scores, axis=1, kind="stable")[:, :k]

    def probabilities(self, x: npt.NDArray[np.float32]) -> Floats:
        """Return shares of the scores over items not yet rated; uniform if no item has a score."""
        scores = np.where(x > 0, 0.0, np.maximum(self.scores(x), 0.0))
        total = scores.sum(axis=1, keepdims=True)
        return np.where(total > 0, scores / np.where(total > 0, total, 1.0), 1 / self.outputs)

    def check(self, sums: Mapping[str, Ints]) -> None:
        """Raise ``UnlearningError`` for sums that no users can have: the matrix must be non-negative and positive semidefinite."""
        check_counts(sums, ("n",))
        second = sums["second"]
        products = second[0] * 2.0**40 + second[1] * 2.0**20 + second[2]
        length = np.sqrt(np.maximum(np.diag(products), 1.0))
        smallest = float(np.linalg.eigvalsh(products / length[:, None] / length)[0])
        if (products < 0).any() or smallest < -1e-6 or (int(sums["n"][0]) == 0 and second.any()):
            raise UnlearningError("sums: products of ratings fall below 0: more is taken out than was given")
