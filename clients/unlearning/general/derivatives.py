"""The derivatives that a step of influence needs: of rows in one place, or summed over peers that a server asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from clients.data.rows import Rows
from clients.training import Arrays

if TYPE_CHECKING:
    from torch import Tensor

    from clients.unlearning.general.curvature import Curvature, Products

COUNT, RETAINED, SUM = "count", "retained", "sum"
"""Names, in an answer, of the number of rows in the Hessian, of rows retained, and of the sum that was asked for."""
_AT, _DIRECTION, _PRODUCTS = "at", "direction", "gauss_newton"

Ask = Callable[[Arrays], Arrays]
"""Returns the sums over peers of their answers to a question."""


class Derivatives(Protocol):
    """Derivatives of the loss where the parameters are now, as sums over rows."""

    def gradient(self) -> Tensor:
        """Return the gradient of the rows to forget less that of the same rows corrected, if they stay; flat, float64 (k,)."""

    def product(self, direction: Tensor, products: Products) -> Tensor:
        """Return the Hessian, or its Gauss-Newton part, times a direction, flat, float64 (k,)."""

    @property
    def count(self) -> int:
        """Number of rows whose Hessian it is; known once the gradient is."""


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

    def __init__(self, curvature: Curvature, forget: Rows, retain: Rows, hessian: Literal["remaining", "all"]) -> None:
        self.curvature, self.forget, self.retain = curvature, forget, retain
        self.parts = (retain,) if hessian == "remaining" else (retain.without(forget.ids), forget)

    @property
    def count(self) -> int:
        """Number of rows whose Hessian it is."""
        return sum(map(len, self.parts))

    def gradient(self) -> Tensor:
        """Return the gradient; see `Derivatives`."""
        again = self.retain.only(self.forget.ids)
        wrong = self.curvature.gradient(self.forget)
        return wrong - self.curvature.gradient(again) if len(again) else wrong

    def product(self, direction: Tensor, products: Products) -> Tensor:
        """Return the product; see `Derivatives`."""
        found = 0 * direction
        for rows in self.parts:
            found = found + self.curvature.product(rows, direction, products)
        return found

    def answer(self, question: Arrays) -> Arrays:
        """Return what a server asks for at its parameters: the gradient, or the product with its direction, and numbers of rows."""
        import torch

        self.curvature.put(torch.from_numpy(question[_AT]))
        if _DIRECTION in question:
            direction = torch.from_numpy(question[_DIRECTION]).to(self.curvature.flat())
            found = self.product(direction, "gauss_newton" if int(question[_PRODUCTS]) else "hessian")
        else:
            found = self.gradient()
        return {SUM: found.cpu().numpy(), COUNT: np.array(self.count), RETAINED: np.array(len(self.retain))}


class Asked:
    """Derivatives as sums over the rows of peers, which answer for their own.

    Parameters
    ----------
    curvature : Curvature
        Has the parameters.
    ask : callable
        Asks the peers.

    Attributes
    ----------
    count, retained : int
        Rows in the Hessian, and rows retained, of all peers; known once the gradient is.
    exchanges : int
        Questions asked.
    """

    def __init__(self, curvature: Curvature, ask: Ask) -> None:
        self.curvature, self.ask = curvature, ask
        self.count = self.retained = self.exchanges = 0

    def gradient(self) -> Tensor:
        """Return the gradient; see `Derivatives`."""
        return self._asked({})

    def product(self, direction: Tensor, products: Products) -> Tensor:
        """Return the product; see `Derivatives`."""
        return self._asked({_DIRECTION: direction.cpu().numpy(), _PRODUCTS: np.array(int(products == "gauss_newton"))})

    def _asked(self, question: Arrays) -> Tensor:
        import torch

        found = self.ask({_AT: self.curvature.flat().cpu().numpy(), **question})
        self.exchanges += 1
        self.count, self.retained = int(found[COUNT]), int(found[RETAINED])
        return torch.from_numpy(found[SUM]).to(self.curvature.flat())
