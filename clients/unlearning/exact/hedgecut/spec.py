"""How scenarios name a HedgeCut forest."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field as Setting
from pydantic import NonNegativeInt, PositiveInt

from clients.unlearning.contract import Guarantee, UnlearnerSpec


class HedgeCut(UnlearnerSpec):
    """Randomised trees over public bins; each split is proven to outlast its share of a budget of removals, or its rivals are watched.

    A split that has used up its proof is examined anew.

    Parameters
    ----------
    trees : int
    depth : int
        Largest depth of a leaf, at most 60.
    candidates : int, optional
        Splits tried per node; twice the square root of the number of features, rounded, unless told.
    bins : int
        Evenly spaced bins of a numeric feature; as many more that halve towards its low end, for skewed features.
    budget : float
        Removals allowed before the forest is grown anew, as a share of the rows (rounded).
    least_budget : int
        Removals allowed however few rows there are.
    nested : int
        How many breakable nodes on one path keep subtrees for their variants; below, a variant's subtree is built when it wins.
    min_split, min_leaf : int
        Least rows of a node that is split, and of either side.
    exhausted : {"refit", "refuse"}
        What a request meets that exceeds the budget.
    low, high : float
        Public bounds of features without a column of their own in the data set.
    """

    guarantee: ClassVar[Guarantee] = "exact"
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
