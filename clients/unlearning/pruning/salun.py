"""SalUn: retrain only the weights that matter for the concept.

Fan et al., ICLR 2024 (arXiv 2310.12508), in its form for diffusion models.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field as Bounds
from pydantic import NonNegativeFloat, PositiveFloat

from clients.iterations import Iterations
from clients.streams import Field
from clients.unlearning.pruning.contract import Cut, GradientEraser, Subject


class SalUn(GradientEraser):
    """The ``share`` of weights with the largest forget gradient is trained to respond to the target as to another concept.

    Loss: redirection + ``alpha`` times the denoising loss on retained images. There is no weight decay, so that other weights stay
    bit-identical.

    Parameters
    ----------
    share : float
        Share of weights that are trained.
    alpha : float
        Weight of the loss on retained images.
    steps : int
        Gradient steps.
    lr : float
        Learning rate.
    """

    summary: ClassVar[str] = "re-trains the weights with the largest forget gradient; leaves no zeros"
    source: ClassVar[str] = "SalUn, Fan et al., ICLR 2024"
    kind: Literal["salun"] = "salun"
    share: Annotated[float, Bounds(gt=0, le=1)] = 0.5
    alpha: NonNegativeFloat = 1.0
    steps: Iterations = 100
    lr: PositiveFloat = 1e-3

    def erase(self, subject: Subject, key: tuple[Field, ...]) -> Cut:
        """Return the new weights; draws are keyed by the subject."""
        import torch

        from clients.unlearning.pruning.gradients import borrowed, chosen, copies, follow, gradients, largest_share, mean_gradients

        parameters = chosen(subject.module, self.scope)
        with borrowed(subject.module, parameters):
            forget = mean_gradients(lambda i: subject.loss("forget", i, self.batch_size), self.batches, parameters)
            salient = largest_share({name: gradient.abs() for name, gradient in forget.items()}, self.share)
            optimizer = torch.optim.Adam(parameters.values(), lr=self.lr)
            for step in range(self.steps):
                loss = subject.redirection(step, self.batch_size) + self.alpha * subject.loss("retain", step, self.batch_size)
                found = gradients(loss, parameters)
                follow(optimizer, parameters, {name: found[name] * salient[name] for name in found})
            new = copies(parameters)
        return Cut({}, new, self.model_dump(), {f"salient.{name}": mask.cpu() for name, mask in salient.items()})
