"""The tables of a scenario of averaged classifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from clients.classification.averaging.trigger import Trigger
from clients.classification.compute import USUAL, ClassifierCompute
from clients.models import AnyModel, ModelSpec
from clients.privacy.settings import LocalTraining
from simulator.events import EVENTS
from simulator.events.contract import EventSpec
from simulator.scenarios import scenario as common
from simulator.tasks.classification.averaging.tables import FedAdam, FedAvg, FedProx

if TYPE_CHECKING:
    AnyEvent = EventSpec
else:  # the registry knows its members only at run time
    AnyEvent = EVENTS.union()


def _refused(why: str) -> Any:
    """Return the type of a key that other federations of classifiers have but this one does not; the text says why."""

    def refuse(value: Any) -> Any:
        if value is not None:
            raise ValueError(f"belongs to an hdus federation; in this one {why}: remove it")
        return value

    return Annotated[Any, SkipJsonSchema(), AfterValidator(refuse)]  # type: ignore[type-arg]


def _one(value: tuple[ModelSpec, ...]) -> tuple[ModelSpec, ...]:
    """Raise ``ValueError`` unless exactly one model is given."""
    if len(value) != 1:
        raise ValueError(f"lists {len(value)} models, but an averaging federation has one, the global model: list exactly one")
    return value


class Backdoor(Trigger):
    """Peers that plant a backdoor in rows of theirs: a trigger, and the class that it calls for.

    Parameters
    ----------
    peers : list of int
        The peers.
    """

    peers: Annotated[tuple[int, ...], Field(min_length=1)]

    def of(self, peer: int) -> Trigger | None:
        """Return what a peer plants; None if it plants nothing."""
        return Trigger.model_validate(self.model_dump(exclude={"peers"})) if peer in self.peers else None


class Peers(common.Peers):
    """The peers: their number ``count``, the one model that they train together, and names for groups of them.

    Parameters
    ----------
    main : list of one table
        The model that the peers train together.
    backdoor : table, optional
        Peers that plant a backdoor.
    """

    main: Annotated[tuple[AnyModel, ...], AfterValidator(_one)]
    seed: _refused("peers send weights, and distil no seed model") = Field(None, exclude=True)  # type: ignore[valid-type]
    # left out where nothing is planted: plans from before there were backdoors keep their hash
    backdoor: Backdoor | None = Field(None, exclude_if=lambda backdoor: backdoor is None)

    @model_validator(mode="after")
    def _of_members(self) -> Self:
        if self.backdoor and (strangers := [peer for peer in self.backdoor.peers if not 0 <= peer < self.count]):
            raise ValueError(f"backdoor names peer {strangers[0]}: peers are 0 to {self.count - 1}")
        named = self.backdoor.peers if self.backdoor else ()
        if twice := [peer for peer in named if named.count(peer) > 1]:
            raise ValueError(f"backdoor names peer {twice[0]} twice: name it once")
        return self


class AveragedScenario(common.Scenario):
    """A scenario in which peers train one classifier, and a server averages their updates; ``[training]`` is one round's local work.

    Parameters
    ----------
    compute : table
        Where networks are trained.
    training : table
        A round's local work.
    """

    task: Literal["classification"] = Field("classification", exclude=True)
    federation: Annotated[FedAvg | FedProx | FedAdam, Field(discriminator="kind")]
    peers: Peers
    training: LocalTraining = LocalTraining()
    # left out where nothing is set: plans from before there was such a table keep their hash
    compute: ClassifierCompute = Field(USUAL, exclude_if=lambda compute: compute == USUAL)
    event: tuple[AnyEvent, ...] = ()
    topology: _refused("peers know a server only") = Field(None, exclude=True)  # type: ignore[valid-type]
    distillation: _refused("peers send weights, and distil no seed model") = Field(None, exclude=True)  # type: ignore[valid-type]
    ensemble: _refused("there is one model, and nothing to combine") = Field(None, exclude=True)  # type: ignore[valid-type]
