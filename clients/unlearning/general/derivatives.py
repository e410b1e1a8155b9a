"""The derivatives that a step of influence needs: of rows that are here, and as sums that are asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import numpy as np

from clients.data.rows import Rows
from clients.training import Arrays

if TYPE_CHECKING:
    from torch import Tensor

    from clients.unlearning.general.curvature import Curvature, Products, Solution

COUNT, RETAINED, SUM = "count", "retained", "sum"
"""Names, in an answer, of the number of rows in the Hessian, of rows retained, and of the sum that was asked for."""
AT = "at"
"""Name, in a question, of the parameters at which derivatives are taken."""
_DIRECTION, _PRODUCTS, _KEPT = "direction", "gauss_newton", "kept"

Ask = Callable[[Arrays], Arrays]
"""Returns the sums over peers of their answers to a question."""


class Local:
    """Derivatives of rows that are here.

    Parameters
    ----------
    curvature : Curvature
        Has the parameters.
    forget, retain : Rows
        Rows that are corrected are among both, as they were and as they are (Warnecke et al., NDSS 2023).
    hessian : {"remaining", "all"}
        Whether the Hessian is that of the retained rows, or of all as they were.
    """

    def __init__(self, curvature: Curvature, forget: Rows, retain: Rows, hessian: Literal["remaining", "all"] = "remaining") -> None:
        self.curvature, self.forget, self.retain = curvature, forget, retain
        self.parts = (retain,) if hessian == "remaining" else (retain.without(forget.ids), forget)

    @property
    def count(self) -> int:
        """Number of rows whose Hessian it is."""
        return sum(map(len, self.parts))

    def gradient(self) -> Tensor:
        """Return the gradient of the rows to forget less that of the same rows corrected, if they stay; flat, float64 (k,)."""
        again = self.retain.only(self.forget.ids)
        wrong = self.curvature.gradient(self.forget)
        return wrong - self.curvature.gradient(again) if len(again) else wrong

    def product(self, direction: Tensor, products: Products) -> Tensor:
        """Return the Hessian, or its Gauss-Newton part, times a direction, flat, float64 (k,)."""
        found = 0 * direction
        for rows in self.parts:
            found = found + self.curvature.product(rows, direction, products)
        return found

    def answer(self, question: Arrays) -> Arrays:
        """Return what is asked for at the parameters: a gradient, or the product with a direction, and numbers of rows."""
        import torch

        if _DIRECTION in question:
            direction = torch.from_numpy(question[_DIRECTION]).to(self.curvature.flat())
            found = self.product(direction, "gauss_newton" if int(question[_PRODUCTS]) else "hessian")
        elif _KEPT in question:
            found = self.curvature.gradient(self.retain)
        else:
            found = self.gradient()
        return {SUM: found.cpu().numpy()}

    def counts(self) -> Arrays:
        """Return the numbers of rows that every answer tells."""
        return {COUNT: np.array(self.count), RETAINED: np.array(len(self.retain))}


class Asked:
    """Derivatives that are sums over rows, of one place or of many peers, which answer for their own.

    Parameters
    ----------
    curvature : Curvature
        Has the parameters.
    ask : callable
        Asks for sums.

    Attributes
    ----------
    count, retained : int
        Rows in the Hessian, and rows retained, of all that answer; known once something has been asked.
    exchanges : int
        Questions asked.
    """

    def __init__(self, curvature: Curvature, ask: Ask) -> None:
        self.curvature, self._ask = curvature, ask
        self.count = self.retained = self.exchanges = 0

    def gradient(self) -> Tensor:
        """Return the gradient of the rows to forget less that of the same rows corrected, if they stay; flat, float64 (k,)."""
        return self.sum({})

    def kept(self) -> Tensor:
        """Return the gradient of the retained rows, flat, float64 (k,)."""
        return self.sum({_KEPT: np.array(1)})

    def product(self, direction: Tensor, products: Products) -> Tensor:
        """Return the Hessian, or its Gauss-Newton part, times a direction, flat, float64 (k,)."""
        return self.sum({_DIRECTION: direction.cpu().numpy(), _PRODUCTS: np.array(int(products == "gauss_newton"))})

    def sum(self, question: Arrays) -> Tensor:
        """Return the sum that is asked for, at the present parameters."""
        import torch

        return torch.from_numpy(self.asked(question)[SUM]).to(self.curvature.flat())

    def asked(self, question: Arrays) -> Arrays:
        """Return the answer to a question at the present parameters."""
        found = self._ask({AT: self.curvature.flat().cpu().numpy(), **question})
        self.exchanges += 1
        self.count, self.retained = int(found[COUNT]), int(found[RETAINED])
        return found

    def solved(self, right: Tensor, products: Products, damping: float, tolerance: float, iterations: int) -> Solution:
        """Return ``(H + damping n I)^-1 right`` by conjugate gradients; ``n`` is the number of rows in the Hessian."""
        from clients.unlearning.general.curvature import conjugate_gradients

        added = damping * max(1, self.count)
        return conjugate_gradients(lambda v: added * v + self.product(v, products), right, tolerance, iterations)
