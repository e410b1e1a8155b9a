"""Sampling from a global model and classifying the samples; for the evaluator, who has all images."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from clients import wire
from clients.cache import remembered
from clients.diffusion import local, metrics
from clients.diffusion.config import DenoisingConfig
from clients.diffusion.images import Images
from clients.diffusion.judges.svm import Judge
from clients.diffusion.metrics import Budget
from clients.diffusion.sampling import sample
from clients.diffusion.spec import Axis
from server.diffusion.metrics import others_of
from server.revival.inversion import replaced

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Shown:
    """Samples and the evaluation classifier's predictions for them.

    Parameters
    ----------
    target, others : float
        Share of correct samples of the concept, and its mean over the other concepts of the same axis (classes or styles) that nobody
        has erased, in [0, 1].
    each : dict of int to float
        The same share by number of the concept, as in ``DenoiserSpec.concepts``.
    cross : float or None
        Share of samples that are correct on the other axis; None if there is no other.
    pixels : float32 array, shape (n, channels, size, size)
        In [-1, 1], in the order of ``asked``.
    asked, judged : int64 array, shape (n,)
        Requested and predicted concept numbers; ``asked`` ascends.
    """

    target: float
    others: float
    each: dict[int, float]
    cross: float | None
    pixels: npt.NDArray[np.float32]
    asked: npt.NDArray[np.int64]
    judged: npt.NDArray[np.int64]


class SampleEvaluation:
    """Samples from models and classifies the samples; every model starts from the same noise.

    Parameters
    ----------
    config : DenoisingConfig
        Config of any peer.
    backbone : bytes
    budget : Budget
        Samples per class.
    """

    def __init__(self, config: DenoisingConfig, backbone: bytes, budget: Budget) -> None:
        self.config, self.backbone, self.budget = config, backbone, budget

    @property
    def images(self) -> Images:
        """All images of the data set."""
        return local.gallery(self.config)

    @cached_property
    def judges(self) -> dict[Axis, Judge]:
        """The evaluation classifier of each axis. It is trained on all images in every style and belongs to no peer."""
        spec = self.config.denoiser
        images = local.pictures(self.config.data, spec.size)
        axes: tuple[Axis, ...] = ("class", "style") if spec.styles else ("class",)
        learned = partial(self.config.judge.learned, images, styles=spec.styles, compute=self.config.compute)
        return {axis: learned(axis=axis) for axis in axes}

    def show(
        self,
        weights: Arrays,
        concept: int,
        budget: Budget | None = None,
        *,
        erased: Collection[int] = (),
        embedding: Tensor | None = None,
    ) -> Shown:
        """Return samples of the model with these exchanged weights, and the judges' predictions for them.

        ``concept`` is a number as in ``config.denoiser.concepts``, as are those ``erased`` by then, which do not count as others unless
        all are; ``embedding`` stands for the concept in the condition, if given.
        """
        budget = budget or self.budget
        denoiser = local.untrained(self.config, self.backbone)
        axis, target = self.config.denoiser.axis(concept)
        asked, classes, styles = metrics.conditions(denoiser, target, axis, budget)
        key = (self.config.run_seed, "samples")
        configuration = {
            "what": "samples",
            "denoiser": self.config.denoiser.model_dump(mode="json"),
            "noise": self.config.denoising.noise.model_dump(mode="json"),
            "sampling": self.config.sampling.model_dump(mode="json"),
            "backbone": wire.sha256(self.backbone),
            "weights": wire.sha256(wire.to_bytes(weights)),
            "concept": concept,
            "budget": asdict(budget),
            "key": list(key),
            **({} if embedding is None else {"embedding": wire.sha256(wire.to_bytes({"embedding": embedding.cpu().numpy()}))}),
            **local.where_computed(self.config),
        }

        def make() -> Arrays:
            model, noise = local.model(self.config, self.backbone, weights), self.config.denoising.noise
            with self.config.computing(), nullcontext() if embedding is None else replaced(model, axis, target, embedding):
                drawn = sample(model, classes, key, styles=styles, sampling=self.config.sampling, noise=noise)
            return {"pixels": drawn.numpy()}

        pixels = remembered(configuration, make)["pixels"]
        shown = torch.from_numpy(pixels)
        judged = self.judges[axis].predict(shown)
        right, first = judged == asked, concept - target
        each = {first + int(value): float(right[asked == value].mean()) for value in np.unique(asked)}
        rest = [each[other] for other in others_of(concept, each, erased)]
        cross = None
        if styles is not None:
            judge, wanted = (self.judges["style"], styles) if axis == "class" else (self.judges["class"], classes)
            cross = float((judge.predict(shown) == wanted.numpy()).mean())
        return Shown(each[concept], float(np.mean(rest)), each, cross, pixels, first + asked, first + judged)


def bytes_of(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Return images in [-1, 1] as uint8, shape ``(n, H, W)`` if grey, else ``(n, H, W, channels)``."""
    levels = np.rint((np.clip(pixels, -1, 1) + 1) * 127.5).astype(np.uint8)
    return levels[:, 0] if levels.shape[1] == 1 else np.moveaxis(levels, 1, -1)
