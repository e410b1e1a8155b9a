"""Churn: random absences, arrivals and exits of peers, drawn when the scenario is resolved."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveInt

from clients.data import DataError
from clients.data.delimited import read_table
from clients.data.scaling import existing
from clients.spec import Registry, Spec
from clients.streams import uniform
from simulator.events.peers import Peers

if TYPE_CHECKING:
    from simulator.events.world import World

_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")

Probability = Annotated[float, Field(ge=0, le=1)]


class ChurnError(ValueError):
    """A trace that is invalid or cannot be read; the message is one line with file, line and cure."""


class ChurnSpec(Spec):
    """Random absences, arrivals and exits among ``peers``.

    Parameters
    ----------
    peers : list of int or str, optional
        Numbers of peers, or the name of a group; default: all.
    """

    peers: Peers | None = None

    @abstractmethod
    def away(self, peers: Sequence[int], rounds: int, seed: int) -> dict[int, set[int]]:
        """Return for each round ``1 .. rounds`` which of ``peers``, given in ascending order, are away."""

    def absentees(self, peers: Sequence[int], seed: int) -> set[int]:
        """Return which of ``peers`` have not joined when the run begins."""
        return set()

    def change(self, world: World, peers: Sequence[int]) -> None:
        """Let some of ``peers`` arrive or leave in the current round, after its events of membership."""


CHURN: Registry[ChurnSpec] = Registry(
    "lethe.churn",
    "simulator.scenarios.churn:ChurnSpec",
    {
        "markov": "simulator.scenarios.churn:Markov",
        "poisson": "simulator.scenarios.poisson:Poisson",
        "trace": "simulator.scenarios.churn:Trace",
    },
)


class Markov(ChurnSpec):
    """Two states: each round from ``start`` on, an online peer goes away with ``p_off``, and an absent one comes back with ``p_on``.

    Parameters
    ----------
    p_off : float
        Probability per round of going away.
    p_on : float
        Probability per round of coming back.
    start : int
        First round in which a peer may be away.
    """

    kind: Literal["markov"] = "markov"
    p_off: Probability
    p_on: Probability
    start: PositiveInt = 1

    def away(self, peers: Sequence[int], rounds: int, seed: int) -> dict[int, set[int]]:
        """Return the absent peers of each round; each draw is keyed by peer and round."""
        found: dict[int, set[int]] = {number: set() for number in range(1, rounds + 1)}
        for peer in peers:
            off = False
            for number in range(self.start, rounds + 1):
                off = uniform(seed, "churn", peer, number) < (1 - self.p_on if off else self.p_off)
                if off:
                    found[number].add(peer)
        return found


@dataclass(frozen=True)
class Interval:
    """A peer's presence in the rounds ``start <= round < end``; ``line`` names the line of the file."""

    peer: int
    start: int
    end: int
    line: str


class Trace(ChurnSpec):
    """A CSV file with the columns peer, from, to: the peer is present in the rounds ``from <= round < to``.

    With ``period``, round ``period + 1`` is like round 1, and so on. Peers without a line are always present. Intervals are truncated at
    the last round.

    Parameters
    ----------
    path : str
        The file, relative to the scenario's folder.
    period : int, optional
        Rounds after which the trace repeats.
    """

    kind: Literal["trace"] = "trace"
    path: str
    period: PositiveInt | None = None

    def away(self, peers: Sequence[int], rounds: int, seed: int) -> dict[int, set[int]]:
        """Return the absent peers; ``ChurnError`` if the file cannot be read, names another peer, or has an interval outside all rounds."""
        last = self.period or rounds
        present: dict[int, set[int]] = {}
        for one in self._intervals():
            if one.peer not in peers:
                raise ChurnError(f"{self.path}: {one.line} names peer {one.peer}: peers are {peers[0]} to {peers[-1]}")
            if one.start > last:
                raise ChurnError(
                    f"{self.path}: {one.line}: from {one.start} to {one.end} touches none of the rounds 1 to {last}: "
                    "count rounds from 1, no times, or remove the line"
                )
            present.setdefault(one.peer, set()).update(range(one.start, min(one.end, last + 1)))
        found: dict[int, set[int]] = {}
        for number in range(1, rounds + 1):
            place = (number - 1) % self.period + 1 if self.period else number
            found[number] = {peer for peer in peers if peer in present and place not in present[peer]}
        return found

    def _intervals(self) -> Iterator[Interval]:
        """Yield the file's lines."""
        try:
            table = read_table(existing(self.path, "trace"))
        except DataError as error:
            raise ChurnError(f"{self.path}: cannot be read: {str(error).removeprefix(f'{self.path}: ')}") from None
        if table.first != ["peer", "from", "to"]:
            raise ChurnError(f"{self.path}: line 1 must be peer,from,to: add this header")
        for row, cells in enumerate(zip(*(table.column(i, header=True) for i in range(3)), strict=True)):
            line = table.line(row, header=True)
            if not all(map(_NUMBER.fullmatch, cells)):
                raise ChurnError(f"{self.path}: {line} is {','.join(cells)!r}: write three whole numbers, peer,from,to")
            peer, start, end = map(int, cells)
            if not 1 <= start < end:
                raise ChurnError(f"{self.path}: {line}: from {start} to {end} is no interval: write 1 <= from < to")
            yield Interval(peer, start, end, line)
