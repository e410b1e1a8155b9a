"""Choice of peers by a criterion."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from clients.spec import Spec
from clients.streams import key_hash
from simulator.events.peers import EventError
from simulator.events.world import World

Fraction = Annotated[float, Field(gt=0, le=1)]


class Select(Spec):
    """Members chosen by a criterion at the event's turn: a number, or a share of the eligible members (rounded up).

    ``random`` draws; ``degree`` and ``betweenness`` take the most central peers in the current graph; ``largest`` those with most rows;
    ``class_holder`` those with most rows of the class ``label``, at least one. Ties go to the lower peer number.

    Parameters
    ----------
    by : {"random", "degree", "betweenness", "largest", "class_holder"}
        The criterion.
    count : int, optional
        Number of members.
    fraction : float, optional
        Share of the members instead, rounded up.
    label : int or str, optional
        Name of the class, for ``class_holder``.
    """

    by: Literal["random", "degree", "betweenness", "largest", "class_holder"]
    count: PositiveInt | None = None
    fraction: Fraction | None = None
    label: int | str | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Select:
        if (self.count is None) == (self.fraction is None):
            raise ValueError("needs either count or fraction: give one of them")
        if (self.by == "class_holder") != (self.label is not None):
            raise ValueError("label goes with by = 'class_holder' and only with it: add or remove label")
        return self

    def resolve(self, world: World) -> list[int]:
        """Return the chosen members, ascending; ``EventError`` if there are too few, or no graph to rank them in."""
        members = world.membership.members()
        score = self._scores(world, members)
        eligible = [peer for peer in members if self.by != "class_holder" or score[peer] > 0]
        wanted = self.count if self.count is not None else math.ceil((self.fraction or 0) * len(eligible))
        if wanted > len(eligible) or not eligible:
            holders = f" with rows of class {self.label}" if self.by == "class_holder" else ""
            raise EventError(f"select asks for {wanted} peers, but {len(eligible)} members{holders} are left: ask for fewer, or earlier")
        return sorted(sorted(eligible, key=lambda peer: (-score[peer], peer))[:wanted])

    def _scores(self, world: World, members: list[int]) -> dict[int, float]:
        """Return each member's score; the highest scores are chosen."""
        if self.by in ("degree", "betweenness") and not world.connected:
            raise EventError(f"select.by = {self.by!r} ranks neighbours, which no peer has without a graph: take random or largest")
        if self.by == "random":
            return {peer: float(key_hash(world.seed, "select", world.round, world.event, peer)) for peer in members}
        if self.by == "degree":
            return {peer: float(world.graph.degree[peer]) for peer in members}
        if self.by == "betweenness":
            import networkx as nx

            return {peer: round(value, 12) for peer, value in nx.betweenness_centrality(world.graph).items()}
        if self.by == "largest":
            return {peer: float(len(world.rows[peer])) for peer in members}
        return {peer: float(len(world.labelled(peer, '' if self.label is None else self.label))) for peer in members}
