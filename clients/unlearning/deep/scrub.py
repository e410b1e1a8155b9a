"""SCRUB: a student leaves its teacher on the rows to forget, and follows it on the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field as Setting
from pydantic import NonNegativeFloat, PositiveFloat

from clients.data.rows import Rows
from clients.iterations import IterationsFromZero
from clients.training import Adam, Arrays, Descent, Optimizer
from clients.unlearning.deep.contract import Descending

if TYPE_CHECKING:
    from torch import Tensor

    from clients.unlearning.deep.student import Examples, Student


class Scrub(Descending):
    """Raises the divergence from the network as it was on the rows to forget, and lowers divergence and cross-entropy on those retained.

    With ``rewind`` (SCRUB+R) the weights after that epoch are returned whose error on the rows to forget is nearest to it.

    Parameters
    ----------
    msteps : int
        So many first epochs begin with a pass that raises the divergence on the rows to forget.
    alpha, gamma : float
        Weights of divergence and cross-entropy on the retained rows.
    temperature : float
        Temperature of the divergence.
    rewind : float, optional
        Share of wrong answers, in [0, 1], that rows of the same classes get which nobody trained on.
    """

    summary: ClassVar[str] = "leaves a frozen copy of itself on what must go, and follows it on the rest"
    source: ClassVar[str] = "Kurmanji et al., Towards Unbounded Machine Unlearning, NeurIPS 2023, arXiv 2302.09880"

    kind: Literal["scrub"] = "scrub"
    optimizer: Optimizer = Adam(lr=4e-2)
    msteps: IterationsFromZero = 2
    alpha: NonNegativeFloat = 0.5
    gamma: PositiveFloat = 1.0
    temperature: PositiveFloat = 2.0
    rewind: Annotated[float, Setting(ge=0, le=1)] | None = None

    def change(self, student: Student, forget: Rows, retain: Rows, totals: Arrays) -> None:
        """Change the student's weights; the rows to forget are read only if they are needed."""
        kept = student.load("retain", retain)
        wanted, after = student.logits(kept), []
        gone = student.load("forget", forget) if self.msteps or self.rewind is not None else None
        left = None if gone is None else student.logits(gone)
        with student.descent(self) as descent:
            for number in range(self.epochs):
                if gone is not None and left is not None and number < self.msteps:
                    self._raise(student, descent, number, gone, left)
                self._lower(student, descent, number, kept, wanted)
                if self.rewind is not None:
                    after.append(student.weights())
        if after and gone is not None and self.rewind is not None:
            student.rewind(after, gone, self.rewind)

    def _raise(self, student: Student, descent: Descent, number: int, gone: Examples, teacher: Tensor) -> None:
        from clients.unlearning.deep.losses import divergence

        def objective(x: Tensor, y: Tensor, wanted: Tensor) -> Tensor:
            return -divergence(student.module(x), wanted, self.temperature)

        student.epoch(descent, number, gone, objective, teacher)

    def _lower(self, student: Student, descent: Descent, number: int, kept: Examples, teacher: Tensor) -> None:
        from torch.nn.functional import cross_entropy

        from clients.unlearning.deep.losses import divergence, weighted

        def objective(x: Tensor, y: Tensor, wanted: Tensor) -> Tensor:
            logits = student.module(x)
            terms = [(self.gamma, cross_entropy(logits, y))]
            if self.alpha:
                terms.append((self.alpha, divergence(logits, wanted, self.temperature)))
            return weighted(terms)

        student.epoch(descent, number, kept, objective, teacher)
