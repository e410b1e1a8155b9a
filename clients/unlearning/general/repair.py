"""Repair: rows are erased from the normal approximation of the weights' posterior."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import NonNegativeFloat

from clients.data.rows import Rows
from clients.iterations import Iterations
from clients.passes import Meter
from clients.streams import Field
from clients.training import Arrays
from clients.unlearning.contract import COST_NOTE, Cost, Guarantee, Outcome
from clients.unlearning.general.contract import Learning, MethodSpec, passes

if TYPE_CHECKING:
    from torch import Tensor

    from clients.unlearning.general.curvature import Curvature
    from clients.unlearning.general.posterior import DiagonalPrecision, Precision


class Repair(MethodSpec):
    """Divides the rows' likelihood out of a normal approximation of the weights' posterior, whose precision is a Fisher information.

    What the audit ``causes`` finds is erased by it. Deleting wrong rows improves a model, deleting right but rare ones harms it.

    Parameters
    ----------
    form : {"steps", "one_step"}
        Steps towards the new mode with the rows' exact loss, or one step with their loss expanded at the trained weights.
    steps : int
        Largest number of steps; they end earlier if they grow.
    fisher : {"full", "diagonal"}
        Precision: the whole matrix by its products, or the diagonal alone. That ignores correlations of weights, and where they are strong
        its steps are far too long.
    labels : {"sampled", "data"}
        Labels of the diagonal: drawn from the model (Fisher information) or the rows' own (empirical Fisher information).
    damping : float
        Added to the precision, as a multiple of the mean of its diagonal.
    """

    guarantee: ClassVar[Guarantee] = "approximate"
    by_peers: ClassVar[bool] = True
    summary: ClassVar[str] = "takes rows out of a normal approximation of the posterior; the audit causes names the rows"
    source: ClassVar[str] = "Tanno et al., Repairing Neural Networks by Leaving the Right Past Behind, NeurIPS 2022, arXiv 2207.04806"

    kind: Literal["repair"] = "repair"
    form: Literal["steps", "one_step"] = "steps"
    steps: Iterations = 10
    fisher: Literal["full", "diagonal"] = "full"
    labels: Literal["sampled", "data"] = "sampled"
    damping: NonNegativeFloat = 1e-3

    def unshared(self) -> str | None:
        """Return that the whole matrix is no sum that peers can send."""
        whole = "solves with the whole Fisher information of all peers' rows, which no peer has"
        return f"{whole}: set fisher = 'diagonal', whose sums peers add" if self.fisher == "full" else None

    def apply(self, weights: Arrays, learning: Learning, forget: Rows, retain: Rows, key: tuple[Field, ...]) -> tuple[Arrays, Outcome]:
        """Return the weights at the new mode; those before any training, which is exact, if no row is kept."""
        from clients.unlearning.general.curvature import Curvature

        if not len(retain):
            return learning.initial(), Outcome(Cost(parts=1), "exact")
        with Meter() as meter:
            precision = self.precision(Curvature(learning.network, weights, learning.training), [retain], forget, key)
            weights, steps, notes = self._moved(weights, learning, forget, precision)
        told = (*notes, *_solves(precision), passes(meter.rows, len(forget) + len(retain)))
        return weights, Outcome(Cost(gradient_steps=steps, parts=1), self.guarantee, notes=told)

    def measure(self, weights: Arrays, learning: Learning, forget: Rows, retain: Rows) -> Arrays:
        """Return the Fisher's diagonals of these rows, with their shares of the prior, and the numbers of rows."""
        from clients.unlearning.general.curvature import Curvature
        from clients.unlearning.general.posterior import squares

        curvature, found = Curvature(learning.network, weights, learning.training), Arrays()
        for part, rows in (("forget", forget), ("retain", retain)):
            diagonal = squares(curvature, rows, self.labels, (*learning.key, "fisher")) + curvature.decay * len(rows)
            found |= {f"{part}/fisher": diagonal.cpu().numpy(), f"{part}/#": np.array(len(rows))}
        return found

    def carry_out(
        self, weights: Arrays, learning: Learning, forget: Rows, retain: Rows, key: tuple[Field, ...], totals: Arrays
    ) -> tuple[Arrays, Outcome]:
        """Do what ``apply`` does with the diagonal, given the diagonals of all peers' rows; its own rows alone leave by this step."""
        import torch

        from clients.unlearning.general.posterior import DiagonalPrecision

        if not int(totals["retain/#"]):
            return learning.initial(), Outcome(Cost(parts=1), "exact")
        kept, gone = (torch.from_numpy(totals[f"{part}/fisher"]) for part in ("retain", "forget"))
        weights, steps, notes = self._moved(weights, learning, forget, DiagonalPrecision(kept, gone, self.damping))
        return weights, Outcome(Cost(gradient_steps=steps, parts=1), self.guarantee, notes=notes)

    def _moved(
        self, weights: Arrays, learning: Learning, forget: Rows, precision: Precision | DiagonalPrecision
    ) -> tuple[Arrays, int, tuple[str, ...]]:
        """Return the weights at the new mode, the steps that led there, and notes."""
        from clients.unlearning.general.curvature import Curvature
        from clients.unlearning.general.posterior import stepwise

        curvature = Curvature(learning.network, weights, learning.training)
        if self.form == "one_step":
            curvature.move(precision.solve_kept(curvature.gradient(forget)))
            return curvature.weights(), 0, (f"{COST_NOTE}one step",)
        moving = Curvature(learning.network, weights, learning.training)  # products stay at the trained weights, gradients do not

        def gradient(at: Tensor) -> Tensor:
            moving.move(at - moving.flat())
            return moving.gradient(forget)

        found = stepwise(curvature.flat(), precision.solve, gradient, self.steps)
        curvature.move(found.weights - curvature.flat())
        notes = (f"ended after {found.steps} steps: the next would have been longer than the last",) if found.grew else ()
        return curvature.weights(), found.steps, notes

    def precision(self, curvature: Curvature, kept: Sequence[Rows], gone: Rows, key: tuple[Field, ...]) -> Precision:
        """Return the precision of the weights given all rows, and given those that are kept."""
        from clients.unlearning.general.posterior import Precision

        return Precision(curvature, kept, gone, self.fisher, self.labels, self.damping, key)


def _solves(precision: Precision) -> tuple[str, ...]:
    """Return how well the linear systems were solved, in a line; none for diagonals, which need no solver."""
    return () if precision.fisher == "diagonal" else (f"largest relative residual of a solve {precision.residual:.1g}",)
