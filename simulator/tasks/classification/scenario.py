"""The tables of a scenario in which peers classify, each with its neighbours' seeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from clients.brief import AnyMain, AnyModel
from clients.distillation import Distillation
from clients.ensemble import Ensemble
from clients.spec import Spec
from clients.training import Training
from simulator import scenario as common
from simulator.complaints import suggestion
from simulator.errors import ScenarioError
from simulator.events import EVENTS, EventSpec
from simulator.scenario import AnyTopology
from simulator.tasks import CLASSIFYING

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


class Hdus(Spec):
    """Peers exchange seed models with their neighbours; nobody is in the middle."""

    kind: Literal["hdus"] = "hdus"


class Classification(common.Scenario):
    """A scenario in which peers classify: main models on private rows, seed models for their neighbours, ensembles of both."""

    # what is the same for all is left out: plans from before there were tasks and federations keep their hash
    task: Literal["classification"] = Field("classification", exclude=True)
    federation: Hdus = Field(Hdus(), exclude=True)
    peers: Peers
    training: Training = Training()
    distillation: Distillation = Distillation()
    ensemble: Ensemble = Ensemble()
    topology: AnyTopology
    event: tuple[AnyEvent, ...] = ()
    expect: tuple[Expect, ...] = ()

    @classmethod
    def variant(cls, raw: Mapping[str, Any], source: str = "scenario") -> type[common.Scenario]:
        """Return the class of scenarios with this ``[federation]`` table; ``ScenarioError`` if its kind is unknown."""
        table = raw.get("federation")
        kind = table.get("kind", "hdus") if isinstance(table, dict) else "hdus"
        if not isinstance(kind, str) or kind not in CLASSIFYING.targets():
            raise ScenarioError([f"{source}: federation.kind = {kind!r} is unknown: {suggestion(kind, CLASSIFYING.targets())}"])
        return CLASSIFYING.load(kind)

    @classmethod
    def variants(cls) -> list[type[common.Scenario]]:
        """Return the classes for each kind of federation."""
        return CLASSIFYING.specs()

    @classmethod
    def resolution_of(cls) -> type[Resolution[Any]]:
        """Return what draws the random choices of this task."""
        from simulator.tasks.classification.resolution import ClassificationResolution

        return ClassificationResolution
