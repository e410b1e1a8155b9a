"""Amnesiac unlearning: the updates of every batch with a row to forget are subtracted."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import NonNegativeFloat

from clients.data.rows import Rows
from clients.training import Arrays
from clients.unlearning.deep.contract import Deep

if TYPE_CHECKING:
    from torch import Tensor

    from clients.unlearning.deep.student import Student


class Amnesiac(Deep):
    """Subtracts from the weights ``scale`` times every update of a batch that held a row to forget; later updates depended on them.

    Training is keyed, so that its log is made again rather than kept: the request costs one training, and no memory. Only for a model that
    one peer trained by itself.

    Parameters
    ----------
    scale : float
        Factor of the updates.
    """

    by_peers: ClassVar[bool] = False
    summary: ClassVar[str] = "subtracts what the batches with rows that must go did to the weights"
    source: ClassVar[str] = "Graves, Nagisetty and Ganesh, Amnesiac Machine Learning, AAAI 2021, arXiv 2010.10981"

    kind: Literal["amnesiac"] = "amnesiac"
    scale: NonNegativeFloat = 1.0

    def change(self, student: Student, forget: Rows, retain: Rows, totals: Arrays) -> None:
        """Train again as the first time, add up the updates of the batches concerned, and subtract them."""
        import torch

        if not self.scale:
            return
        updates, replayed = self._updates(student, forget, retain)
        reached = [parameter.detach() for parameter in student.module.parameters()]
        if not all(torch.equal(one, other) for one, other in zip(reached, replayed, strict=True)):
            student.notes.append("the weights are not those of plain training on these rows: the updates are those of such a training")
        with torch.no_grad():
            for parameter, update in zip(student.module.parameters(), updates, strict=True):
                parameter.sub_(update, alpha=self.scale)

    def _updates(self, student: Student, forget: Rows, retain: Rows) -> tuple[list[Tensor], list[Tensor]]:
        """Return the sums of the updates of batches with a row to forget, and the parameters that all updates lead to."""
        import numpy as np
        import torch
        from torch.nn.functional import cross_entropy

        from clients.training import Descent, from_arrays

        learning, module = student.learning, student.network.build(("replay",))
        from_arrays(module, learning.initial())
        rows = student.load("all", forget.joined(retain))
        concerned = student.network.targets(np.isin(rows.ids, forget.ids))
        sums = [torch.zeros_like(parameter) for parameter in module.parameters()]
        for number in range(learning.progress):
            first, settings = number * learning.training.epochs, learning.training
            with Descent(module, settings, learning.key, first) as descent:
                for epoch in range(first, first + settings.epochs):
                    for x, y, touched in descent.batches(epoch, rows.ids, rows.x, rows.y, concerned):
                        before = [parameter.detach().clone() for parameter in descent.parameters]
                        descent.move(descent.gradients(cross_entropy(module(x), y)))
                        if touched.any():
                            for total, parameter, old in zip(sums, descent.parameters, before, strict=True):
                                total += parameter.detach() - old
            student.steps += descent.steps
        student.passed("all", learning.progress * learning.training.epochs)
        return sums, [parameter.detach() for parameter in module.parameters()]
