"""Unlearning of features and labels: a step from rows as they were to the same rows corrected, on any network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field as Setting
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from clients.iterations import Iterations
from clients.models import ModelSpec
from clients.streams import Field
from clients.training import Arrays
from clients.unlearning.contract import COST_NOTE, Guarantee
from clients.unlearning.general.contract import Learning
from clients.unlearning.general.step_of_sums import StepOfSums

if TYPE_CHECKING:
    from torch import Tensor

    from clients.unlearning.general.curvature import Curvature
    from clients.unlearning.general.derivatives import Asked, Local

_CHANGED, _TOTALS, _AROUND, _SPREAD = "changed", "totals", "around", "spread"
"""Names of sums over the columns of rows, and of the values around which spread is asked for."""
_IDLE = {"first": "first-order step of this length", "second": "second-order step"}
_TRIALS = 40
"""Lengths of a first-order step that are tried at most."""


_OUT = "whose weights are 0 and act on no question"
_AWAY = "whose weights stay, as rows of members that are away may differ"
_ACTS = "whose weights stay, and act where a question has another value: take linear or mlp, and no layers"


class FeaturesLabels(StepOfSums):
    """Subtracts ``t G`` or ``(H + damping n I)^-1 G`` from the weights: G the gradient of corrected rows less that of the old ones.

    H is the Hessian of the corrected rows; all are sums over rows (Warnecke et al., equations 5 and 7). Rows that are deleted are the case
    in which nothing replaces them. A column that corrections have made the same in all rows has a weight that no row decides any more: of a
    ``linear`` or ``mlp`` network it is moved into the bias, so that what else a question has there does not act, until training goes on.

    A second-order step far from an optimum may lead away from it; the outcome says so where the gradient on the corrected rows grows.

    An averaging server takes the step on the global model: G and products with H are sums over the peers that are present.

    Parameters
    ----------
    order : {"first", "second"}
        Whether G is taken as it is, or divided by the Hessian.
    tau : float, optional
        The length t of a first-order step. By default it is searched for: doubled, or halved, as long as that makes the gradient on the
        corrected rows smaller; where no length does, as far from an optimum, nothing moves, and the outcome says so.
    layers : int, optional
        How many of the last layers move, the others keep every bit; default: all.
    damping : float
        Of the second order: added to the Hessian, per row.
    iterations : int
        Of the second order: largest number of conjugate-gradient iterations.
    tolerance : float
        Of the second order: relative residual at which the solve ends.
    """

    guarantee: ClassVar[Guarantee] = "approximate"
    summary: ClassVar[str] = "a first- or second-order step from rows as they were to the same rows corrected, of all or the last layers"
    source: ClassVar[str] = "Warnecke, Pirch, Wressnegger, Rieck, Machine Unlearning of Features and Labels, NDSS 2023"

    kind: Literal["features_labels"] = "features_labels"
    order: Literal["first", "second"] = "second"
    tau: PositiveFloat | None = None
    layers: PositiveInt | None = None
    damping: NonNegativeFloat = 1e-2
    iterations: Iterations = 100
    tolerance: Annotated[float, Setting(gt=0, lt=1)] = 1e-6

    @model_validator(mode="after")
    def _acts(self) -> Self:
        idle = ("tau",) if self.order == "second" else ("iterations", "tolerance", *(("damping",) if self.tau is not None else ()))
        if named := [name for name in idle if getattr(self, name) != type(self).model_fields[name].default]:
            raise ValueError(f"{named[0]} = {getattr(self, named[0]):g} acts on no {_IDLE[self.order]}: leave it out")
        return self

    def misfit(self, base: ModelSpec) -> str | None:
        """Return an error line for a network of fewer layers."""
        return self.beyond(self.layers, base)

    def curvature(self, weights: Arrays, learning: Learning) -> Curvature:
        """Return the parameters of the layers that may move, with the loss's derivatives."""
        from clients.unlearning.general.curvature import Curvature

        return Curvature(learning.network, weights, learning.training, self.layers)

    def step(self, curvature: Curvature, rows: Asked, learning: Learning, key: tuple[Field, ...]) -> list[str]:
        """Take the step; return notes."""
        return [*self._moved(curvature, rows), *self._folded(curvature, rows, learning.complete)]

    def reply(self, rows: Local, learning: Learning, key: tuple[Field, ...], question: Arrays) -> Arrays:
        """Return in how many rows each column was corrected, and its sum, or its spread; else as any step of sums."""
        from clients.unlearning.general import constant_columns

        if _AROUND in question:
            return {_SPREAD: constant_columns.spread(rows.retain, question[_AROUND])}
        if _CHANGED not in question:
            return super().reply(rows, learning, key, question)
        return {_CHANGED: constant_columns.changed(rows.forget, rows.retain), _TOTALS: constant_columns.totals(rows.retain)}

    def _folded(self, curvature: Curvature, rows: Asked, complete: bool) -> list[str]:
        """Take the weights of columns that corrections have made the same in all rows out of use; return notes."""
        from clients.unlearning.general import constant_columns

        found = rows.asked({_CHANGED: np.array(1)})
        if not rows.retained or not found[_CHANGED].any():
            return []
        means = found[_TOTALS] / rows.retained
        same = constant_columns.same(means, rows.asked({_AROUND: means})[_SPREAD], rows.retained) & (found[_CHANGED] > 0)
        if not same.any():
            return []
        if not complete:
            return [f"columns that are the same in all rows of those present: {int(same.sum())}, {_AWAY}"]
        done = constant_columns.fold(curvature.module, curvature.network, same, means)
        return [f"columns that are the same in all rows now: {int(same.sum())}, {_OUT if done else _ACTS}"]

    def _moved(self, curvature: Curvature, rows: Asked) -> list[str]:
        """Move the parameters; return notes."""
        change = rows.gradient()
        if not change.any():
            return ["the rows' gradients are the same as before: nothing was moved"]
        if self.order == "first" and self.tau is not None:
            curvature.move(self.tau * change)
            return [f"a step of length {self.tau:g}"]
        if self.order == "first":
            length, tried = self._descended(curvature, rows, change)
            moved = f"a step of length {length:.3g}" if length else "no step along the change makes the gradient smaller: nothing was moved"
            return [moved, f"{COST_NOTE}{tried} lengths tried"]
        told, before = list[str](), float(rows.kept().norm())
        solved = rows.solved(change, "hessian", self.damping, self.tolerance, self.iterations)
        if solved.negative:
            told = ["the Hessian is negative along some direction: its Gauss-Newton part was used"]
            solved = rows.solved(change, "gauss_newton", self.damping, self.tolerance, self.iterations)
        curvature.move(solved.trusted(self.kind).x)
        if (after := float(rows.kept().norm())) > before:
            told.append(f"the gradient on the corrected rows grew from {before:.2g} to {after:.2g}: the step leads away from their optimum")
        return [*told, f"{COST_NOTE}{solved.iterations} conjugate-gradient iterations, relative residual {solved.residual:.1g}"]

    def _descended(self, curvature: Curvature, rows: Asked, change: Tensor) -> tuple[float, int]:
        """Move along a change as far as the gradient on the corrected rows becomes smaller; return the length and the number of trials.

        The first length is the one at the minimum of the loss's Gauss-Newton model along the change, if the change is its gradient.
        """
        begin, size = curvature.flat(), float(rows.kept().norm())
        length = float(change @ change / (change @ rows.product(change, "gauss_newton") + self.damping * rows.count * (change @ change)))

        def tried(length: float) -> float:
            curvature.put(begin + length * change)
            return float(rows.kept().norm())

        best, found = 0.0, tried(length)
        factor, trials = (2.0 if found < size else 0.5), 1
        while trials < _TRIALS:
            if found < size:
                best, size = length, found
            elif best or factor > 1:
                break
            length, trials = factor * length, trials + 1
            found = tried(length)
        curvature.put(begin + best * change)
        return best, trials
