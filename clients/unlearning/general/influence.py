"""Influence functions: the effect of rows on trained weights, taken out by linear solves."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field as Setting
from pydantic import NonNegativeFloat, PositiveFloat

from clients.data.rows import Rows
from clients.iterations import Iterations
from clients.streams import Field
from clients.unlearning.contract import COST_NOTE, Guarantee, UnlearningError
from clients.unlearning.general.contract import Learning
from clients.unlearning.general.step_of_sums import StepOfSums
from clients.unlearning.noise import Noise

if TYPE_CHECKING:
    from torch import Tensor

    from clients.unlearning.general.curvature import Curvature, Products, Solution
    from clients.unlearning.general.derivatives import Asked, Local

_ITERATIONS = {"conjugate_gradients": "conjugate-gradient", "lissa": "LiSSA"}


class Influence(StepOfSums):
    """Adds ``(H + damping n I)^-1 g`` to the weights: H the Hessian of the loss, g the gradient of the rows to forget, both sums over rows.

    To first order in the share of the rows this is training without them, if the weights are at an optimum and the loss is convex; of deep
    networks nothing is known of the distance. Of rows that are corrected, g is the gradient of the rows as they were less that of the rows
    as they are, which is the second-order step of Warnecke et al. (Machine Unlearning of Features and Labels, NDSS 2023).

    An averaging server takes the step on the global model: H v and g are sums over the peers that are present, which it asks for.

    Parameters
    ----------
    hessian : {"remaining", "all"}
        Rows whose Hessian is used: those that are kept, as in Newton's method, or all, as in the infinitesimal jackknife.
    products : {"hessian", "gauss_newton"}
        The Hessian itself, or its part that is never negative. Where the Hessian turns out to be negative along some direction, the other
        takes its place, and the outcome says so.
    damping : float
        Added to the Hessian, per row of its.
    iterations : int
        Largest number of conjugate-gradient iterations of a solve.
    tolerance : float
        Relative residual at which a solve ends.
    solver : {"conjugate_gradients", "lissa"}
        How a solve is done: by conjugate gradients, or by the series of LiSSA, which has to be told a ``scale`` and takes more iterations.
    scale : float
        Of LiSSA: above half the largest eigenvalue of the mean Hessian and the damping; where it is not, the request is refused.
    steps : int
        Into how many steps the adjustment is divided, each with derivatives where the one before has led.
    optimizer : {"none", "adam", "rmsprop"}
        Whether a step is the solution itself, in equal parts, or the solution is given to an optimiser in place of a gradient.
    lr : float
        Learning rate of ``adam`` and ``rmsprop``.
    noise : table, optional
        Noise on the result. The sensitivity of a deep network is unknown, so what it hides of one is not proven.
    """

    guarantee: ClassVar[Guarantee] = "approximate"
    summary: ClassVar[str] = "one linear solve with the Hessian takes out what the rows did to the weights, to first order"
    source: ClassVar[str] = (
        "Koh and Liang, Understanding Black-box Predictions via Influence Functions, ICML 2017; Xu et al. 2024, arXiv 2308.07061"
    )

    kind: Literal["influence"] = "influence"
    hessian: Literal["remaining", "all"] = "remaining"
    products: Literal["hessian", "gauss_newton"] = "hessian"
    damping: NonNegativeFloat = 1e-2
    iterations: Iterations = 100
    tolerance: Annotated[float, Setting(gt=0, lt=1)] = 1e-6
    # the following are left out where they are not set, so that plans from before they existed keep their hash
    solver: Literal["conjugate_gradients", "lissa"] = Setting("conjugate_gradients", exclude_if=lambda solver: solver != "lissa")
    scale: PositiveFloat = Setting(10.0, exclude_if=lambda scale: scale == 10.0)
    steps: Iterations = Setting(1, exclude_if=lambda steps: steps == 1)
    optimizer: Literal["none", "adam", "rmsprop"] = Setting("none", exclude_if=lambda optimizer: optimizer == "none")
    lr: PositiveFloat = Setting(1e-3, exclude_if=lambda lr: lr == 1e-3)
    noise: Noise | None = Setting(None, exclude_if=lambda noise: noise is None)

    def local(self, curvature: Curvature, forget: Rows, retain: Rows) -> Local:
        """Return the derivatives of rows that are here, with the Hessian of the rows that ``hessian`` names."""
        from clients.unlearning.general.derivatives import Local

        return Local(curvature, forget, retain, self.hessian)

    def step(self, curvature: Curvature, rows: Asked, learning: Learning, key: tuple[Field, ...]) -> list[str]:
        """Adjust the parameters; return notes."""
        from clients.unlearning.general.curvature import adjusting

        told, iterations, residual = list[str](), 0, 0.0
        adjust = adjusting(self.optimizer, self.lr, self.steps)
        for _ in range(self.steps):
            right = rows.gradient()
            found = self._solve(rows, right, self.products)
            if found.negative or (self.products == "hessian" and not math.isfinite(found.residual)):
                why = "the Hessian is negative along some direction" if found.negative else "LiSSA diverges with the Hessian"
                told = [f"{why}: its Gauss-Newton part was used"]
                found = self._solve(rows, right, "gauss_newton")
            if not math.isfinite(found.residual):
                raise UnlearningError(f"influence: LiSSA diverges with scale = {self.scale:g}: take a larger one, or conjugate_gradients")
            iterations, residual = iterations + found.iterations, max(residual, found.residual)
            curvature.move(adjust(found.trusted(self.kind).x))
        told.append(f"{COST_NOTE}{iterations} {_ITERATIONS[self.solver]} iterations, relative residual {residual:.1g}")
        if self.noise is not None:
            told.append(self._hide(curvature, self.noise, key))
        return told

    def _hide(self, curvature: Curvature, noise: Noise, key: tuple[Field, ...]) -> str:
        """Add noise to the parameters; return what it means, in a line."""
        import torch

        curvature.move(torch.tensor(noise.draw(len(curvature.flat()), *key, "noise")))
        told = f"noise of scale {noise.scale:.3g} for an assumed sensitivity of {noise.sensitivity:g}"
        return f"{told}: epsilon {noise.epsilon:g}, delta {noise.delta:g} are heuristic, nothing is proven"

    def _solve(self, rows: Asked, right: Tensor, products: Products) -> Solution:
        """Return the influence of all rows to forget together, with its sign turned."""
        from clients.unlearning.general.curvature import lissa

        if self.solver == "lissa":  # its scale is one of means
            count = max(1, rows.count)
            by = right / count
            return lissa(lambda v: rows.product(v, products) / count, by, self.damping, self.scale, self.tolerance, self.iterations)
        return rows.solved(right, products, self.damping, self.tolerance, self.iterations)
