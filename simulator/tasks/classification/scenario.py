"""The tables of a scenario in which peers classify, each with its neighbours' seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from clients.brief import AnyMain, AnyModel
from clients.distillation import Distillation
from clients.ensemble import Ensemble
from clients.training import Training
from simulator import scenario as common
from simulator.events import EVENTS, EventSpec
from simulator.scenario import AnyTopology

if TYPE_CHECKING:
    from simulator.resolution import Resolution

    AnyEvent = EventSpec
else:  # the registry knows its members only at run time
    AnyEvent = EVENTS.union()

Metric = Literal["accuracy.global.main", "accuracy.global.ensemble", "accuracy.local.main", "accuracy.local.ensemble"]


class Peers(common.Peers):
    """Who takes part: ``count`` peers with main models dealt in turn, one common seed model, and names for groups of them."""

    main: Annotated[tuple[AnyMain, ...], Field(min_length=1)]
    seed: AnyModel


class Expect(common.Expect):
    """What must hold ``after`` a round: a ``metric`` within bounds (of the federation, or of one ``peer``), nobody holding the seed of the
    ``absent`` peer, or every peer as if ``peer`` had never joined.
    """

    metric: Metric | None = None


class Classification(common.Scenario):
    """A scenario in which peers classify: main models on private rows, seed models for their neighbours, ensembles of both."""

    task: Literal["classification"] = Field("classification", exclude=True)  # plans from before there were tasks keep their hash
    peers: Peers
    training: Training = Training()
    distillation: Distillation = Distillation()
    ensemble: Ensemble = Ensemble()
    topology: AnyTopology
    event: tuple[AnyEvent, ...] = ()
    expect: tuple[Expect, ...] = ()

    @classmethod
    def resolution_of(cls) -> type[Resolution[Any]]:
        """Return what draws the random choices of this task."""
        from simulator.tasks.classification.resolution import ClassificationResolution

        return ClassificationResolution
