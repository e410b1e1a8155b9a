"""GradDiff: ascent on the answers to forget and descent on those retained, in one loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from clients.unlearning.deep.forget_loss import ForgetLoss

if TYPE_CHECKING:
    from torch import Tensor


class GradDiff(ForgetLoss):
    """Lowers the negative log-likelihood of retained rows less that of the rows to forget; nothing bounds the latter but the epochs."""

    summary: ClassVar[str] = "language models: ascends on answers to forget, descends on those kept; only the epochs bound it"
    source: ClassVar[str] = "Liu et al., Continual Learning and Private Unlearning, CoLLAs 2022; Maini et al., TOFU, 2024, arXiv 2401.06121"

    kind: Literal["grad_diff"] = "grad_diff"

    def loss(self, logits: Tensor, y: Tensor, frozen: Tensor) -> Tensor:
        """Return the mean log-likelihood of the answers to forget."""
        from clients.unlearning.deep.losses import log_likelihood

        return log_likelihood(logits, y).mean()
