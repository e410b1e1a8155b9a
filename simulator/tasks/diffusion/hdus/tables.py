"""Peers that train a denoiser each and help each other with seeds; nobody is in the middle."""

from __future__ import annotations

from typing import Literal

from pydantic import NonNegativeInt

from clients.diffusion.hdus.spec import NoiseWeights, SeedDenoiser, SeedDistillation
from simulator.tasks.diffusion.tables import FederationTable


class Hdus(FederationTable):
    """Peers exchange seed denoisers with their neighbours and draw with the weighted mean of all the noises (HDUS; this form is ours).

    Parameters
    ----------
    seed : SeedDenoiser
        The architecture of seeds.
    distillation : SeedDistillation
        How seeds are made.
    ensemble : NoiseWeights
        How predicted noises are weighed.
    judged : int
        Samples of each class that are drawn and judged at every peer after each round, from its ensemble and from its main model alone.
    streams : {"keyed", "sequential"}
        ``"sequential"`` is a negative control: draws depend on how many messages were sent before, and departures are not exact.
    """

    kind: Literal["hdus"] = "hdus"
    seed: SeedDenoiser = SeedDenoiser()
    distillation: SeedDistillation = SeedDistillation()
    ensemble: NoiseWeights = NoiseWeights()
    judged: NonNegativeInt = 2
    streams: Literal["keyed", "sequential"] = "keyed"
