"""Scissorhands: re-initialise the weights that the concept needs, then repair the model without relearning the concept.

Wu, Harandi, ECCV 2024 (arXiv 2401.06187), with the projection from its classification code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field as Bounds
from pydantic import NonNegativeFloat, PositiveFloat

from clients.iterations import IterationsFromZero
from clients.streams import Field
from clients.unlearning.pruning.contract import Cut, GradientEraser, Subject

if TYPE_CHECKING:
    from torch import Tensor, nn


class Scissorhands(GradientEraser):
    """The ``share`` of weights with the largest ``|gradient * weight|`` on the forget set is re-initialised, then all are repaired.

    The repair minimises ``L_retain - weight * L_forget``; a step that would relearn is projected away from the forget gradient.

    Parameters
    ----------
    share : float
        Share of weights that is re-initialised.
    std : float
        Standard deviation of the new weights.
    steps : int
        Gradient steps of the repair.
    lr : float
        Learning rate of the repair.
    weight : float
        Weight of the loss on the forget set.
    """

    summary: ClassVar[str] = "re-initialises the weights a concept needs and repairs without relearning"
    source: ClassVar[str] = "Scissorhands, Wu and Harandi, ECCV 2024"
    kind: Literal["scissorhands"] = "scissorhands"
    share: Annotated[float, Bounds(gt=0, lt=1)] = 0.1
    std: PositiveFloat = 0.02
    steps: IterationsFromZero = 100
    lr: PositiveFloat = 1e-3
    weight: NonNegativeFloat = 0.1
    scope: Literal["feed_forward_out", "feed_forward", "all"] = "feed_forward_out"

    def erase(self, subject: Subject, key: tuple[Field, ...]) -> Cut:
        """Return the new weights; the re-initialisation is drawn by the key and the parameter's name."""
        import torch

        from clients.streams import torch_generator
        from clients.unlearning.pruning.gradients import borrowed, chosen, copies, largest_share, mean_gradients

        parameters = chosen(subject.module, self.scope)
        with borrowed(subject.module, parameters):
            forget = mean_gradients(lambda i: subject.loss("forget", i, self.batch_size), self.batches, parameters)
            trimmed = largest_share({n: (g * parameters[n].detach()).abs() for n, g in forget.items()}, self.share)
            for name, parameter in parameters.items():
                drawn = torch.empty(parameter.shape)
                generator = torch_generator(*key, "scissorhands", name)
                torch.nn.init.trunc_normal_(drawn, std=self.std, a=-2 * self.std, b=2 * self.std, generator=generator)
                parameter.data = torch.where(trimmed[name], drawn.to(parameter.device), parameter.data)
            self._repair(subject, parameters)
            new = copies(parameters)
        return Cut({}, new, self.model_dump(), {f"trimmed.{name}": mask.cpu() for name, mask in trimmed.items()})

    def _repair(self, subject: Subject, parameters: dict[str, nn.Parameter]) -> None:
        """Train on retained images, in place."""
        import torch

        from clients.unlearning.pruning.gradients import follow, gradients, mean_gradients

        ascent = mean_gradients(lambda i: -subject.loss("forget", i, self.batch_size), self.batches, parameters)
        optimizer = torch.optim.Adam(parameters.values(), lr=self.lr)
        for step in range(self.steps):
            loss = subject.loss("retain", step, self.batch_size) - self.weight * subject.loss("forget", step, self.batch_size)
            follow(optimizer, parameters, projected(gradients(loss, parameters), ascent))


def projected(descent: dict[str, Tensor], ascent: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the gradient, changed if it would lower the forget loss, to ``g + v m`` with ``v = max(0.5, -<g, m> / |m|^2)``."""
    along = sum(float((g * ascent[name]).sum()) for name, g in descent.items())
    if along >= 0:
        return descent
    size = sum(float(m.square().sum()) for m in ascent.values())
    turn = max(0.5, -along / size)
    return {name: g + turn * ascent[name] for name, g in descent.items()}
