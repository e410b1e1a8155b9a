"""The timeline of a federation that draws pictures: what is erased from the model, and what the server does to it."""

from __future__ import annotations

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
    """A request to erase a concept: numbered in order, made in a round of some peers, each of which erases in its own copy."""

    index: int
    round: int
    concept: int
    peers: tuple[int, ...]
    method: AnyEraser


class Attack(Spec):
    """The server tries to revive a concept; nothing changes."""

    do: Literal["attack"] = "attack"
    concept: int
    adversary: AnyAdversary


class Defence(Spec):
    """The server fills the cut; the fill stays."""

    do: Literal["defend"] = "defend"
    fill: AnyFill


Act = Annotated[Attack | Defence, Field(discriminator="do")]


class ConceptRound(Round):
    """One round, resolved.

    ``erase`` gives, by peer, the numbers of the concept erasures that it is asked for from this round on; ``acts`` are what the server
    does, in order, once the replies of the round are folded.
    """

    erase: dict[int, tuple[int, ...]] = {}
    acts: tuple[Act, ...] = ()


class ConceptTimeline(Timeline):
    """All rounds in order, and everything that must be forgotten in them."""

    rounds: tuple[ConceptRound, ...]
    concepts: tuple[ConceptErasure, ...] = ()
