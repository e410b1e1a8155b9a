"""The tables of a scenario in which peers train a denoiser together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt

from clients.compute import Compute
from clients.diffusion.config import AnyJudge
from clients.diffusion.judges.spec import Svm
from clients.diffusion.spec import DenoiserSpec, DenoiserTraining, Sampling
from clients.spec import Spec
from server.diffusion.release.policies import POLICIES, PolicySpec
from simulator.events.contract import EventSpec
from simulator.scenarios import scenario as common
from simulator.scenarios.scenario import AnyTopology
from simulator.tasks.diffusion.events import EVENTS
from simulator.tasks.diffusion.tables import FederationTable

if TYPE_CHECKING:
    AnyEvent = EventSpec
    AnyPolicy = PolicySpec
else:  # the registries know their members only at run time
    AnyEvent = EVENTS.union()
    AnyPolicy = POLICIES.union()

Share = Annotated[float, Field(gt=0, le=1)]


class Revival(Spec):
    """Measurements of an attack.

    Parameters
    ----------
    target, others : int
        Samples of the erased concept, and of each other class, that are drawn and judged.
    noise_levels : tuple of float
        Gaussian fills to try, in standard deviations of a layer.
    sparsities : tuple of float
        Shares of a row to cut from the original.
    shares : tuple of float
        Shares of peers that cut, to try with each of ``policies``.
    policies : tuple of tables
        Policies to try.
    """

    target: PositiveInt = 60
    others: PositiveInt = 10
    noise_levels: tuple[NonNegativeFloat, ...] = ()
    sparsities: tuple[Share, ...] = ()
    shares: tuple[Share, ...] = ()
    policies: tuple[AnyPolicy, ...] = ()


class Diffusion(common.Scenario):
    """A scenario in which peers train a denoiser: first a public backbone, then, in rounds, the weights that encode concepts.

    Parameters
    ----------
    denoiser : table
        Architecture of the denoiser.
    denoising : table
        Training of the denoiser.
    sampling : table
        Sampling settings.
    compute : table
        Device of denoisers and completions.
    judge : table
        The classifier that evaluates samples.
    topology : table, optional
        The graph of neighbours, for ``hdus``.
    revival : table
        Measurements of an attack.
    """

    task: Literal["diffusion"]
    denoiser: DenoiserSpec = DenoiserSpec()
    denoising: DenoiserTraining = DenoiserTraining()
    sampling: Sampling = Sampling()
    compute: Compute = Compute()
    judge: AnyJudge = Svm()
    federation: FederationTable
    topology: AnyTopology | None = None
    revival: Revival = Revival()
    event: tuple[AnyEvent, ...] = ()

    @property
    def policy(self) -> PolicySpec | None:
        """The policy by which a server makes what it releases; None if it releases nothing."""
        made: PolicySpec | None = getattr(getattr(self.federation, "release", self.federation), "policy", None)
        return made
