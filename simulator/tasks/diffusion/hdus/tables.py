"""The ``[federation]`` table of peers that train one denoiser each and exchange seeds."""

from __future__ import annotations

from typing import Literal

from pydantic import NonNegativeInt

from clients.diffusion.hdus.spec import NoiseWeights, SeedDenoiser, SeedDistillation
from simulator.tasks.diffusion.tables import FederationTable


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
    """

    kind: Literal["hdus"] = "hdus"
    seed: SeedDenoiser = SeedDenoiser()
    distillation: SeedDistillation = SeedDistillation()
    ensemble: NoiseWeights = NoiseWeights()
    judged: NonNegativeInt = 2
    streams: Literal["keyed", "sequential"] = "keyed"
