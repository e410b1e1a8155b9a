"""Selective synaptic dampening: weights that matter to the rows to forget more than to all are made smaller."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import NonNegativeFloat, PositiveFloat

from clients.data.rows import Rows
from clients.training import Arrays
from clients.unlearning.deep.contract import Deep
from clients.unlearning.general.contract import Learning

if TYPE_CHECKING:
    from clients.unlearning.deep.student import Student


class SelectiveDampening(Deep):
    """Where ``I_f > alpha I``, multiplies the weight by ``min(lam I / I_f, 1)``; nothing is trained.

    ``I_f`` and ``I`` are the importances of a weight, means of squared gradients of single rows, for the rows to forget and for all.

    Parameters
    ----------
    alpha : float
        How much more important a weight must be for the rows to forget. I contains I_f, so that rows which are a share s of
        all never reach 1 / s: the paper's 10 does nothing to one class of ten.
    lam : float
        Strength of what is left of a weight; 0 sets it to zero.
    """

    totals_suffice: ClassVar[bool] = True
    summary: ClassVar[str] = "makes the weights smaller that matter more to what must go than to all rows; trains nothing"
    source: ClassVar[str] = "Foster, Schoepf and Brintrup, Fast Machine Unlearning without Retraining, AAAI 2024, arXiv 2308.07707"

    kind: Literal["ssd"] = "ssd"
    alpha: PositiveFloat = 1.0
    lam: NonNegativeFloat = 1.0

    def measure(self, weights: Arrays, learning: Learning, forget: Rows, retain: Rows) -> Arrays:
        """Return the sums over rows of squared gradients, and the numbers of rows."""
        from clients.unlearning.deep.importance import squares

        return squares(weights, learning, {"forget": forget, "retain": retain})

    def change(self, student: Student, forget: Rows, retain: Rows, totals: Arrays) -> None:
        """Dampen the student's weights."""
        import torch

        from clients.unlearning.deep.importance import mean

        changed = 0
        for name, parameter in student.module.named_parameters():
            own, whole = mean(totals, name, "forget"), mean(totals, name, "forget", "retain")
            chosen = own > self.alpha * whole
            factor = (self.lam * whole / own.clamp(min=1e-300)).clamp(max=1.0)
            changed += int(chosen.sum())
            with torch.no_grad():
                dampened = (parameter.double() * factor.to(parameter.device)).to(parameter.dtype)
                parameter.copy_(torch.where(chosen.to(parameter.device), dampened, parameter))
        student.notes.append(f"{changed} weights dampened")
