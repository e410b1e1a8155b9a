"""The small denoiser as the subject of an eraser."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from clients.diffusion.denoiser import Denoiser
from clients.diffusion.images import Images
from clients.diffusion.sampling import sample
from clients.diffusion.spec import Axis, NoiseSchedule, Sampling
from clients.diffusion.training import denoising_loss, scheduler
from clients.streams import Field, torch_generator
from clients.unlearning.contract import UnlearningError
from clients.unlearning.pruning.contract import Rows, Subject


class DenoiserSubject(Subject):
    """A denoiser and one of its classes or styles.

    Parameters
    ----------
    denoiser : Denoiser
    target : int
        Id of the concept to erase on its axis.
    key : tuple
        Keys the start noise and the batches.
    axis : {"class", "style"}
    images : Images, optional
        Real images, for methods that need gradients.
    count : int
        Samples in each set of conditions.
    sampling, noise : optional
    erased : sequence of int
        Concepts erased earlier, numbered as in ``DenoiserSpec.concepts``: their images are left out, unless the target itself is among
        them, and the target is not redirected to them.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        target: int,
        key: tuple[Field, ...],
        *,
        axis: Axis = "class",
        images: Images | None = None,
        count: int = 36,
        sampling: Sampling | None = None,
        noise: NoiseSchedule | None = None,
        erased: Sequence[int] = (),
    ) -> None:
        values = denoiser.null[0] if axis == "class" else denoiser.null[1]
        if not 0 <= target < values:
            raise UnlearningError(f"concept {target}: the model's {axis} axis has values 0 .. {values - 1}")
        if values < 2:
            raise UnlearningError(f"concept {target}: the model's {axis} axis has no other value to compare it with")
        self.denoiser, self.module, self.axis, self.key = denoiser, denoiser.unet, axis, key
        self.concepts = tuple(str(value) for value in range(values))
        self.target, self.count = str(target), count
        classes, first = denoiser.spec.classes, 0 if axis == "class" else denoiser.spec.classes
        earlier = sorted(set(erased) - {first + target})
        self.images = images.select(~images.shows(earlier, classes)) if images is not None and earlier else images
        ids = ((target + step) % values for step in range(1, values))
        self._others = torch.tensor([value for value in ids if first + value not in earlier], dtype=torch.int64)
        self.sampling, self.noise = sampling or Sampling(), noise or NoiseSchedule()
        self.guided = self.sampling.guidance != 1.0

    def samples(self, conditions: str) -> int:
        """Return the size of a set of conditions; all sets have the same size."""
        return self.count

    def conditions(self, conditions: str) -> tuple[Tensor, Tensor | None]:
        """Return class and style ids of a set, each ``(count,)``; the base cycles through all other concepts."""
        names = {"target": [self.target], "base": [c for c in self.concepts if c != self.target]}.get(conditions, [conditions])
        chosen = torch.tensor([int(names[i % len(names)]) for i in range(self.count)])
        classes, styles = self.denoiser.null
        if self.axis == "class":
            return chosen, torch.arange(self.count) % styles if styles else None
        return torch.arange(self.count) % classes, chosen

    def runs(self, conditions: str) -> Iterator[Callable[[], object]]:
        """Yield one run of the sampler per batch."""
        classes, styles = self.conditions(conditions)
        for first in range(0, self.count, self.sampling.batch_size):
            part = range(first, min(first + self.sampling.batch_size, self.count))
            where = slice(part.start, part.stop)
            yield partial(
                sample,
                self.denoiser,
                classes[where],
                self.key,
                styles=None if styles is None else styles[where],
                indices=part,
                sampling=self.sampling,
                noise=self.noise,
            )

    def loss(self, rows: Rows, step: int, batch_size: int) -> Tensor:
        """Return the denoising loss on a batch of the rows."""
        generator = torch_generator(*self.key, "loss", rows, step)
        return denoising_loss(self.denoiser, self._rows(rows), scheduler(self.noise), generator, batch_size)

    def redirection(self, step: int, batch_size: int) -> Tensor:
        """Return the distance between the noise predicted for forget images under the target and under another concept."""
        generator = torch_generator(*self.key, "redirection", step)
        forget, steps = self._rows("forget"), scheduler(self.noise)
        batch = forget.select(torch.randint(len(forget), (batch_size,), generator=generator))
        time = torch.randint(self.noise.timesteps, (batch_size,), generator=generator)
        noisy = steps.add_noise(batch.pixels, torch.randn(batch.pixels.shape, generator=generator), time)
        if not len(self._others):
            raise UnlearningError(f"concept {self.target}: every other {self.axis} has been erased, so none is left to redirect it to")
        device = self.denoiser.device
        other = self._others[torch.randint(len(self._others), (batch_size,), generator=generator)].to(device)
        noisy, time, classes = noisy.to(device), time.to(device), batch.classes.to(device)
        styles = None if batch.styles is None else batch.styles.to(device)
        with torch.no_grad():
            wanted = self.denoiser(noisy, time, *((other, styles) if self.axis == "class" else (classes, other)))
        return functional.mse_loss(self.denoiser(noisy, time, classes, styles), wanted)

    def describe(self) -> dict[str, Any]:
        """Return target, axis, set size, sampler and key."""
        return {
            "target": self.target,
            "axis": self.axis,
            "count": self.count,
            "sampling": self.sampling.model_dump(),
            "noise": self.noise.model_dump(),
            "key": [str(part) for part in self.key],
        }

    def _rows(self, rows: Rows) -> Images:
        """Return the images to forget, to retain, or all."""
        if self.images is None:
            raise UnlearningError("this eraser takes gradients on real images: give the peer's images")
        if rows == "all":
            return self.images
        labels = self.images.classes if self.axis == "class" else self.images.styles
        if labels is None:
            raise UnlearningError("the images have no styles, so none can be forgotten")
        wanted = labels == int(self.target)
        chosen = self.images.select(wanted if rows == "forget" else ~wanted)
        if not len(chosen):
            raise UnlearningError(f"concept {self.target}: no image to {rows}")
        return chosen
