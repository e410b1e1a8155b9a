"""CF-k and EU-k: only the last layers are trained again, from where they are or from new values."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import PositiveInt

from clients.data.rows import Rows
from clients.models import ModelSpec
from clients.training import Adam, Arrays, Optimizer
from clients.unlearning.deep.contract import Descending

if TYPE_CHECKING:
    from clients.unlearning.deep.student import Student


class LastLayers(Descending):
    """Base class of methods that change the last layers only, and never read the rows to forget.

    Parameters
    ----------
    layers : int
        How many of the last layers learn; the others keep every bit.
    """

    source: ClassVar[str] = "Goel et al., Towards Adversarial Evaluations for Inexact Machine Unlearning, 2022, arXiv 2201.06640"

    optimizer: Optimizer = Adam(lr=4e-2)
    layers: PositiveInt = 1

    def misfit(self, base: ModelSpec) -> str | None:
        """Return an error line for a network of fewer layers."""
        return self.beyond(self.layers, base)

    def change(self, student: Student, forget: Rows, retain: Rows, totals: Arrays) -> None:
        """Train the last layers on the retained rows."""
        from clients.unlearning.layers import frozen_in_evaluation, keep_all_but

        kept = student.load("retain", retain)
        keep_all_but(student.module, self.layers)
        self.begin(student)
        with student.descent(self) as descent:
            frozen_in_evaluation(student.module)
            for number in range(self.epochs):
                student.epoch(descent, number, kept, student.cross_entropy)

    def begin(self, student: Student) -> None:
        """Prepare the last layers."""


class CfK(LastLayers):
    """Trains the last layers on with what is kept (catastrophic forgetting); the others keep what the rows to forget taught them."""

    summary: ClassVar[str] = "trains the last k layers on with what is kept"

    kind: Literal["cf_k"] = "cf_k"


class EuK(LastLayers):
    """Draws the last layers anew and trains them on what is kept; the others keep what the rows to forget taught them."""

    summary: ClassVar[str] = "draws the last k layers anew and trains them on what is kept"

    kind: Literal["eu_k"] = "eu_k"

    def begin(self, student: Student) -> None:
        """Draw the last layers anew."""
        from clients.unlearning.layers import layers

        fresh = dict(layers(student.network.build((*student.key, "layers"))))
        for name, part in layers(student.module)[-self.layers :]:
            part.load_state_dict(fresh[name].state_dict())
