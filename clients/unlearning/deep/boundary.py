"""Boundary unlearning: the rows to forget are learned again as the class beyond their boundary, or as one that is then cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import PositiveFloat

from clients.data.rows import Rows
from clients.training import Adam, Arrays, Optimizer
from clients.unlearning.deep.contract import Descending

if TYPE_CHECKING:
    from torch import Tensor

    from clients.unlearning.deep.student import Examples, Student

_SOURCE = "Chen et al., Boundary Unlearning, CVPR 2023, arXiv 2303.11570"


class BoundaryShrink(Descending):
    """Trains on the rows to forget alone, each with the wrong class that is nearest to it; made for whole classes.

    The nearest class is the most probable wrong one at the row moved by ``bound`` along the sign of its loss's gradient.

    Parameters
    ----------
    bound : float
        How far each input is moved, in units of the inputs.
    """

    summary: ClassVar[str] = "learns what must go as the class beyond the nearest boundary"
    source: ClassVar[str] = _SOURCE

    kind: Literal["boundary_shrink"] = "boundary_shrink"
    optimizer: Optimizer = Adam(lr=2e-3)
    bound: PositiveFloat = 0.1

    def change(self, student: Student, forget: Rows, retain: Rows, totals: Arrays) -> None:
        """Train on the relabelled rows."""
        gone = student.load("forget", forget)
        beyond = gone._replace(y=nearest(student, gone, self.bound))
        with student.descent(self) as descent:
            for number in range(self.epochs):
                student.epoch(descent, number, beyond, student.cross_entropy)


class BoundaryExpand(Descending):
    """Trains on the rows to forget alone, as one more class, whose output is then cut off; made for whole classes."""

    summary: ClassVar[str] = "learns what must go as one more class, and cuts that output off"
    source: ClassVar[str] = _SOURCE

    kind: Literal["boundary_expand"] = "boundary_expand"
    optimizer: Optimizer = Adam(lr=5e-3)

    def change(self, student: Student, forget: Rows, retain: Rows, totals: Arrays) -> None:
        """Train on the rows to forget with one more output, on what enters the last layer."""
        import torch
        from torch import nn
        from torch.nn.functional import cross_entropy

        from clients.streams import torch_generator
        from clients.unlearning.layers import features

        gone = student.load("forget", forget)
        width = features(student.module, gone.x[:1])[1].shape[1]
        drawn = torch.randn(width, 1, generator=torch_generator(*student.key, "output")) / width**0.5
        output = nn.Parameter(drawn.to(gone.x.device))

        def objective(x: Tensor, y: Tensor) -> Tensor:
            logits, entering = features(student.module, x)
            return cross_entropy(torch.cat([logits, entering @ output], 1), torch.full_like(y, logits.shape[1]))

        with student.descent(self, [output]) as descent:
            for number in range(self.epochs):
                student.epoch(descent, number, gone, objective)


def nearest(student: Student, examples: Examples, bound: float) -> Tensor:
    """Return the most probable wrong class of every example moved by the fast gradient sign, int64 (n,)."""
    import torch
    from torch.nn.functional import cross_entropy

    student.took(examples.name, 1, len(examples.ids))
    x = examples.x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(cross_entropy(student.module(x), examples.y, reduction="sum"), x)
    with torch.no_grad():
        logits = student.module(examples.x + bound * slope.sign())
        found: Tensor = logits.scatter(1, examples.y[:, None], -torch.inf).argmax(1)
    return found
