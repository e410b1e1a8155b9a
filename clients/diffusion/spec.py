"""The tables that describe a denoiser, its training and its sampler. This module imports nothing heavy."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from clients.iterations import Iterations, IterationsFromZero
from clients.spec import Spec

Style = Literal["plain", "inverted", "shifted", "thick"]
Axis = Literal["class", "style"]
Concept = int | str
"""A concept that can be erased: a class by its number, or a style by its name."""
Share = Annotated[float, Field(ge=0, le=1)]


class DenoiserSpec(Spec):
    """A ``UNet2DConditionModel`` with learned condition tokens in place of a text encoder.

    Parameters
    ----------
    size, channels : int
        Side of the square images in pixels, and their channels.
    classes : int
        Number of classes; one more condition, the last, stands for "no condition".
    styles : tuple of str
        Second axis of conditions, each a fixed map of images; empty for none.
    widths : tuple of int
        Channels of each resolution level, finest first.
    plain_levels : int
        How many of the finest levels have no attention, hence no feed-forward block.
    layers : int
        Residual blocks per level.
    condition_width, heads, groups : int
        Width of a condition token, attention heads, groups of the normalisation.
    feed_forward_std : float or None
        Standard deviation of the initial feed-forward output weights; None for the library's default. Near zero, the learned
        part outweighs the random initialisation.
    """

    size: PositiveInt = 8
    channels: PositiveInt = 1
    classes: PositiveInt = 10
    styles: tuple[Style, ...] = ()
    widths: tuple[PositiveInt, ...] = (32, 64)
    plain_levels: NonNegativeInt = 0
    layers: PositiveInt = 1
    condition_width: PositiveInt = 32
    heads: PositiveInt = 8
    groups: PositiveInt = 8
    feed_forward_std: PositiveFloat | None = 0.001

    @property
    def concepts(self) -> tuple[Concept, ...]:
        """All concepts that can be erased, in the order of their numbers: the classes, then the styles."""
        return *range(self.classes), *self.styles

    def axis(self, number: int) -> tuple[Axis, int]:
        """Return the axis on which the concept of this number lies, and its id there."""
        return ("class", number) if number < self.classes else ("style", number - self.classes)


class NoiseSchedule(Spec):
    """The forward process of the diffusion.

    Parameters
    ----------
    timesteps : int
        Steps from image to noise.
    betas : {"linear", "scaled_linear", "squaredcos_cap_v2"}
        Schedule of the noise variances, by its name in diffusers.
    """

    timesteps: Iterations = 400
    betas: Literal["linear", "scaled_linear", "squaredcos_cap_v2"] = "squaredcos_cap_v2"


class DenoiserTraining(Spec):
    """How a denoiser is trained; budgets are numbers of gradient steps, never minutes.

    ``two_phase`` trains a backbone that cannot know the class, then the feed-forward weights alone; ``low_rank`` does the same but
    learns the feed-forward output as a product of rank ``rank`` (in a federation a new one each round, sent merged into the weights);
    ``joint`` trains everything at once for the sum of both budgets.

    Parameters
    ----------
    design : {"two_phase", "low_rank", "joint"}
        Which weights are trained in which phase.
    backbone_steps : int
        Gradient steps of the public backbone.
    concept_steps : int
        Gradient steps of the feed-forward weights; a federation has its own number (``federation.steps``).
    batch_size : int
        Images per gradient step.
    lr : float
        Highest learning rate.
    final_lr : float
        Learning rate at the end.
    warmup : int
        Steps over which the learning rate rises.
    weight_decay : float
        Decoupled weight decay.
    clip : float
        Largest norm of a gradient.
    ema : float
        Decay of the moving average of weights, in [0, 1).
    null_share : float
        Share of images whose class is withheld.
    rank : int
        Rank of the product, for ``low_rank``.
    noise : table
        The forward process.
    """

    design: Literal["two_phase", "low_rank", "joint"] = "two_phase"
    backbone_steps: IterationsFromZero = 1461
    concept_steps: IterationsFromZero = 2317
    batch_size: PositiveInt = 64
    lr: PositiveFloat = 2e-3
    final_lr: PositiveFloat = 1e-5
    warmup: PositiveInt = 100
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    clip: PositiveFloat = 1.0
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.998
    null_share: Share = 0.1
    rank: PositiveInt = 8
    noise: NoiseSchedule = NoiseSchedule()


class Sampling(Spec):
    """DDIM with classifier-free guidance: ``e = e_null + guidance * (e_cond - e_null)``.

    Parameters
    ----------
    steps : int
        Sampler steps.
    guidance : float
        Weight of the guidance.
    batch_size : int
        Samples drawn at once.
    """

    steps: Iterations = 10
    guidance: Annotated[float, Field(ge=0)] = 2.0
    batch_size: PositiveInt = 64


DIGITS = DenoiserSpec()
MNIST16 = DenoiserSpec(size=16)
CIFAR32 = DenoiserSpec(size=32, channels=3, widths=(32, 64, 64), plain_levels=1)
SMOKE = DenoiserSpec(widths=(16,), condition_width=16, heads=2)
"""One level and 64 k parameters: for smoke tests, never for reported results."""

FULL_BUDGET = DenoiserTraining()
QUICK_BUDGET = DenoiserTraining(backbone_steps=842, concept_steps=1262)
SMOKE_BUDGET = DenoiserTraining(backbone_steps=100, concept_steps=100)
