"""The tables of a scenario in which peers classify with their neighbours' seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, field_validator

from clients.classification.compute import USUAL, ClassifierCompute
from clients.classification.hdus.config import AnyMain
from clients.classification.hdus.distillation import Distillation
from clients.classification.hdus.ensemble import Ensemble
from clients.models import AnyModel
from clients.spec import Spec
from clients.training import Training
from simulator.events import EVENTS
from simulator.events.contract import EventSpec
from simulator.scenarios import scenario as common
from simulator.scenarios.devices import Device
from simulator.scenarios.scenario import AnyTopology

if TYPE_CHECKING:
    AnyEvent = EventSpec
else:  # the registry knows its members only at run time
    AnyEvent = EVENTS.union()


_NOT_PRIVATE = (
    "private is for servers that average classifiers: a main model here that trains again for a deletion would send what the same noise "
    "hid before: take federation.kind = 'fedavg', or remove the key"
)


class Peers(common.Peers):
    """The peers: their number ``count``, main models assigned in turn, one common seed model, and names for groups of peers.

    With ``devices``, results tell simulated seconds beside rounds, and models that do not fit a device are refused; what is computed stays
    the same.

    Parameters
    ----------
    main : list of tables
        Main models, assigned to the peers in turn: networks, or unlearners.
    seed : table
        The seed model that every peer distils for its neighbours.
    devices : list of tables, optional
        Profiles of what peers run on, assigned to the peers in turn.
    """

    main: Annotated[tuple[AnyMain, ...], Field(min_length=1)]
    seed: AnyModel
    # an empty key is left out, so that plans from before it existed keep their hash
    devices: tuple[Device, ...] = Field((), exclude_if=lambda devices: not devices)


class Hdus(Spec):
    """Peers exchange seed models with their neighbours; no server aggregates."""

    kind: Literal["hdus"] = "hdus"


class HdusScenario(common.Scenario):
    """A scenario in which peers classify: main models on private rows, seed models for their neighbours, ensembles of both.

    Parameters
    ----------
    compute : table
        Where networks are trained.
    training : table
        A round's local work on the main model.
    distillation : table
        Distillation of seed models.
    ensemble : table
        How a peer combines its main model with its neighbours' seeds.
    topology : table
        The graph of neighbours.
    """

    # constant keys are left out, so that plans from before tasks and federations existed keep their hash
    task: Literal["classification"] = Field("classification", exclude=True)
    federation: Hdus = Field(Hdus(), exclude=True)
    peers: Peers
    training: Training = Training()
    # left out where nothing is set: plans from before there was such a table keep their hash
    compute: ClassifierCompute = Field(USUAL, exclude_if=lambda compute: compute == USUAL)
    distillation: Distillation = Distillation()
    ensemble: Ensemble = Ensemble()
    topology: AnyTopology
    event: tuple[AnyEvent, ...] = ()

    @field_validator("training", mode="before")
    @classmethod
    def _not_private(cls, table: Any) -> Any:
        """Refuse training by DP-SGD with the reason, where an unknown key would only be named."""
        if isinstance(table, dict) and "private" in table:
            raise ValueError(_NOT_PRIVATE)
        return table
