"""Scenario table of the HedgeCut forest."""

from __future__ import annotations

from math import prod, sqrt
from typing import Annotated, ClassVar, Literal

from pydantic import Field as Setting
from pydantic import NonNegativeInt, PositiveInt

from clients.data.rows import Rows
from clients.unlearning.contract import ExactSpec, Problem
from clients.unlearning.limits import beyond, refusal


class HedgeCut(ExactSpec):
    """Randomised trees over public bins; each split is proven to withstand its share of a budget of removals, or its rivals are kept.

    A split whose proof has expired is examined again.

    Parameters
    ----------
    trees : int
        Number of trees.
    depth : int
        Maximum depth of a leaf, at most 60.
    candidates : int, optional
        Splits tried per node; by default twice the square root of the number of features, rounded.
    bins : int
        Number of evenly spaced bins of a numeric feature; about as many more halve towards its low end, for skewed features.
    budget : float
        Number of removals until the forest is grown again, as a share of the rows (rounded).
    least_budget : int
        Minimum of this number.
    nested : int
        Number of open nodes on a path that keep subtrees for all rivals; below them, a rival's subtree is grown when it becomes the best.
    min_split, min_leaf : int
        Minimum rows of a node that is split, and of each side.
    exhausted : {"refit", "refuse"}
        Response to a request that exceeds the budget.
    low, high : float
        Public bounds of features that the data set does not describe; rows outside them are an error.
    """

    implementation: ClassVar[str] = "clients.unlearning.exact.hedgecut.forest:Forest"
    summary: ClassVar[str] = "randomised trees; splits proven to outlast a removal budget, variants for the others"
    source: ClassVar[str] = "Schelter, Grafberger, Dunning, HedgeCut, SIGMOD 2021"

    kind: Literal["hedgecut"] = "hedgecut"
    trees: PositiveInt = 100
    depth: Annotated[int, Setting(ge=1, le=60)] = 12
    candidates: PositiveInt | None = None
    bins: Annotated[int, Setting(ge=2, le=1000)] = 16
    budget: Annotated[float, Setting(ge=0, le=1)] = 0.001
    least_budget: NonNegativeInt = 1
    nested: NonNegativeInt = 1
    min_split: Annotated[int, Setting(ge=2)] = 4
    min_leaf: PositiveInt = 2
    exhausted: Literal["refit", "refuse"] = "refit"
    low: float = 0.0
    high: float = 1.0

    def check(self, problem: Problem, rows: Rows) -> str | None:
        """Return an error line if rows contradict the public bounds, or the settings need too much memory, else None.

        Each candidate may become a variant at each nested node; with several levels, their numbers multiply.
        """
        from clients.unlearning.tabular import Table

        width, n = prod(problem.shape), len(rows)
        many = self.candidates or max(1, round(2 * sqrt(width)))
        place = 100 + 8 * problem.classes
        room = max(2 * many, min(256, 4 * n))  # initial capacity of a tree in open nodes
        leaves = min(max(1, n // self.min_leaf), 2 ** min(self.depth, 30))
        variants = many ** min(self.nested, self.depth) * 2 * leaves if self.nested > 1 else 0
        size = self.trees * place * max(4 * room, variants) + n * width * (2 + self.bins // 4)
        what = f"hedgecut with trees = {self.trees}, nested = {self.nested}, candidates = {many}"
        wrong = beyond(what, n, size, cure="ask for fewer nested variants, candidates or trees")
        return wrong or refusal(lambda: Table(problem, (self.low, self.high)).rows(rows))
