"""The simulation state during resolution of a diffusion scenario: with concept erasures, and the server's attacks and defences."""

from __future__ import annotations

from collections.abc import Sequence

from clients.diffusion.spec import Concept
from clients.unlearning.pruning.contract import EraserSpec
from server.diffusion.timeline import Attack, ConceptErasure, Defence
from simulator.events.peers import EventError
from simulator.events.world import Setting, World


class ConceptWorld(World):
    """The state that events may read and change.

    Parameters
    ----------
    setting : Setting
    names : sequence of int or str
        The concepts' names in the scenario, by number: classes first, then styles.

    Attributes
    ----------
    concepts : list of ConceptErasure
        All requests so far.
    orders : dict of int to list of int
        Indices of the requests that each peer receives in this round.
    acts : list
        The server's attacks and defences in this round.
    """

    def __init__(self, setting: Setting, names: Sequence[Concept]) -> None:
        super().__init__(setting)
        self.names = names
        self.concepts: list[ConceptErasure] = []
        self.orders: dict[int, list[int]] = {}
        self.acts: list[Attack | Defence] = []
        self._waiting: dict[int, list[int]] = {}

    def number(self, concept: Concept) -> int:
        """Return the number of a concept; ``EventError`` if there is none of this name."""
        if concept not in self.names:
            styles = [name for name in self.names if isinstance(name, str)]
            and_styles = f", the styles {', '.join(styles)}" if styles else "; there are no styles" if isinstance(concept, str) else ""
            raise EventError(f"concept {concept} is unknown: the classes are 0 to {len(self.names) - len(styles) - 1}{and_styles}")
        return self.names.index(concept)

    def called(self, concept: int) -> str:
        """Return a concept's name in the scenario, and that of the class in the data where it differs."""
        name = str(self.names[concept])
        own = self.classes[concept] if concept < len(self.classes) else name
        return name if own == name else f"{name} (class {own})"

    def asked_to_erase(self, concept: int) -> set[int]:
        """Return the peers that have been asked to erase a concept."""
        return {peer for one in self.concepts if one.concept == concept for peer in one.peers}

    def request(self, concept: int, peers: Sequence[int], method: EraserSpec) -> None:
        """Schedule a concept erasure for each peer in the first round in which it is present; ``EventError`` if a peer had it before."""
        again = sorted(self.asked_to_erase(concept).intersection(peers))
        if again:
            raise EventError(f"peer {again[0]} was asked to erase concept {self.names[concept]} before: name others")
        one = ConceptErasure(index=len(self.concepts), round=self.round, concept=concept, peers=tuple(peers), method=method)
        self.concepts.append(one)
        for peer in peers:
            self._waiting.setdefault(peer, []).append(one.index)

    def act(self, act: Attack | Defence) -> None:
        """Schedule an attack or a defence at the end of the round."""
        self.acts.append(act)

    def carry_out(self) -> None:
        """Assign due deletions and concept erasures to present peers."""
        super().carry_out()
        self.orders = {peer: self._waiting.pop(peer) for peer in sorted(self.online) if peer in self._waiting}

    def taken_acts(self) -> tuple[Attack | Defence, ...]:
        """Return and reset the attacks and defences of this round."""
        acts, self.acts = tuple(self.acts), []
        return acts
