"""Gradient ascent on the rows to forget, within bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import PositiveFloat

from clients.data.rows import Rows
from clients.iterations import IterationsFromZero
from clients.training import Adam, Arrays, Optimizer
from clients.unlearning.deep.contract import Descending

if TYPE_CHECKING:
    from torch import Tensor

    from clients.unlearning.deep.student import Student


class GradientAscent(Descending):
    """Raises the loss of the rows to forget until it reaches ``until``, by steps of bounded length; never reads the others.

    Parameters
    ----------
    until : float
        Mean loss of the rows to forget at which it ends, in nats. Take that of rows nobody trained on: the usual value is a guess for
        accurate classifiers, and where the loss is that high already nothing is done, which the outcome says.
    clip : float
        Largest norm of a step's gradient.
    """

    summary: ClassVar[str] = "ascends on what must go until its loss is that of unseen rows; plain ascent would not end"
    source: ClassVar[str] = "common baseline; Graves et al., AAAI 2021, and Thudi et al., EuroS&P 2022, discuss it"

    kind: Literal["gradient_ascent"] = "gradient_ascent"
    epochs: IterationsFromZero = 10
    optimizer: Optimizer = Adam(lr=1e-2)
    until: PositiveFloat = 0.5
    clip: PositiveFloat = 1.0

    def change(self, student: Student, forget: Rows, retain: Rows, totals: Arrays) -> None:
        """Ascend, and look before every epoch whether the loss is high enough."""
        from torch.nn.functional import cross_entropy
        from torch.nn.utils import get_total_norm

        gone = student.load("forget", forget)

        def objective(x: Tensor, y: Tensor) -> Tensor:
            return -cross_entropy(student.module(x), y)

        def shorten(gradients: list[Tensor]) -> None:
            norm = float(get_total_norm(gradients))
            if norm > self.clip:
                for gradient in gradients:
                    gradient.mul_(self.clip / norm)

        with student.descent(self) as descent:
            for number in range(self.epochs):
                reached = float(cross_entropy(student.logits(gone), gone.y))
                if reached >= self.until:
                    student.stopped = f"before epoch {number + 1}, the loss of the rows to forget is {reached:.3g}"
                    break
                student.epoch(descent, number, gone, objective, adjust=shorten)
