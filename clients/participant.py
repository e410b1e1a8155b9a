"""The interface of every role of peer, which answers the coordinator's messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt
from flwr.app import ArrayRecord, ConfigRecord

from clients import wire
from clients.bookkeeping import BOOKKEEPING as BOOKKEEPING
from clients.bookkeeping import EDGES as EDGES
from clients.bookkeeping import ROWS as ROWS
from clients.config import PeerConfig
from clients.corrections import Correction
from clients.spec import located
from clients.streams import Field
from clients.unlearning.contract import Outcome

Record = ArrayRecord | ConfigRecord


@dataclass(frozen=True)
class Update:
    """An update of a peer: its version, which counts the owner's updates, and its bytes (a safetensors file)."""

    version: int
    blob: bytes = field(repr=False)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the bytes."""
        return wire.sha256(self.blob)


@dataclass(frozen=True)
class Receipt:
    """A holder's confirmation that it removed a seed: owner, version, and SHA-256 of the removed bytes."""

    owner: int
    version: int
    sha256: str


class Participant(Protocol):
    """One simulated peer, loaded from its state.

    Attributes
    ----------
    config : PeerConfig
    stream : tuple
        Key of all random choices of the peer.
    update : Update or None
        The last update that it sent; None before the first.
    held : dict of int to Update
        Neighbours' seeds by owner.
    """

    stream: tuple[Field, ...]

    @property
    def config(self) -> PeerConfig:
        """The peer's constants."""

    update: Update | None
    held: dict[int, Update]

    @classmethod
    def new(cls, config: Any, stream: tuple[Field, ...] | None = None) -> Self:
        """Return an untrained peer with all its rows; ``stream`` replaces the peer's own key (a negative control)."""

    @classmethod
    def restored(cls, config: Any, main: bytes, stream: tuple[Field, ...] | None = None) -> Self:
        """Return the peer with this main artefact, without its own seed and held seeds yet."""

    @property
    def main_blob(self) -> bytes:
        """The main artefact: the peer's state apart from seeds, with the ids of its rows under ``ROWS``."""

    def receive(self, payload: Mapping[str, Record], now: int) -> None:
        """Receive this round's server records by name, those sent with the config included, and the number of the round."""

    def drop(self, owners: Iterable[int]) -> list[Receipt]:
        """Delete these owners' seeds and everything derived from them; return one receipt per seed that was held."""

    def forget(self, ids: Iterable[int]) -> Outcome:
        """Forget own rows, and edges among them, by id; return the outcome."""

    def arrive(self, ids: Iterable[int]) -> Outcome:
        """Take own rows in that arrive, by id; return the outcome. Only peers of cells that take rows in are asked to."""

    def correct(self, corrections: Iterable[Correction]) -> Outcome:
        """Correct own rows; return the outcome. Only peers of cells that correct rows are asked to."""

    def train(self) -> int:
        """Train for one round; return the gradient steps."""

    def distil(self) -> int:
        """Make the update to send; return the gradient steps."""

    def evaluate(self) -> tuple[dict[str, float], npt.NDArray[np.floating[Any]]]:
        """Return metrics by name, and predictions on public inputs, which the final evaluation compares."""


class Shown:
    """Mixin for peers that print as one line, without weights and rows."""

    config: Any
    rows: Any
    held: dict[int, Update]

    def __repr__(self) -> str:
        seeds = f", seeds of {' '.join(map(str, sorted(self.held)))}" if self.held else ""
        return f"<peer {self.config.peer}: {self.config.model}, {len(self.rows)} rows{seeds}>"

    def _repr_html_(self) -> str:
        return f"<code>{escape(repr(self)[1:-1])}</code>"


class Neighbour(Shown):
    """Mixin for peers that hold neighbours' seeds and keep nothing derived from them."""

    def drop(self, owners: Iterable[int]) -> list[Receipt]:
        """Delete these owners' seeds; return one receipt per seed that was held."""
        removed = [(owner, self.held.pop(owner)) for owner in sorted(owners) if owner in self.held]
        return [Receipt(owner, seed.version, seed.sha256) for owner, seed in removed]


def role(config: PeerConfig) -> type[Participant]:
    """Return the participant class that a config names."""
    found: type[Participant] = located(config.participant)
    return found
