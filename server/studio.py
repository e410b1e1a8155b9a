"""Drawing samples from a global model and judging what they show; for whoever evaluates, who has all images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from clients import wire
from clients.diffusion import local, metrics
from clients.diffusion.brief import DenoisingBrief
from clients.diffusion.cache import remembered
from clients.diffusion.images import Images
from clients.diffusion.judge import Judge, SvmJudge
from clients.diffusion.metrics import Budget
from clients.diffusion.sampling import sample
from clients.streams import bottom

Arrays = Mapping[str, npt.NDArray[Any]]

MOST = 3000
"""Images that the judge learns from at most."""


@dataclass(frozen=True)
class Shown:
    """Samples and the verdicts on them.

    Parameters
    ----------
    target, others : float
        Share of right samples of the concept, and the mean of this share over the other classes.
    each : dict of int to float
        That share by class.
    pixels : float32 array, shape (n, channels, size, size)
        In [-1, 1], in the order of ``asked``.
    asked, judged : int64 array, shape (n,)
    """

    target: float
    others: float
    each: dict[int, float]
    pixels: npt.NDArray[np.float32]
    asked: npt.NDArray[np.int64]
    judged: npt.NDArray[np.int64]


class Studio:
    """Draws and judges; every model gets the same start noise.

    Parameters
    ----------
    brief : DenoisingBrief
        Of any peer.
    backbone : bytes
    budget : Budget
        Samples a class.
    """

    def __init__(self, brief: DenoisingBrief, backbone: bytes, budget: Budget) -> None:
        self.brief, self.backbone, self.budget = brief, backbone, budget

    @property
    def images(self) -> Images:
        """All images there are."""
        return local.pictures(self.brief.data, self.brief.denoiser.size)

    @cached_property
    def judge(self) -> Judge:
        """The judge, which has seen all images: it belongs to nobody in the federation."""
        images = self.images
        if len(images) > MOST:
            images = images.select(torch.tensor(sorted(bottom(MOST, range(len(images)), "judge"))))
        return SvmJudge(images, gamma=0.001 if self.brief.denoiser.size == 8 else "scale")

    def show(self, weights: Arrays, concept: int, budget: Budget | None = None) -> Shown:
        """Return samples of the model with these exchanged weights, and what the judge says of them."""
        budget = budget or self.budget
        denoiser = local.untrained(self.brief, self.backbone)
        asked, classes, _ = metrics.conditions(denoiser, concept, "class", budget)
        key = (self.brief.run_seed, "samples")
        configuration = {
            "what": "samples",
            "denoiser": self.brief.denoiser.model_dump(mode="json"),
            "noise": self.brief.denoising.noise.model_dump(mode="json"),
            "sampling": self.brief.sampling.model_dump(mode="json"),
            "backbone": wire.sha256(self.backbone),
            "weights": wire.sha256(wire.to_bytes(weights)),
            "concept": concept,
            "budget": asdict(budget),
            "key": list(key),
        }

        def make() -> Arrays:
            drawn = sample(
                local.model(self.brief, self.backbone, weights),
                classes,
                key,
                sampling=self.brief.sampling,
                noise=self.brief.denoising.noise,
            )
            return {"pixels": drawn.numpy()}

        pixels = remembered(configuration, make)["pixels"]
        judged = self.judge.predict(torch.from_numpy(pixels))
        right = judged == asked
        each = {int(value): float(right[asked == value].mean()) for value in np.unique(asked)}
        rest = [accuracy for value, accuracy in each.items() if value != concept]
        return Shown(each[concept], float(np.mean(rest)), each, pixels, asked, judged)


def bytes_of(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Return images as bytes, ``(n, H, W)`` where grey, else ``(n, H, W, channels)``."""
    levels = np.rint((np.clip(pixels, -1, 1) + 1) * 127.5).astype(np.uint8)
    return levels[:, 0] if levels.shape[1] == 1 else np.moveaxis(levels, 1, -1)
