"""Fisher forgetting: noise on the weights, large where the retained rows do not care."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import NonNegativeFloat, PositiveFloat

from clients.data.rows import Rows
from clients.training import Arrays
from clients.unlearning.deep.contract import Deep
from clients.unlearning.general.contract import Learning

if TYPE_CHECKING:
    from clients.unlearning.deep.student import Student


class FisherForgetting(Deep):
    """Adds to each weight noise of variance ``alpha min(1 / F, cap)``; nothing is trained.

    F is the mean over the retained rows of the squared gradient of a single row. Where all rows of a class go, that class's weights in the
    last layer are drawn anew, by the request's key.

    Parameters
    ----------
    alpha : float
        Scale of the variance.
    cap : float
        Bound on 1 / F; a tenth of it in the last layer.
    """

    totals_suffice: ClassVar[bool] = True
    summary: ClassVar[str] = "adds noise to weights that what is kept does not need; trains nothing"
    source: ClassVar[str] = "Golatkar, Achille and Soatto, Eternal Sunshine of the Spotless Net, CVPR 2020, arXiv 1911.04933"

    kind: Literal["fisher"] = "fisher"
    alpha: NonNegativeFloat = 1e-6
    cap: PositiveFloat = 1e3

    def measure(self, weights: Arrays, learning: Learning, forget: Rows, retain: Rows) -> Arrays:
        """Return the sums of squared gradients over the retained rows, and how many rows of each class are kept and go."""
        from clients.unlearning.deep.importance import by_class, squares

        return squares(weights, learning, {"retain": retain}) | by_class(learning.network.classes, forget, retain)

    def change(self, student: Student, forget: Rows, retain: Rows, totals: Arrays) -> None:
        """Add noise to the student's weights."""
        import torch

        from clients.streams import torch_generator
        from clients.unlearning.deep.importance import gone_classes, mean
        from clients.unlearning.layers import layers

        if not self.alpha:
            return
        last = layers(student.module)[-1][0]
        fresh = dict(student.network.build((*student.key, "class")).named_parameters())
        gone = gone_classes(totals)
        for name, parameter in student.module.named_parameters():
            at_end = name.startswith(f"{last}.")
            fisher = mean(totals, name, "retain")
            variance = self.alpha * (1 / fisher.clamp(min=1e-30)).clamp(max=self.cap / 10 if at_end else self.cap)
            noise = torch.randn(parameter.shape, generator=torch_generator(*student.key, "noise", name), dtype=torch.float64)
            with torch.no_grad():
                if at_end and len(gone) and len(parameter) == student.network.classes:
                    parameter[gone] = fresh[name][gone]
                parameter.copy_((parameter.double() + (variance.sqrt() * noise).to(parameter.device)).to(parameter.dtype))
