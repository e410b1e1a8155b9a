"""UNSIR: noise made to be as little like a class as can be, learned as that class, and then repaired."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field as Setting
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from clients.data.rows import Rows
from clients.iterations import IterationsFromZero
from clients.training import Adam, Arrays, Optimizer
from clients.unlearning.deep.contract import Deep

if TYPE_CHECKING:
    from torch import Tensor

    from clients.unlearning.deep.student import Examples, Student


class Unsir(Deep):
    """Impairs the classes of the rows to forget with noise, then repairs the others; reads no input of the rows to forget.

    The noise maximises the loss of its class. One pass over noise and retained rows impairs, one over retained rows repairs. Made for whole
    classes: where rows of a class stay, they suffer too, and the outcome says so.

    Parameters
    ----------
    noise : int
        Noise inputs per class, at most 10,000.
    noise_steps : int
        Steps in which the noise is made.
    noise_lr : float
        Learning rate of the noise.
    penalty : float
        Weight of the mean squared norm of the noise.
    share : float
        Share of the retained rows that is used, drawn by key, in (0, 1].
    epochs : int
        Passes that impair, and as many that repair.
    batch_size : int
        Rows per gradient step.
    optimizer, repair : table
        Optimisers of the two phases.
    """

    summary: ClassVar[str] = "learns noise as the class that must go, then repairs with what is kept"
    source: ClassVar[str] = "Tarun et al., Fast Yet Effective Machine Unlearning, 2021, arXiv 2111.08947"

    kind: Literal["unsir"] = "unsir"
    noise: Annotated[int, Setting(ge=1, le=10_000)] = 256
    noise_steps: IterationsFromZero = 25
    noise_lr: PositiveFloat = 0.1
    penalty: NonNegativeFloat = 0.1
    share: Annotated[float, Setting(gt=0, le=1)] = 0.5
    epochs: IterationsFromZero = 1
    batch_size: PositiveInt = 32
    optimizer: Optimizer = Adam(lr=3e-3)
    repair: Optimizer = Adam(lr=1e-2)

    def change(self, student: Student, forget: Rows, retain: Rows, totals: Arrays) -> None:
        """Impair and repair."""
        import numpy as np

        classes = np.unique(forget.y)
        if stay := int(np.isin(retain.y, classes).sum()):
            student.notes.append(f"{stay} retained rows are of the classes to forget, and were impaired, too")
        kept = student.load("retain", student.drawn(retain, self.share))
        if not self.epochs:
            return
        noise = self._noise(student, [int(one) for one in classes], kept)
        phases = (student.joined(noise, kept, name="impair"), self), (kept, self.model_copy(update={"optimizer": self.repair}))
        for number, (examples, settings) in enumerate(phases):
            with student.descent(settings) as descent:
                for epoch in range(self.epochs):
                    student.epoch(descent, number * self.epochs + epoch, examples, student.cross_entropy)

    def _noise(self, student: Student, classes: list[int], like: Examples) -> Examples:
        """Return noise inputs for the classes, of which the network as it was is least sure."""
        import numpy as np
        import torch
        from torch.nn.functional import cross_entropy

        from clients.streams import torch_generator
        from clients.training import descending
        from clients.unlearning.deep.student import Examples

        parts: list[Tensor] = []
        for one in classes:
            drawn = torch.randn(self.noise, *like.x.shape[1:], generator=torch_generator(*student.key, "noise", one))
            x = drawn.to(like.x.device).requires_grad_()
            wanted = torch.full((self.noise,), one, device=x.device)
            step = descending(Adam(lr=self.noise_lr), [x])
            for _ in range(self.noise_steps):
                norm = x.square().flatten(1).sum(1).mean()
                (gradient,) = torch.autograd.grad(self.penalty * norm - cross_entropy(student.module(x), wanted), x)
                step([gradient])
            student.took("noise", self.noise_steps / len(classes), self.noise_steps * self.noise)
            parts.append(x.detach())
        labels = torch.tensor(classes, device=like.y.device).repeat_interleave(self.noise).to(like.y.dtype)
        return Examples("noise", -1 - np.arange(len(labels)), torch.cat(parts), labels)
