"""Churn: who happens to be away, drawn when the scenario is resolved."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from clients.spec import Registry, Spec
from clients.streams import uniform
from simulator.events.peers import Peers

Probability = Annotated[float, Field(ge=0, le=1)]


class ChurnError(ValueError):
    """A trace that cannot be read; the message is one line with file, line and cure."""


class ChurnSpec(Spec):
    """Who happens to be away: among ``peers``, all unless told."""

    peers: Peers | None = None

    def away(self, peers: Sequence[int], rounds: int, seed: int) -> dict[int, set[int]]:
        """Return for each round ``1 .. rounds`` those of ``peers`` that are away."""
        raise NotImplementedError


CHURN: Registry[ChurnSpec] = Registry(
    "lethe.churn",
    {"markov": "simulator.scenarios.churn:Markov", "trace": "simulator.scenarios.churn:Trace"},
)


class Markov(ChurnSpec):
    """Two states: a peer that is on goes off with ``p_off``, one that is off comes back with ``p_on``, each round from ``start`` on."""

    kind: Literal["markov"] = "markov"
    p_off: Probability
    p_on: Probability
    start: PositiveInt = 1

    def away(self, peers: Sequence[int], rounds: int, seed: int) -> dict[int, set[int]]:
        """Return who is away; each draw is keyed by peer and round."""
        found: dict[int, set[int]] = {number: set() for number in range(1, rounds + 1)}
        for peer in peers:
            off = False
            for number in range(self.start, rounds + 1):
                off = uniform(seed, "churn", peer, number) < (1 - self.p_on if off else self.p_off)
                if off:
                    found[number].add(peer)
        return found


class Trace(ChurnSpec):
    """A CSV file with the columns peer, from, to: the peer is present in the rounds ``from <= round < to``.

    With ``period`` round ``period + 1`` is like round 1, and so on. Peers without a line are always present.
    """

    kind: Literal["trace"] = "trace"
    path: str
    period: PositiveInt | None = None

    def away(self, peers: Sequence[int], rounds: int, seed: int) -> dict[int, set[int]]:
        """Return who is away; ``ChurnError`` if the file cannot be read."""
        present: dict[int, set[int]] = {}
        for peer, start, end in self._intervals():
            present.setdefault(peer, set()).update(range(start, end))
        found: dict[int, set[int]] = {}
        for number in range(1, rounds + 1):
            place = (number - 1) % self.period + 1 if self.period else number
            found[number] = {peer for peer in peers if peer in present and place not in present[peer]}
        return found

    def _intervals(self) -> list[tuple[int, int, int]]:
        """Return the file's lines."""
        path = Path(self.path).expanduser()
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                lines = [(number, line) for number, line in enumerate(csv.reader(file, skipinitialspace=True), start=1) if line]
        except (OSError, UnicodeDecodeError) as error:
            raise ChurnError(f"{self.path}: cannot be read ({error}): correct path (it starts at the scenario file's folder)") from None
        if not lines or [cell.strip() for cell in lines[0][1]] != ["peer", "from", "to"]:
            raise ChurnError(f"{self.path}: line 1 must be peer,from,to: add this header")
        found = []
        for number, line in lines[1:]:
            try:
                peer, start, end = map(int, line)
            except ValueError:
                raise ChurnError(f"{self.path}: line {number} is {','.join(line)!r}: write three whole numbers, peer,from,to") from None
            if not 1 <= start < end:
                raise ChurnError(f"{self.path}: line {number}: from {start} to {end} is no interval: write 1 <= from < to")
            found.append((peer, start, end))
        return found
