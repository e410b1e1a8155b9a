"""The timeline of a diffusion federation: erased concepts, and the server's attacks and defences."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from clients.spec import Spec
from clients.unlearning.pruning import ERASERS
from clients.unlearning.pruning.contract import EraserSpec
from server.defences.fills import FILLS, FillSpec
from server.revival.adversaries import ADVERSARIES, AdversarySpec
from server.timeline import Round, Timeline

if TYPE_CHECKING:
    AnyEraser = EraserSpec
    AnyFill = FillSpec
    AnyAdversary = AdversarySpec
else:  # the registries know their members only at run time
    AnyEraser = ERASERS.union(default="concept_prune")
    AnyFill = FILLS.union()
    AnyAdversary = ADVERSARIES.union(default="zero_scan")


class ConceptErasure(Spec):
    """A request to erase a concept, addressed in one round to some peers, each of which erases it in its own copy."""

    index: int
    round: int
    concept: int
    peers: tuple[int, ...]
    method: AnyEraser


class Attack(Spec):
    """An adversary tries to revive a concept in what the server releases, or in each relayed seed; the models stay unchanged."""

    do: Literal["attack"] = "attack"
    concept: int
    adversary: AnyAdversary
    # left out while it is not set, so that plans from before this key keep their hash
    target: Literal["release", "seed"] = Field("release", exclude_if=lambda target: target == "release")


class Defence(Spec):
    """The server fills the cut permanently."""

    do: Literal["defend"] = "defend"
    fill: AnyFill


Act = Annotated[Attack | Defence, Field(discriminator="do")]


class ConceptRound(Round):
    """One resolved round.

    ``erase`` lists, by peer, the indices of the concept erasures that it is asked for from this round on. ``acts`` are the server's
    attacks and defences, in order, after the replies of the round are aggregated.
    """

    erase: dict[int, tuple[int, ...]] = {}
    acts: tuple[Act, ...] = ()


class ConceptTimeline(Timeline):
    """All rounds in order, and all erasures."""

    rounds: tuple[ConceptRound, ...]
    concepts: tuple[ConceptErasure, ...] = ()

    def asked(self, peer: int, until: int) -> str:
        """Return, as JSON, all requests to erase a concept that a peer has received up to and including a round."""
        indices = [index for past in self.rounds[:until] for index in past.erase.get(peer, ())]
        return json.dumps([self.concepts[index].model_dump(mode="json") for index in indices])
