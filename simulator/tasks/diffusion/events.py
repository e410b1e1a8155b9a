"""Events of diffusion federations, in addition to those of every task."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from clients.diffusion.spec import Concept
from clients.spec import Registry
from clients.unlearning.pruning.concept_prune import ConceptPrune
from server.defences.fills import Gaussian
from server.diffusion.timeline import AnyAdversary, AnyEraser, AnyFill, Attack, Defence
from server.revival.adversaries import ZeroScan
from simulator.events import COMMON
from simulator.events.contract import EventSpec, Stage
from simulator.events.peers import EventError, Peers
from simulator.events.world import World
from simulator.tasks.diffusion.world import ConceptWorld

EVENTS: Registry[EventSpec] = Registry(
    "lethe.diffusion_events",
    "simulator.events.contract:EventSpec",
    {
        **COMMON,
        "attack": "simulator.tasks.diffusion.events:AttackEvent",
        "defend": "simulator.tasks.diffusion.events:DefendEvent",
        "erase": "simulator.tasks.diffusion.events:EraseEvent",
    },
    tag="do",
)


def _concept(value: Any) -> Any:
    """Validate a concept explicitly, so that a wrong value gives one error."""
    if isinstance(value, bool) or not (isinstance(value, str) or (isinstance(value, int) and value >= 0)):
        raise ValueError(f"is {value!r}: give the number of a class, or the name of a style")
    return value


Named = Annotated[Concept, BeforeValidator(_concept), WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string"}]})]
"""A class by its number, or a style by its name."""


class EraseEvent(EventSpec):
    """Peers, or ``"all"`` members, erase a concept from their copies by ``method``; absent peers do so when they are present again.

    From then on they do not train on images of this class or style, and keep their cuts.

    Parameters
    ----------
    concept : int or str
        A class by its number, or a style by its name.
    peers : list of int or str
        Numbers of peers, the name of a group, or ``"all"``.
    method : table
        The eraser; see ``lethe methods``.
    """

    stage: ClassVar[Stage] = "request"
    do: Literal["erase"] = "erase"
    concept: Named
    peers: Peers
    method: AnyEraser = ConceptPrune()

    def resolve(self, world: World) -> None:
        """Schedule the erasure."""
        concepts = _world(world)
        concept = concepts.number(self.concept)
        everyone = self.peers == "all" and "all" not in world.groups
        peers = world.membership.members() if everyone else world.named(self.peers)
        for peer in peers:
            world.membership.require_member(peer, "erase a concept")
        concepts.request(concept, peers, self.method)
        late = [peer for peer in peers if peer not in world.online]
        waits = f"; peers {' '.join(map(str, late))} when present again" if late else ""
        world.tell("erase", peers, f"concept {concepts.called(concept)} by {self.method.tag}{waits}")


class AttackEvent(EventSpec):
    """An adversary with stated knowledge tries to revive an erased concept, and the result is measured; nothing changes.

    Parameters
    ----------
    concept : int or str
        A class by its number, or a style by its name.
    adversary : table
        The adversary, which determines attack and knowledge; see ``lethe methods``.
    target : {"release", "seed"}
        What the server releases; or, under ``hdus``, each relayed seed by itself, which a curious neighbour could attack.
    """

    stage: ClassVar[Stage] = "server"
    do: Literal["attack"] = "attack"
    concept: Named
    adversary: AnyAdversary = ZeroScan()
    # left out while it is not set, so that plans from before this key keep their hash
    target: Literal["release", "seed"] = Field("release", exclude_if=lambda target: target == "release")

    def resolve(self, world: World) -> None:
        """Schedule the attack."""
        concepts = _world(world)
        concept = concepts.number(self.concept)
        asked = concepts.asked_to_erase(concept)
        if not asked:
            raise EventError(f"nobody has erased concept {self.concept} by round {world.round}: put an erase event before, or into, it")
        if self.adversary.knowledge == "UnprunedClient" and not set(world.membership.members()) - asked:
            raise EventError(f"every member was asked to erase concept {self.concept}, so nobody has an uncut copy: take another adversary")
        concepts.act(Attack(concept=concept, adversary=self.adversary, target=self.target))
        where = " in each seed" if self.target == "seed" else ""
        world.tell("attack", (), f"concept {concepts.called(concept)}{where} by {self.adversary.tag}")


class DefendEvent(EventSpec):
    """The server fills the cut, so that it cannot be located; the fill stays unchanged in every later round.

    Parameters
    ----------
    fill : table
        The fill; see ``lethe methods``.
    """

    stage: ClassVar[Stage] = "server"
    do: Literal["defend"] = "defend"
    fill: AnyFill = Gaussian(relative=1.0)

    def resolve(self, world: World) -> None:
        """Schedule the defence."""
        concepts = _world(world)
        if not concepts.concepts:
            raise EventError(f"nothing has been erased by round {world.round}: put an erase event before, or into, it")
        concepts.act(Defence(fill=self.fill))
        world.tell("defend", (), f"the cut is filled: {self.fill.tag}")


def _world(world: World) -> ConceptWorld:
    """Return the simulation state, asserting that concepts can be erased in it."""
    assert isinstance(world, ConceptWorld)
    return world
