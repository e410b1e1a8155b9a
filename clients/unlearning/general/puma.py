"""PUMA: rows are removed by their influence, and kept rows weighted up so that chosen criteria stay where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field as Setting
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from clients import streams
from clients.data.rows import Rows
from clients.iterations import Iterations
from clients.streams import Field
from clients.training import Arrays
from clients.unlearning.contract import COST_NOTE, Guarantee, UnlearningError
from clients.unlearning.general.contract import Learning
from clients.unlearning.general.derivatives import SUM
from clients.unlearning.general.step_of_sums import StepOfSums

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import Tensor

    from clients.unlearning.general.curvature import Curvature, Solution
    from clients.unlearning.general.derivatives import Asked, Local

_CLASSES, _ALONG = "classes", "along"
"""Names of what is asked for: how many kept rows each class has, and the gradient that is weighted by influences along directions."""
_WEIGHTED, _SAMPLED, _LIFTED = "weighted", "sampled", "lifted"
"""Names, in an answer, of the number of weighted rows, of those that might be, and of the sum of further weights."""


class Puma(StepOfSums):
    """Removes rows by their influence, as ``influence`` does, and makes up for what that does to the loss on validation rows.

    The criteria are the mean loss on validation rows and on those of each class that some kept row has. Sparse weights of kept rows, which
    cancel the removal's effect on the criteria to first order, are added to the step. Their rows may bring back what goes: rows near
    forgotten ones get no weight. Needs ``data.validation``.

    An averaging server takes the step on the global model with sums over peers. Each peer that asks weights kept rows of its own, for what
    its own rows take away: weights of single rows, and rows to guard against, are not told. Its own sums are, to
    the server: one is the gradient of its rows to forget less that of the rows weighted up, in which a single row can be found again.

    Parameters
    ----------
    eta : float
        Length of the step, 1 for the whole influence.
    sample : int
        Largest number of kept rows that may be weighted, drawn by key.
    share : float
        Largest share of them that is weighted.
    limit : float
        Largest additional weight of a row.
    guard : float
        Rows are not weighted whose distance to the nearest forgotten row is below this multiple of the median of such distances.
    damping : float
        Added to the Gauss-Newton matrix of the kept rows, per row.
    iterations : int
        Largest number of conjugate-gradient iterations of a solve.
    tolerance : float
        Relative residual at which a solve ends.
    """

    guarantee: ClassVar[Guarantee] = "approximate"
    summary: ClassVar[str] = "influence, with kept rows weighted up so that the losses on validation rows stay"
    source: ClassVar[str] = "Wu, Hashemi and Srinivasa, PUMA, AAAI 2022, arXiv 2203.00846; the equations are this project's reading"

    needs_validation: ClassVar[bool] = True

    kind: Literal["puma"] = "puma"
    eta: PositiveFloat = 1.0
    sample: PositiveInt = 2000
    share: Annotated[float, Setting(gt=0, le=1)] = 0.1
    limit: PositiveFloat = 5.0
    guard: NonNegativeFloat = 0.5
    damping: NonNegativeFloat = 1e-2
    iterations: Iterations = 100
    tolerance: Annotated[float, Setting(gt=0, lt=1)] = 1e-6

    def step(self, curvature: Curvature, rows: Asked, learning: Learning, key: tuple[Field, ...]) -> list[str]:
        """Take the step; return notes. Nothing moves if no row is kept."""
        import torch

        kept = np.flatnonzero(rows.asked({_CLASSES: np.array(1)})[_CLASSES])
        if not rows.retained:
            return []
        if learning.validation is None or not len(learning.validation):
            raise UnlearningError("puma keeps losses on validation rows, and there are none: set data.validation")
        if not np.isin(learning.validation.y, kept).any():
            raise UnlearningError("puma keeps losses on validation rows, and none is of a class that is kept: set data.validation higher")
        solved = [self._solve(rows, one) for one in self.criteria(curvature, learning.validation, kept)]
        found = rows.asked({_ALONG: torch.stack([one.x for one in solved]).cpu().numpy()})
        solved.append(self._solve(rows, torch.from_numpy(found[SUM]).to(curvature.flat())))
        curvature.move(self.eta * solved[-1].x)
        cost = f"{COST_NOTE}{sum(one.iterations for one in solved)} conjugate-gradient iterations in {len(solved)} solves"
        cost = f"{cost}, largest relative residual {max(one.residual for one in solved):.1g}"
        weighted, total = int(found[_WEIGHTED]), float(found[_LIFTED])
        told = f"{weighted} of {int(found[_SAMPLED])} kept rows weighted up, by {total / max(1, weighted):.3g} on average"
        return [told, cost]

    def reply(self, rows: Local, learning: Learning, key: tuple[Field, ...], question: Arrays) -> Arrays:
        """Return which classes have kept rows, or the gradient of the rows to forget less that of kept rows with their further weights.

        The weights are of these rows alone, and cancel the effect of these rows alone. A sum hides no single row to forget.
        """
        import torch

        if _CLASSES in question:
            return {_CLASSES: np.bincount(rows.retain.y, minlength=learning.network.classes)}
        if _ALONG not in question:
            return super().reply(rows, learning, key, question)
        along = list(torch.from_numpy(question[_ALONG]).to(rows.curvature.flat()))
        others = rows.retain.without(rows.forget.ids)
        sampled = self.sampled(rows.forget, others, key) if len(rows.forget) and len(others) else others.keep(np.zeros(len(others), bool))
        change = rows.gradient()
        lifts = self.lifts(rows.curvature, along, change, sampled)
        found = change - rows.curvature.gradient(sampled, lifts)
        told = {_WEIGHTED: np.count_nonzero(lifts), _SAMPLED: len(sampled), _LIFTED: lifts.sum()}
        return {SUM: found.cpu().numpy(), **{name: np.array(value) for name, value in told.items()}}

    def criteria(self, curvature: Curvature, validation: Rows, kept: npt.NDArray[np.int64]) -> list[Tensor]:
        """Return the gradients of the criteria: mean losses on the validation rows of kept classes, and on those of each of these.

        To keep the loss on a class that is to be forgotten would be not to forget it.
        """
        validation = validation.keep(np.isin(validation.y, kept))
        parts = [validation, *(validation.keep(validation.y == label) for label in np.unique(validation.y))]
        return [curvature.loss_gradient(part) / len(part) for part in parts]

    def sampled(self, forget: Rows, retain: Rows, key: tuple[Field, ...]) -> Rows:
        """Return the kept rows that may be weighted: drawn by key, without those near a forgotten row."""
        from scipy.spatial import cKDTree

        rows = retain.only(streams.bottom(self.sample, retain.ids.tolist(), *key, "sample"))
        near = cKDTree(forget.x.reshape(len(forget), -1)).query(rows.x.reshape(len(rows), -1))[0]
        return rows.keep(np.asarray((near >= self.guard * np.median(near)) & ((near > 0) | (self.guard == 0))))

    def lifts(self, curvature: Curvature, directions: list[Tensor], change: Tensor, sampled: Rows) -> npt.NDArray[np.float64]:
        """Return the additional weight of each sampled row, float64 (r,), that cancels what the removal does to the criteria.

        Parameters
        ----------
        directions : list of tensor
            ``H^-1 grad C`` of each criterion: a row's influence on a criterion is its slope along it.
        change : tensor
            The gradient of what the removal takes out, flat, float64 (k,).
        """
        from clients.unlearning.general.reweighting import sparse_weights

        theirs = np.array([float(one @ change) for one in directions])
        influence = np.array([curvature.slopes(sampled, one).cpu().numpy() for one in directions])
        return sparse_weights(influence, theirs, self.limit, self.share)

    def _solve(self, rows: Asked, right: Tensor) -> Solution:
        return rows.solved(right, "gauss_newton", self.damping, self.tolerance, self.iterations).trusted(self.kind)
