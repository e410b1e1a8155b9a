"""Who answers the coordinator's messages: what every role of peer can be asked to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt
from flwr.app import ArrayRecord, ConfigRecord

from clients import wire
from clients.config import PeerConfig
from clients.spec import located
from clients.streams import Field
from clients.unlearning.contract import Outcome

Record = ArrayRecord | ConfigRecord

BOOKKEEPING = "peer/"
"""How the names of arrays in a main artefact begin that are no part of a model."""

ROWS = "peer/rows"
"""Name, in a main artefact, of the ids of the rows that the peer still has, int64, ascending; for every kind of peer."""

EDGES = "peer/edges"
"""Likewise, of the ids of the edges that the peer still has; there only where they are not all that the data set has among its rows."""


@dataclass(frozen=True)
class Update:
    """What a peer sends out as it travels: which one of its owner's, and its bytes (a safetensors file)."""

    version: int
    blob: bytes

    @cached_property
    def sha256(self) -> str:
        """Hash of the bytes."""
        return wire.sha256(self.blob)


@dataclass(frozen=True)
class Receipt:
    """A holder's word that it removed a seed: whose, which version, and the hash of the bytes it held."""

    owner: int
    version: int
    sha256: str


class Participant(Protocol):
    """One simulated peer, awake.

    Attributes
    ----------
    config : PeerConfig
    stream : tuple
        Key of every random choice that it makes.
    update : Update or None
        What it last sent out, None before the first training.
    held : dict of int to Update
        Neighbours' seeds by owner.
    """

    stream: tuple[Field, ...]

    @property
    def config(self) -> PeerConfig:
        """What it was told once."""

    update: Update | None
    held: dict[int, Update]

    @classmethod
    def new(cls, config: Any, stream: tuple[Field, ...] | None = None) -> Self:
        """Return an untrained peer with all its rows; ``stream`` replaces the peer's own key (a negative control)."""

    @classmethod
    def restored(cls, config: Any, main: bytes, stream: tuple[Field, ...] | None = None) -> Self:
        """Return the peer whose main artefact has these bytes (no own seed and no held ones yet)."""

    @property
    def main_blob(self) -> bytes:
        """The main artefact: all that the peer must keep beside its seed, the ids of its rows under ``ROWS``."""

    def receive(self, payload: Mapping[str, Record], now: int) -> None:
        """Take what the server alone sends to this role, by name, and the number of the round; what came with the config comes again."""

    def drop(self, owners: Iterable[int]) -> list[Receipt]:
        """Delete these owners' seeds and everything derived from them; one receipt for each seed that was held."""

    def forget(self, ids: Iterable[int]) -> Outcome:
        """Forget own rows, and edges among them, by id; return what that led to."""

    def train(self) -> int:
        """Train for one round; return the gradient steps."""

    def distil(self) -> int:
        """Make what is sent out; return the gradient steps."""

    def evaluate(self) -> tuple[dict[str, float], npt.NDArray[np.floating[Any]]]:
        """Return metrics, and what the final evaluation compares: answers on public inputs."""


class Neighbour:
    """What peers share that hold neighbours' seeds, and keep nothing derived from them."""

    held: dict[int, Update]

    def drop(self, owners: Iterable[int]) -> list[Receipt]:
        """Delete these owners' seeds; one receipt for each seed that was held."""
        removed = [(owner, self.held.pop(owner)) for owner in sorted(owners) if owner in self.held]
        return [Receipt(owner, seed.version, seed.sha256) for owner, seed in removed]


def role(config: PeerConfig) -> type[Participant]:
    """Return the class of those who live by such a config."""
    found: type[Participant] = located(config.participant)
    return found
