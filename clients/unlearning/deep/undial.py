"""UNDIAL: the network learns its own answers to the rows to forget, with the true answer made unlikely."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import NonNegativeFloat

from clients.training import Adam, Optimizer
from clients.unlearning.deep.forget_loss import ForgetLoss

if TYPE_CHECKING:
    from torch import Tensor


class Undial(ForgetLoss):
    """Distils from the network as it was, whose logit of the true answer is lowered by ``beta``, on the rows to forget.

    Parameters
    ----------
    beta : float
        By how much; 0 asks for the answers as they were.
    alpha : float
        Weight of the retained rows' negative log-likelihood; the source has 0, which does not read them.
    """

    summary: ClassVar[str] = "language models: distils from itself with the true answer's logit lowered; has an end, unlike ascent"
    source: ClassVar[str] = "Dong et al., UNDIAL, 2024, arXiv 2402.10052"

    kind: Literal["undial"] = "undial"
    optimizer: Optimizer = Adam(lr=3e-4)
    alpha: NonNegativeFloat = 0.0
    beta: NonNegativeFloat = 10.0

    def loss(self, logits: Tensor, y: Tensor, frozen: Tensor) -> Tensor:
        """Return the mean cross-entropy to the lowered answers, over words of answers only."""
        from clients.unlearning.deep.losses import MASKED, lowered

        wanted, told = lowered(frozen, y, self.beta), logits.log_softmax(-1)
        counts = y != MASKED
        return -(wanted.softmax(-1) * told).sum(-1)[counts].mean()
