"""Scenario table of the DaRE forest."""

from __future__ import annotations

from math import isqrt, prod
from typing import Annotated, ClassVar, Literal

from pydantic import Field as Setting
from pydantic import NonNegativeInt, PositiveInt

from clients.data.rows import Rows
from clients.unlearning.contract import ExactSpec, Problem
from clients.unlearning.limits import beyond, refusal


class Dare(ExactSpec):
    """A random forest that deletes a row by repairing only the subtrees whose best split changed.

    Parameters
    ----------
    trees : int
        Number of trees.
    depth : int
        Maximum depth of a leaf, at most 60.
    cuts : int
        Thresholds tried per feature (k in the paper).
    random_depth : int
        Nodes above this depth have random splits (d_rmax in the paper), which makes deletions cheaper and trees less accurate.
    features : int, optional
        Features tried per node; by default the square root of their number, rounded down.
    min_split, min_leaf : int
        Minimum rows of a node that is split, and of each side.
    share : float
        Share of the trees (rounded up) that contain a row.
    lazy : bool
        Defer repairs until a prediction visits the subtree, or ``settle`` is called.
    """

    adds: ClassVar[bool] = True
    corrects: ClassVar[bool] = True
    implementation: ClassVar[str] = "clients.unlearning.exact.dare.forest:Forest"
    summary: ClassVar[str] = "random forest; repairs the subtrees whose best split changed"
    source: ClassVar[str] = (
        "Brophy and Lowd, Machine Unlearning for Random Forests, ICML 2021; lazy repairs and shares: Wang et al., DynFrs, ICLR 2025"
    )

    kind: Literal["dare"] = "dare"
    trees: PositiveInt = 100
    depth: Annotated[int, Setting(ge=1, le=60)] = 10
    cuts: PositiveInt = 25
    random_depth: NonNegativeInt = 0
    features: PositiveInt | None = None
    min_split: Annotated[int, Setting(ge=2)] = 2
    min_leaf: PositiveInt = 1
    share: Annotated[float, Setting(gt=0, le=1)] = 1.0
    lazy: bool = False

    def check(self, problem: Problem, rows: Rows) -> str | None:
        """Return an error line if rows contradict the declared columns, or trees, cuts and features need too much memory, else None."""
        from clients.unlearning.tabular import Table

        width, n = prod(problem.shape), len(rows)
        features = min(self.features or isqrt(width), width)
        splits = max(1, min(128, 2 ** min(self.depth, 30), n))  # initial capacity of a tree
        slot = features * (self.cuts + 4) * (2 + problem.classes) * 4
        size = self.trees * (splits * (slot + 100) + 4 * n) + 24 * n * width
        what = f"dare with trees = {self.trees}, cuts = {self.cuts}, {features} features a node"
        return beyond(what, n, size, cure="ask for fewer cuts, trees or features") or refusal(lambda: Table(problem).rows(rows))
