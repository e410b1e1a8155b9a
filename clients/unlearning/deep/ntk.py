"""NTK scrubbing: the difference between two solutions of the linearised network, with and without the rows to forget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field as Setting
from pydantic import NonNegativeFloat, PositiveFloat

from clients.data.rows import Rows
from clients.training import Arrays
from clients.unlearning.contract import UnlearningError
from clients.unlearning.deep.contract import Deep

if TYPE_CHECKING:
    from torch import Tensor

    from clients.unlearning.deep.student import Student


class NtkScrubbing(Deep):
    """Adds ``scale (w_r - w_a)`` to the weights, where these minimise a squared loss of the linearised network without and with the rows.

    It is linearised before training.

    The kernel's side is the number of rows times that of classes, so that only so many rows are used; for one peer's own, small network.

    Parameters
    ----------
    scale : float
        Factor of the difference.
    damping : float
        Weight of the squared weights, per row.
    rows : int
        Largest number of rows, itself at most 10,000: those to forget, and at least as many retained ones, drawn by key, each of which
        stands for several.
    """

    by_peers: ClassVar[bool] = False
    summary: ClassVar[str] = "moves by what the rows would have done to the network's linearisation; tiny networks only"
    source: ClassVar[str] = "Golatkar, Achille and Soatto, Forgetting Outside the Box, ECCV 2020, arXiv 2003.02960"

    kind: Literal["ntk"] = "ntk"
    scale: NonNegativeFloat = 1.0
    damping: PositiveFloat = 1e-3
    rows: Annotated[int, Setting(ge=1, le=10_000)] = 300

    def unable(self, forget: int, retain: int) -> str | None:
        """Return that a kernel of these rows is larger than ``rows`` allows, with the cure, or None."""
        if not self.scale or self.rows - forget >= min(forget, retain):
            return None
        return f"{forget} rows to forget and as many retained exceed rows = {self.rows}: set rows higher"

    def change(self, student: Student, forget: Rows, retain: Rows, totals: Arrays) -> None:
        """Move the student's weights by the difference."""
        import torch

        if not self.scale:
            return
        if wrong := self.unable(len(forget), len(retain)):
            raise UnlearningError(f"ntk: {wrong}")
        kept = student.drawn(retain, min((self.rows - len(forget)) / len(retain), 1.0))
        everything = forget.joined(kept)
        slopes, left = self._linearised(student, everything)
        goes = np.repeat(np.isin(everything.ids, forget.ids), student.network.classes)
        weigh = torch.from_numpy(np.where(goes, 1.0, len(retain) / len(kept)))  # each drawn row stands for several
        slopes, left, stays = slopes * weigh.sqrt()[:, None], left * weigh.sqrt(), torch.from_numpy(~goes)
        ridge = self.damping * student.network.classes
        step = self._solution(slopes[stays], left[stays], ridge * len(retain))
        step = step - self._solution(slopes, left, ridge * (len(retain) + len(forget)))
        student.move(self.scale * step)
        student.notes.append(f"a kernel of {len(everything)} rows, {len(kept)} of {len(retain)} retained")

    def _linearised(self, student: Student, rows: Rows) -> tuple[Tensor, Tensor]:
        """Return slopes (rows x classes, weights) and what outputs lack of one-hot classes, before training, float64."""
        import torch
        from torch.nn.functional import one_hot

        from clients.models.row_gradients import row_slopes
        from clients.training import from_arrays

        examples = student.load("all", rows)
        module = student.network.build(("linearised",)).eval()
        from_arrays(module, student.learning.initial())
        with torch.no_grad():
            lacking = one_hot(examples.y, student.network.classes) - module(examples.x)
        student.passed("all", student.network.classes)
        return row_slopes(module, examples.x), lacking.double().flatten().cpu()

    @staticmethod
    def _solution(slopes: Tensor, wanted: Tensor, ridge: float) -> Tensor:
        """Return the ridge solution through the kernel ``slopes slopes'``."""
        import torch

        kernel = slopes @ slopes.T
        kernel.diagonal().add_(ridge)
        found: Tensor = slopes.T @ torch.cholesky_solve(wanted[:, None], torch.linalg.cholesky(kernel))[:, 0]
        return found
