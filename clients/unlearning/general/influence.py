"""Influence functions: the effect of rows on trained weights, taken out by linear solves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field as Setting
from pydantic import NonNegativeFloat, PositiveInt

from clients.data.rows import Rows
from clients.streams import Field
from clients.training import Arrays
from clients.unlearning.contract import COST_NOTE, Cost, Guarantee, Outcome
from clients.unlearning.general.contract import Learning, MethodSpec

if TYPE_CHECKING:
    from torch import Tensor

    from clients.unlearning.general.curvature import Curvature, Products, Solution


class Influence(MethodSpec):
    """Adds ``(H + damping n I)^-1 g`` to the weights: H the Hessian of the loss, g the gradient of the rows to forget, both sums over rows.

    To first order in the share of the rows this is training without them, if the weights are at an optimum and the loss is convex; of deep
    networks nothing is known of the distance.

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
    iterations: PositiveInt = 100
    tolerance: Annotated[float, Setting(gt=0, lt=1)] = 1e-6

    def apply(self, weights: Arrays, learning: Learning, forget: Rows, retain: Rows, key: tuple[Field, ...]) -> tuple[Arrays, Outcome]:
        """Return the weights after the step; those before any training, which is exact, if no row is kept."""
        from clients.unlearning.general.curvature import Curvature

        if not len(retain):
            return learning.initial(), Outcome(Cost(parts=1), "exact")
        curvature, told = Curvature(learning.network, weights, learning.training), []
        found = self._solve(curvature, forget, retain, self.products)
        if found.negative:
            told.append("the Hessian is negative along some direction: its Gauss-Newton part was used")
            found = self._solve(curvature, forget, retain, "gauss_newton")
        told.append(f"{COST_NOTE}{found.iterations} conjugate-gradient iterations, relative residual {found.residual:.1g}")
        curvature.move(found.x)
        return curvature.weights(), Outcome(Cost(parts=1), self.guarantee, notes=tuple(told))

    def _solve(self, curvature: Curvature, forget: Rows, retain: Rows, products: Products) -> Solution:
        """Return the influence of all rows to forget together, with its sign turned."""
        from clients.unlearning.general.curvature import conjugate_gradients

        parts = (retain,) if self.hessian == "remaining" else (retain, forget)
        damping = self.damping * sum(map(len, parts))

        def product(direction: Tensor) -> Tensor:
            found = damping * direction
            for rows in parts:
                found = found + curvature.product(rows, direction, products)
            return found

        return conjugate_gradients(product, curvature.gradient(forget), self.tolerance, self.iterations)
