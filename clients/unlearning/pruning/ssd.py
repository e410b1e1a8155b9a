"""Selective synaptic dampening: shrink the weights that matter more for the forget set than for all data.

Foster et al., AAAI 2024 (arXiv 2308.07707).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import PositiveFloat, PositiveInt

from clients.iterations import Iterations
from clients.streams import Field
from clients.unlearning.pruning.contract import Cut, GradientEraser, Rows, Subject

if TYPE_CHECKING:
    from torch import Tensor, nn


class Ssd(GradientEraser):
    """If the forget set's Fisher diagonal exceeds ``alpha`` times that of all data, ``w *= min((lambda * F_all / F_forget)^power, bound)``.

    The Fisher diagonal is the mean square of batch gradients, as in the published code, so it depends on the batch size. An ``alpha`` of
    1.5 suits the small model.

    Parameters
    ----------
    alpha : float
        Factor by which the forget set's Fisher diagonal must exceed that of all data.
    strength : float
        Strength lambda of the dampening.
    power : float
        Exponent of the dampening.
    bound : float
        Largest factor.
    """

    summary: ClassVar[str] = "dampens the weights that matter most to a concept, without training"
    source: ClassVar[str] = "Selective synaptic dampening, Foster et al., AAAI 2024"
    kind: Literal["ssd"] = "ssd"
    alpha: PositiveFloat = 1.5
    strength: PositiveFloat = 1.0
    """Lambda."""
    power: PositiveFloat = 1.0
    bound: PositiveFloat = 1.0
    batches: Iterations = 64
    batch_size: PositiveInt = 4

    def erase(self, subject: Subject, key: tuple[Field, ...]) -> Cut:
        """Return the dampened weights; draws are keyed by the subject."""
        import torch

        from clients.unlearning.pruning.gradients import borrowed, chosen

        parameters = chosen(subject.module, self.scope)
        with borrowed(subject.module, parameters):
            everyone, forget = (self._fisher(subject, rows, parameters) for rows in ("all", "forget"))
        new, dampened = {}, {}
        for name, parameter in parameters.items():
            dampened[f"dampened.{name}"] = forget[name] > self.alpha * everyone[name]
            ratio = (self.strength * everyone[name] / forget[name].clamp_min(1e-300)) ** self.power
            factor = torch.where(dampened[f"dampened.{name}"], ratio.clamp_max(self.bound), 1.0)
            new[name] = (parameter.detach() * factor.to(parameter.dtype)).cpu()
        return Cut({}, new, self.model_dump(), {name: mask.cpu() for name, mask in dampened.items()})

    def _fisher(self, subject: Subject, rows: Rows, parameters: dict[str, nn.Parameter]) -> dict[str, Tensor]:
        """Return the mean square of batch gradients, float64, by parameter name."""
        from clients.unlearning.pruning.gradients import gradients

        total: dict[str, Tensor] = {}
        for i in range(self.batches):
            for name, gradient in gradients(subject.loss(rows, i, self.batch_size), parameters).items():
                total[name] = total.get(name, 0) + gradient.double() ** 2 / self.batches
        return total
