"""Bad teaching: on the rows to forget the network follows a teacher that knows nothing, on others itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field as Setting
from pydantic import PositiveFloat

from clients.data.rows import Rows
from clients.training import Adam, Arrays, Optimizer
from clients.unlearning.deep.contract import Descending

if TYPE_CHECKING:
    from torch import Tensor

    from clients.unlearning.deep.student import Student


class BadTeacher(Descending):
    """Lowers the divergence from an untrained network on the rows to forget, and from the network as it was on part of the others.

    The rows become odd, not unseen: an attack that looks at confidence notices.

    Parameters
    ----------
    share : float
        Share of the retained rows that is used, drawn by key, in (0, 1].
    temperature : float
        Temperature of the divergence.
    """

    summary: ClassVar[str] = "follows an untrained network on what must go, and itself on the rest"
    source: ClassVar[str] = "Chundawat et al., Can Bad Teaching Induce Forgetting?, AAAI 2023, arXiv 2205.08096"

    kind: Literal["bad_teacher"] = "bad_teacher"
    optimizer: Optimizer = Adam(lr=2e-3)
    share: Annotated[float, Setting(gt=0, le=1)] = 0.3
    temperature: PositiveFloat = 1.0

    def change(self, student: Student, forget: Rows, retain: Rows, totals: Arrays) -> None:
        """Train on both sets together, with the teachers' outputs as targets."""
        import torch

        from clients.unlearning.deep.losses import divergence

        gone, kept = student.load("forget", forget), student.load("retain", student.drawn(retain, self.share))
        untrained = student.untrained(gone)
        teachers = torch.cat([untrained, student.logits(kept)])
        everything = student.joined(gone, kept)

        def objective(x: Tensor, y: Tensor, teacher: Tensor) -> Tensor:
            return divergence(student.module(x), teacher, self.temperature)

        with student.descent(self) as descent:
            for number in range(self.epochs):
                student.epoch(descent, number, everything, objective, teachers)
