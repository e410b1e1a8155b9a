"""The ``[federation]`` table of peers that train one denoiser each and exchange seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, NonNegativeInt

from clients.diffusion.hdus.spec import NoiseWeights, SeedDenoiser, SeedDistillation
from clients.spec import Spec
from server.diffusion.release.policies import POLICIES, Mean, PolicySpec
from simulator.tasks.diffusion.tables import FederationTable

if TYPE_CHECKING:
    AnyPolicy = PolicySpec
else:  # the registry knows its members only at run time
    AnyPolicy = POLICIES.union(default="mean")


class Release(Spec):
    """The model that the server makes of the seeds, anew in each round: ``start + scale * (mean - start)``, from their public start on.

    Peers then cut erased concepts out of their seeds as well, and the server can be attacked and can defend.

    Parameters
    ----------
    policy : table
        How entries that some seeds have cut are averaged.
    scale : float or "reference"
        How far to move on from the start, at most 100, as weights would overflow. Seeds of different peers differ in different
        directions, so that their plain mean (1) draws badly. ``"reference"`` chooses in each round the factor with the smallest error of
        predicted noise on the public reference images.
    """

    policy: AnyPolicy = Mean()
    scale: Annotated[float, Field(gt=0, le=100)] | Literal["reference"] = 2.0


class Hdus(FederationTable):
    """Peers exchange seed denoisers with their neighbours and sample with the weighted mean of all predicted noises (HDUS in our form).

    Parameters
    ----------
    seed : SeedDenoiser
        The architecture of seeds.
    distillation : SeedDistillation
        Distillation of seeds.
    ensemble : NoiseWeights
        Weights of the predicted noises.
    judged : int
        Samples of each class that are drawn and judged at every peer after each round, from its ensemble and from its main model alone.
    streams : {"keyed", "sequential"}
        ``"sequential"`` is a negative control: draws depend on the number of messages sent so far, and departures are not exact.
    release : Release, optional
        The model that the server makes of the seeds; without the table it makes none.
    """

    kind: Literal["hdus"] = "hdus"
    seed: SeedDenoiser = SeedDenoiser()
    distillation: SeedDistillation = SeedDistillation()
    ensemble: NoiseWeights = NoiseWeights()
    judged: NonNegativeInt = 2
    streams: Literal["keyed", "sequential"] = "keyed"
    # left out while it is not set, so that plans from before this table keep their hash
    release: Release | None = Field(None, exclude_if=lambda release: release is None)
