"""NPO and SimNPO: answers to forget as the rejected half of a preference, whose gradient fades out once they are unlikely."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import NonNegativeFloat, PositiveFloat

from clients.training import Adam, Optimizer
from clients.unlearning.deep.forget_loss import ForgetLoss

if TYPE_CHECKING:
    from torch import Tensor


class Npo(ForgetLoss):
    """Lowers ``-(2 / beta) log sigmoid(-beta log(p / p_before))`` of the answers to forget, p being the probability of the whole answer.

    Parameters
    ----------
    beta : float
        How soon the gradient fades out; near 0 the method is gradient ascent.
    """

    summary: ClassVar[str] = "language models: answers to forget as rejected ones, beside the network as it was; near beta 0 it is ascent"
    source: ClassVar[str] = "Zhang et al., Negative Preference Optimization, COLM 2024, arXiv 2404.05868"

    kind: Literal["npo"] = "npo"
    beta: PositiveFloat = 0.1

    def loss(self, logits: Tensor, y: Tensor, frozen: Tensor) -> Tensor:
        """Return the mean loss of the answers to forget."""
        from torch.nn.functional import logsigmoid

        from clients.unlearning.deep.losses import log_likelihood

        ratio = log_likelihood(logits, y) - log_likelihood(frozen, y)
        return -(2 / self.beta) * logsigmoid(-self.beta * ratio).mean()


class SimNpo(ForgetLoss):
    """Lowers ``-(2 / beta) log sigmoid(-(beta / words) log p - gamma)`` of the answers to forget, without a network to compare with.

    Parameters
    ----------
    beta : float
        How soon the gradient fades out.
    gamma : float
        Margin by which an answer must be unlikely.
    """

    summary: ClassVar[str] = "language models: NPO without the network as it was, by the probability of a word on average"
    source: ClassVar[str] = "Fan et al., Simplicity Prevails, 2024, arXiv 2410.07163"

    kind: Literal["simnpo"] = "simnpo"
    optimizer: Optimizer = Adam(lr=3e-3)
    beta: PositiveFloat = 4.5
    gamma: NonNegativeFloat = 0.125

    def loss(self, logits: Tensor, y: Tensor, frozen: Tensor) -> Tensor:
        """Return the mean loss of the answers to forget."""
        from torch.nn.functional import logsigmoid

        from clients.unlearning.deep.losses import counted, log_likelihood

        per_word = log_likelihood(logits, y) / counted(y)
        return -(2 / self.beta) * logsigmoid(-self.beta * per_word - self.gamma).mean()
