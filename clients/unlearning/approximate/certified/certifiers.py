"""Upper bounds on the residual after one Newton step on the remaining rows.

A step s from parameters with gradient r solves ``H s = -r`` on the remaining rows, so what is left is what the linear expansion of the
slopes misses: ``X' e`` with ``|e_i| <= gamma / 2 |x_i s|^2``. Because r is the whole gradient, with whatever earlier steps left of theirs,
nothing adds up over a sequence of requests.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from clients.unlearning.convex.objective import UNIT, Objective


@dataclass(frozen=True)
class Step:
    """A Newton step on the remaining rows.

    Parameters
    ----------
    objective : Objective
        On the n' remaining rows.
    start, change : float64 tensors, shape (d, K)
        Parameters before, and the step.
    removed : int
        Rows that left just before the step.
    before : float
        Bound on the residual on the rows before they left.
    """

    objective: Objective
    start: Tensor
    change: Tensor
    removed: int
    before: float

    @property
    def end(self) -> Tensor:
        """The parameters after the step."""
        return self.start + self.change

    def measured(self) -> float:
        """Return the computed norm of the gradient after the step, and the bound on its rounding."""
        return self.objective.at(self.end).residual

    def data_dependent(self) -> float:
        """Return ``|X| |e|``, the spectral norm times that of the bounds on what the expansion misses, and the slack of the solve.

        With ``gamma / 2 |X| |(X s)^2|`` for a single score at most half of corollary 1 of Guo et al. 2020.
        """
        missed = self.objective.loss.remainders(self.objective.x @ self.change).norm()
        return self.objective.spectral_norm * float(missed) + self._slack()

    def worst_case(self) -> float:
        """Return ``gamma / 2 n' (|r| / (lam n'))^2`` with a bound on r from constants, and the slack of the solve.

        At an optimum ``lam |w| <= C + |b| / n``, so m rows that leave change the gradient by at most ``m (2 C + (|b| + before) / n)``.
        At most half of theorem 1 of Guo et al. 2020, which is for one row.
        """
        objective, n = self.objective, len(self.objective.x)
        steep = objective.loss.steepness(self.start.shape[1])
        pull = (float(objective.linear.norm()) + self.before) / (n + self.removed)
        gradient = self.removed * (2 * steep + pull) + self.before
        return objective.loss.lipschitz / 2 * n * (gradient / objective.ridge) ** 2 + self._slack()

    def _slack(self) -> float:
        """Return a bound on what rounding adds: to the gradient before, to the solve (Higham 2002, theorem 10.4), to the end."""
        objective, size = self.objective, self.change.numel()
        solve = 8 * size**2 * float(self.change.norm()) + float(self.end.norm())
        return objective.at(self.start).rounding + UNIT * solve * objective.smoothness
