"""The tables of HDUS for diffusion: main models, the seed denoiser, its distillation, the ensemble of noises. Imports nothing heavy."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from clients.diffusion.spec import DenoiserSpec, Share
from clients.iterations import Iterations
from clients.spec import Spec
from clients.unlearning.exact.schedule import StepSchedule


class PlainDenoiser(Spec):
    """The denoiser of the table ``[denoiser]``, which is trained again from the public backbone to forget images."""

    kind: Literal["denoiser"] = "denoiser"


class ShardedDenoiser(Spec):
    """Denoisers on disjoint shards of the images; a deletion restarts only the shards it touches, from before the images entered.

    The main model predicts the mean of the noises that its shards predict. Shards divide the gradient steps of a round among them, so that
    the work is that of one denoiser; checkpoints, one before each slice but the first, multiply what is stored. A concept is erased from
    each shard by itself, because a common cut would depend on every image. Sharding and slicing are SISA's (Bourtoule et al. 2021, arXiv
    1912.03817), which covers classifiers; the form for denoisers is this project's.

    Parameters
    ----------
    shards : int
        Number of denoisers; an image's keyed hash selects its denoiser.
    slices : int
        Stages of a shard's training: stage k trains on slices 1 to k, and is preceded by a checkpoint.
    base : table
        The denoiser of every shard.
    """

    kind: Literal["sisa"] = "sisa"
    shards: PositiveInt = 2
    slices: PositiveInt = 2
    base: PlainDenoiser = PlainDenoiser()

    def schedules(self, rounds: int, steps: int) -> list[StepSchedule]:
        """Return the schedule of each shard, of ``steps`` per round in all; ``ValueError`` if a slice would get no step."""
        if steps < self.shards:
            raise ValueError(f"sisa cannot divide {steps} steps a round among {self.shards} shards: ask for fewer, or raise steps")
        shares = [steps * (shard + 1) // self.shards - steps * shard // self.shards for shard in range(self.shards)]
        return [StepSchedule(rounds, share, self.slices) for share in shares]


AnyMainDenoiser = Annotated[PlainDenoiser | ShardedDenoiser, Field(discriminator="kind")]


class SeedDenoiser(Spec):
    """The common architecture of seed denoisers; images, classes, and all keys that are not set, are those of the main model.

    A seed starts from a public backbone, as the main model does, and only its learned weights are sent. With the main model's
    architecture both share one backbone, and little is left to learn; a smaller network samples faster, but must learn everything.

    Parameters
    ----------
    learns : {"feed_forward", "all"}
        The feed-forward weights, which carry the concepts, or every weight.
    widths : tuple of int, optional
        Channels of each resolution level, finest first.
    plain_levels : int, optional
        How many of the finest levels have no attention.
    layers : int, optional
        Residual blocks per level.
    condition_width, heads, groups : int, optional
        Width of a condition token, attention heads, groups of the normalisation.
    """

    learns: Literal["feed_forward", "all"] = "feed_forward"
    widths: tuple[PositiveInt, ...] | None = None
    plain_levels: NonNegativeInt | None = None
    layers: PositiveInt | None = None
    condition_width: PositiveInt | None = None
    heads: PositiveInt | None = None
    groups: PositiveInt | None = None

    def beside(self, main: DenoiserSpec) -> DenoiserSpec:
        """Return the complete spec of the seed denoiser for this main model."""
        return main.model_copy(update=self.model_dump(exclude_none=True, exclude={"learns"}))


class SeedDistillation(Spec):
    """How a seed denoiser is made from a main model: noise prediction on the noised reference images.

    The class is drawn independently of the image (nobody uses the labels of the reference set), the style is the one applied to
    the image; both are "no condition" with probability ``null_share``. The learning rate warms up over the first tenth of the steps and
    then falls along half a cosine.

    Parameters
    ----------
    steps : int
        Gradient steps.
    batch_size : int
        Images per gradient step.
    lr : float
        Highest learning rate.
    null_share : float
        Share of images whose class is withheld.
    """

    steps: Iterations = 100
    batch_size: PositiveInt = 32
    lr: PositiveFloat = 5e-3
    null_share: Share = 0.1


class NoiseWeights(Spec):
    """How a peer weights the noises that its main model and its neighbours' seeds predict.

    ``uniform`` counts models, ``size`` images, ``class`` images of the requested class and style ("no condition" counts all).
    ``self_weight`` is ``"share"`` (the main model is one member among others) or the weight of the main model in [0, 1]; the seeds
    share the rest. There is no weighting by confidence: a predicted noise has none.

    Parameters
    ----------
    weights : {"uniform", "size", "class"}
        How predicted noises are weighted: equally, by images, by images of the class.
    self_weight : float or "share"
        Weight of the main model.
    """

    weights: Literal["uniform", "size", "class"] = "class"
    self_weight: Literal["share"] | Annotated[float, Field(ge=0, le=1)] = "share"
