"""Erasure that resists relearning: while it erases, an adversary relearns the concept again and again, and must fail.

First-order meta-learning in the manner of Tamirisa et al., "Tamper-Resistant Safeguards for Open-Weight LLMs", ICLR 2025
(arXiv 2408.00761), for a denoiser, with the redirection of SalUn (`clients.unlearning.pruning.salun`) as the loss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from clients.iterations import Iterations
from clients.streams import Field, key_hash
from clients.unlearning.pruning.contract import Cut, EraserSpec, Subject

if TYPE_CHECKING:
    from torch import Tensor, nn


class Resistant(EraserSpec):
    """Every step redirects the target to another concept, as the model is, and as an adversary would leave it who relearns the target.

    Loss: redirection + ``weight`` times the redirection after 1 to ``relearning`` steps on images of the target + ``alpha`` times the
    denoising loss on retained images. Gradients of the second part are taken where the adversary ends (first order).

    Parameters
    ----------
    steps : int
        Gradient steps.
    lr : float
        Learning rate.
    alpha : float
        Weight of the loss on retained images.
    weight : float
        Weight of the loss after relearning; 0 leaves the adversary out.
    relearning : int
        Most steps of the adversary.
    relearning_lr : float
        The adversary's learning rate.
    batch_size : int
        Images per batch.
    scope : {"feed_forward_out", "feed_forward", "all"}
        Which weights may change; the adversary trains the same.
    """

    summary: ClassVar[str] = "re-trains weights against an adversary who relearns in the loop; leaves no zeros"
    source: ClassVar[str] = "after TAR, Tamirisa et al., ICLR 2025, with the loss of SalUn"
    needs_images: ClassVar[bool] = True
    zeroes: ClassVar[bool] = False
    kind: Literal["resistant"] = "resistant"
    steps: Iterations = 100
    lr: PositiveFloat = 1e-3
    alpha: NonNegativeFloat = 1.0
    weight: NonNegativeFloat = 1.0
    relearning: Iterations = 8
    relearning_lr: PositiveFloat = 1e-3
    batch_size: PositiveInt = 32
    scope: Literal["feed_forward_out", "feed_forward", "all"] = "all"

    def erase(self, subject: Subject, key: tuple[Field, ...]) -> Cut:
        """Return the new weights; the adversary's steps are drawn by the key."""
        import torch

        from clients.unlearning.pruning.gradients import borrowed, chosen, copies, follow, gradients

        parameters = chosen(subject.module, self.scope)
        with borrowed(subject.module, parameters):
            optimizer = torch.optim.Adam(parameters.values(), lr=self.lr)
            for step in range(self.steps):
                resisted = self._after_relearning(subject, parameters, step, key)
                loss = subject.redirection(step, self.batch_size) + self.alpha * subject.loss("retain", step, self.batch_size)
                found = gradients(loss, parameters)
                follow(optimizer, parameters, {name: found[name] + self.weight * resisted[name] for name in found} if resisted else found)
            new = copies(parameters)
        return Cut({}, new, self.model_dump())

    def _after_relearning(
        self, subject: Subject, parameters: dict[str, nn.Parameter], step: int, key: tuple[Field, ...]
    ) -> dict[str, Tensor]:
        """Return the gradient of the redirection where an adversary ends who relearns the target from here; the weights stay."""
        import torch

        from clients.unlearning.pruning.gradients import follow, gradients

        if not self.weight:
            return {}
        before = {name: parameter.detach().clone() for name, parameter in parameters.items()}
        adversary = torch.optim.Adam(parameters.values(), lr=self.relearning_lr)
        for move in range(1 + key_hash(*key, "relearning", step) % self.relearning):
            loss = subject.loss("forget", step * self.relearning + move, self.batch_size)
            follow(adversary, parameters, gradients(loss, parameters))
        found = gradients(subject.redirection(step, self.batch_size), parameters)
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(before[name])
        return found
