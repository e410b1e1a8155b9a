"""PUMA: rows are removed by their influence, and kept rows weighted up so that chosen criteria stay where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field as Setting
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from clients import streams
from clients.data.rows import Rows
from clients.streams import Field
from clients.training import Arrays
from clients.unlearning.contract import COST_NOTE, Cost, Guarantee, Outcome, UnlearningError
from clients.unlearning.general.contract import Learning, MethodSpec

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import Tensor

    from clients.unlearning.general.curvature import Curvature, Solution


class Puma(MethodSpec):
    """Removes rows by their influence, as ``influence`` does, and makes up for what that does to the loss on validation rows.

    The criteria are the mean loss on validation rows and on those of each class that some kept row has. Sparse weights of kept rows, which
    cancel the removal's effect on the criteria to first order, are added to the step. Their rows may bring back what goes: rows near
    forgotten ones get no weight. Needs ``data.validation``.

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
    iterations: PositiveInt = 100
    tolerance: Annotated[float, Setting(gt=0, lt=1)] = 1e-6

    def apply(self, weights: Arrays, learning: Learning, forget: Rows, retain: Rows, key: tuple[Field, ...]) -> tuple[Arrays, Outcome]:
        """Return the weights after the step; those before any training, which is exact, if no row is kept."""
        from clients.unlearning.general.curvature import Curvature

        if not len(retain):
            return learning.initial(), Outcome(Cost(parts=1), "exact")
        if learning.validation is None or not len(learning.validation):
            raise UnlearningError("puma keeps losses on validation rows, and there are none: set data.validation")
        if not np.isin(learning.validation.y, retain.y).any():
            raise UnlearningError("puma keeps losses on validation rows, and none is of a class that is kept: set data.validation higher")
        curvature = Curvature(learning.network, weights, learning.training)
        criteria = self.criteria(curvature, learning.validation, retain)
        solved = [self._solve(curvature, retain, one) for one in criteria]
        sampled = self.sampled(forget, retain, key)
        lifts = self.lifts(curvature, [one.x for one in solved], forget, sampled)
        right = curvature.gradient(forget) - curvature.gradient(sampled, lifts)
        solved.append(self._solve(curvature, retain, right))
        curvature.move(self.eta * solved[-1].x)
        cost = f"{COST_NOTE}{sum(one.iterations for one in solved)} conjugate-gradient iterations in {len(solved)} solves"
        cost = f"{cost}, largest relative residual {max(one.residual for one in solved):.1g}"
        told = f"{np.count_nonzero(lifts)} of {len(sampled)} kept rows weighted up, by at most {lifts.max(initial=0):.3g}"
        return curvature.weights(), Outcome(Cost(parts=1), self.guarantee, notes=(told, cost))

    def criteria(self, curvature: Curvature, validation: Rows, retain: Rows) -> list[Tensor]:
        """Return the gradients of the criteria: mean losses on the validation rows of kept classes, and on those of each of these.

        To keep the loss on a class that is to be forgotten would be not to forget it.
        """
        validation = validation.keep(np.isin(validation.y, retain.y))
        parts = [validation, *(validation.keep(validation.y == label) for label in np.unique(validation.y))]
        return [curvature.loss_gradient(part) / len(part) for part in parts]

    def sampled(self, forget: Rows, retain: Rows, key: tuple[Field, ...]) -> Rows:
        """Return the kept rows that may be weighted: drawn by key, without those near a forgotten row."""
        from scipy.spatial import cKDTree

        rows = retain.only(streams.bottom(self.sample, retain.ids.tolist(), *key, "sample"))
        near = cKDTree(forget.x.reshape(len(forget), -1)).query(rows.x.reshape(len(rows), -1))[0]
        return rows.keep(np.asarray(near >= self.guard * np.median(near)))

    def lifts(self, curvature: Curvature, directions: list[Tensor], forget: Rows, sampled: Rows) -> npt.NDArray[np.float64]:
        """Return the additional weight of each sampled row, float64 (r,), that cancels what the removal does to the criteria.

        Parameters
        ----------
        directions : list of tensor
            ``H^-1 grad C`` of each criterion: a row's influence on a criterion is its slope along it.
        """
        from clients.unlearning.general.reweighting import sparse_weights

        theirs = np.array([float(curvature.slopes(forget, one).sum()) for one in directions])
        influence = np.array([curvature.slopes(sampled, one).cpu().numpy() for one in directions])
        return sparse_weights(influence, theirs, self.limit, self.share)

    def _solve(self, curvature: Curvature, retain: Rows, right: Tensor) -> Solution:
        from clients.unlearning.general.curvature import conjugate_gradients

        def product(direction: Tensor) -> Tensor:
            return self.damping * len(retain) * direction + curvature.product(retain, direction, "gauss_newton")

        return conjugate_gradients(product, right, self.tolerance, self.iterations)
