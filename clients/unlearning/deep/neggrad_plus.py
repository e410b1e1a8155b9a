"""NegGrad+: descent on the retained rows and ascent on those to forget, in one loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field as Setting

from clients.data.rows import Rows
from clients.training import Adam, Arrays, Optimizer
from clients.unlearning.deep.contract import Descending

if TYPE_CHECKING:
    from torch import Tensor

    from clients.unlearning.deep.student import Student


class NegGradPlus(Descending):
    """Lowers ``alpha L(retain) - (1 - alpha) L(forget)``, with one batch of each in every step, those to forget over and over.

    Parameters
    ----------
    alpha : float
        Weight of the retained rows, in [0, 1]; 1 is further training without the rows to forget.
    """

    summary: ClassVar[str] = "descends on what is kept and ascends on what must go, in one loss"
    source: ClassVar[str] = "Kurmanji et al., Towards Unbounded Machine Unlearning, NeurIPS 2023, arXiv 2302.09880"

    kind: Literal["neggrad_plus"] = "neggrad_plus"
    optimizer: Optimizer = Adam(lr=6e-4)
    alpha: Annotated[float, Setting(ge=0, le=1)] = 0.95

    def change(self, student: Student, forget: Rows, retain: Rows, totals: Arrays) -> None:
        """Change the student's weights; with ``alpha = 1`` the rows to forget are not read."""
        from torch.nn.functional import cross_entropy

        from clients.unlearning.deep.losses import weighted

        kept = student.load("retain", retain)
        with student.descent(self) as descent:
            gone = student.cycled(descent, student.load("forget", forget)) if self.alpha < 1 else None

            def objective(x: Tensor, y: Tensor) -> Tensor:
                terms = [(self.alpha, cross_entropy(student.module(x), y))]
                if gone is not None:
                    inputs, classes = next(gone)
                    terms.append((self.alpha - 1, cross_entropy(student.module(inputs), classes)))
                return weighted(terms)

            for number in range(self.epochs):
                student.epoch(descent, number, kept, objective)
