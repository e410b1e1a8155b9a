"""Saliency-guided unlearning (SalUn): random labels that move only the weights that matter to the rows to forget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field as Setting

from clients.data.rows import Rows
from clients.training import Arrays
from clients.unlearning.deep.random_labels import Relabelling
from clients.unlearning.general.contract import Learning

if TYPE_CHECKING:
    from collections.abc import Callable

    from clients.unlearning.deep.student import Student


class SalUn(Relabelling):
    """Random labels that change only the weights to which the loss of the rows to forget is most sensitive; the others keep every bit.

    Parameters
    ----------
    share : float
        Share of all weights that may change, in (0, 1], those with the largest absolute gradient, summed over the rows to forget.
    """

    summary: ClassVar[str] = "random labels on the weights alone that what must go is most sensitive to"
    source: ClassVar[str] = "Fan et al., SalUn, ICLR 2024, arXiv 2310.12508"

    kind: Literal["salun"] = "salun"
    share: Annotated[float, Setting(gt=0, le=1)] = 0.5

    def measure(self, weights: Arrays, learning: Learning, forget: Rows, retain: Rows) -> Arrays:
        """Return the sum over the rows to forget of their gradients."""
        from clients.unlearning.deep.importance import gradients

        return gradients(weights, learning, {"forget": forget})

    def masked(self, student: Student, totals: Arrays) -> Callable[[], None] | None:
        """Return what restores the weights outside of the mask."""
        from clients.holding import restoring
        from clients.unlearning.deep.importance import largest

        names = [name for name, _ in student.module.named_parameters()]
        masks = largest([totals[f"forget/{name}"] for name in names], self.share)
        parameters = list(student.module.parameters())
        return restoring(parameters, [mask.to(one.device) for mask, one in zip(masks, parameters, strict=True)])
