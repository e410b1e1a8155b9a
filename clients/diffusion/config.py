"""The config of peers that train a denoiser."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from pydantic import PositiveInt

from clients.compute import Compute
from clients.config import PeerConfig
from clients.diffusion.judges.spec import JUDGES, JudgeSpec, Svm
from clients.diffusion.spec import DenoiserSpec, DenoiserTraining, Sampling

if TYPE_CHECKING:
    AnyJudge = JudgeSpec
else:  # the registry knows its members only at run time
    AnyJudge = JUDGES.union(default="svm")


class DenoisingConfig(PeerConfig):
    """Constants of a peer that trains a denoiser, whatever its role; ``steps`` are its gradient steps per round.

    ``compute`` says where it trains and samples; its device is resolved, never ``auto``, so that all peers of a run use the same one.
    ``judge`` classifies samples, wherever they are judged.
    """

    denoiser: DenoiserSpec
    denoising: DenoiserTraining
    sampling: Sampling
    steps: PositiveInt
    compute: Compute = Compute()
    judge: AnyJudge = Svm()

    @property
    def model(self) -> str:
        """The denoiser, in one line."""
        return f"denoiser ({self.denoising.design})"

    def computing(self) -> AbstractContextManager[None]:
        """Return a context in which torch's settings are those of ``compute``."""
        return self.compute.active()


