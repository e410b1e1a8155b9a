"""What the losses made for language models have in common: one on the answers to forget, and the likelihood of those retained."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from pydantic import NonNegativeFloat

from clients.data.rows import Rows
from clients.iterations import IterationsFromZero
from clients.training import Adam, Arrays, Optimizer
from clients.unlearning.deep.contract import Descending

if TYPE_CHECKING:
    from torch import Tensor

    from clients.unlearning.deep.student import Student


class ForgetLoss(Descending):
    """Base class: every epoch is a pass over the rows to forget, with a batch of retained rows, over and over, in every step.

    Parameters
    ----------
    alpha : float
        Weight of the retained rows' negative log-likelihood; 0 leaves them out, and does not read them.
    """

    epochs: IterationsFromZero = 10
    optimizer: Optimizer = Adam(lr=1e-3)
    alpha: NonNegativeFloat = 1.0

    def change(self, student: Student, forget: Rows, retain: Rows, totals: Arrays) -> None:
        """Change the student's weights."""
        from clients.unlearning.deep.losses import log_likelihood, weighted

        gone = student.load("forget", forget)
        before = student.logits(gone)
        with student.descent(self) as descent:
            kept = student.cycled(descent, student.load("retain", retain)) if self.alpha and len(retain) else None

            def objective(x: Tensor, y: Tensor, frozen: Tensor) -> Tensor:
                terms = [(1.0, self.loss(student.module(x), y, frozen))]
                if kept is not None:
                    inputs, answers = next(kept)
                    terms.append((self.alpha, -log_likelihood(student.module(inputs), answers).mean()))
                return weighted(terms)

            for number in range(self.epochs):
                student.epoch(descent, number, gone, objective, before)

    @abstractmethod
    def loss(self, logits: Tensor, y: Tensor, frozen: Tensor) -> Tensor:
        """Return the mean loss of a batch to forget, a scalar.

        Parameters
        ----------
        logits, frozen : float tensors, shape (n, classes) or (n, words, classes)
            Those of the network now, and as it was when the request came.
        y : int64 tensor, shape (n,) or (n, words)
        """
