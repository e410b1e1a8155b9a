"""The tables of HDUS for diffusion: the seed denoiser, its distillation, the ensemble of noises; nothing heavy is imported here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from clients.diffusion.spec import DenoiserSpec, Share
from clients.spec import Spec


class SeedDenoiser(Spec):
    """The common architecture of seed denoisers; images, classes and styles are those of the main model.

    Parameters
    ----------
    widths : tuple of int
        Channels of each resolution level, finest first.
    plain_levels : int
        How many of the finest levels have no attention.
    layers : int
        Residual blocks a level.
    condition_width, heads, groups : int
        Width of a condition token, attention heads, groups of the normalisation.
    """

    widths: tuple[PositiveInt, ...] = (16, 32)
    plain_levels: NonNegativeInt = 0
    layers: PositiveInt = 1
    condition_width: PositiveInt = 16
    heads: PositiveInt = 4
    groups: PositiveInt = 8

    def beside(self, main: DenoiserSpec) -> DenoiserSpec:
        """Return the full description of a seed that stands beside this main model."""
        return main.model_copy(update={**self.model_dump(), "feed_forward_std": None})


class SeedDistillation(Spec):
    """How a seed denoiser is made from a main model: noise prediction on the noised reference images.

    The condition is drawn independently of the image (nobody uses the labels of the reference set) and is "no condition" with
    probability ``null_share``. The learning rate warms up over the first tenth of the steps and then falls along half a cosine.
    """

    steps: PositiveInt = 300
    batch_size: PositiveInt = 32
    lr: PositiveFloat = 2e-3
    null_share: Share = 0.1


class NoiseWeights(Spec):
    """How a peer weighs the noises that its main model and its neighbours' seeds predict.

    ``uniform`` counts heads, ``size`` images, ``class`` images of the class asked for ("no condition" counts all images).
    ``self_weight`` is ``"share"`` (the main model is one member among others) or the weight of the main model in [0, 1], the seeds
    sharing the rest. There is no weighting by confidence: a predicted noise has none.
    """

    weights: Literal["uniform", "size", "class"] = "class"
    self_weight: Literal["share"] | Annotated[float, Field(ge=0, le=1)] = "share"
