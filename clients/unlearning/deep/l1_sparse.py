"""Fine-tuning with a penalty on absolute weights that fades out."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import NonNegativeFloat

from clients.data.rows import Rows
from clients.training import Adam, Arrays, Optimizer
from clients.unlearning.deep.contract import Descending

if TYPE_CHECKING:
    from torch import Tensor

    from clients.unlearning.deep.student import Student


class L1Sparse(Descending):
    """Trains on with what is kept and ``gamma_t |w|_1``, where gamma_t falls linearly to 0 over the epochs.

    Parameters
    ----------
    gamma : float
        Weight of the penalty in the first epoch; with 0 it is further training without the rows to forget.
    """

    summary: ClassVar[str] = "trains on with what is kept and a penalty on absolute weights that fades out"
    source: ClassVar[str] = "Jia et al., Model Sparsity Can Simplify Machine Unlearning, NeurIPS 2023, arXiv 2304.04934"

    kind: Literal["l1_sparse"] = "l1_sparse"
    optimizer: Optimizer = Adam(lr=1e-2)
    gamma: NonNegativeFloat = 1e-3

    def change(self, student: Student, forget: Rows, retain: Rows, totals: Arrays) -> None:
        """Train on the retained rows with the penalty."""
        from clients.unlearning.deep.losses import weighted

        kept = student.load("retain", retain)
        with student.descent(self) as descent:
            for number in range(self.epochs):
                gamma = self.gamma * (1 - number / self.epochs)

                def objective(x: Tensor, y: Tensor, gamma: float = gamma) -> Tensor:
                    loss = student.cross_entropy(x, y)
                    if not gamma:
                        return loss
                    return weighted([(1.0, loss), *((gamma, parameter.abs().sum()) for parameter in descent.parameters)])

                student.epoch(descent, number, kept, objective)
