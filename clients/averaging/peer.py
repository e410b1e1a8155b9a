"""Common base of peers under federated averaging, independent of the model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from flwr.app import ArrayRecord

from clients import wire
from clients.averaging.update import COUNT
from clients.config import PeerConfig
from clients.participant import ROWS, Receipt, Record, Shown, Update
from clients.streams import Field
from clients.unlearning.contract import Cost, Outcome

Arrays = dict[str, npt.NDArray[Any]]


class AveragingPeer(Shown, ABC):
    """A peer that trains the server's global model on its own rows; see `clients.participant.Participant`.

    Between rounds it keeps the ids of its rows and no part of any model.

    Attributes
    ----------
    config : PeerConfig
    rows : int64 array
        Ids of the rows that the peer still has, ascending.
    """

    config: PeerConfig

    def __init__(self, config: Any, rows: npt.NDArray[np.int64], stream: tuple[Field, ...]) -> None:
        self.config, self.rows, self.stream = config, rows, stream
        self.update: Update | None = None
        self.held: dict[int, Update] = {}

    @classmethod
    def new(cls, config: Any, stream: tuple[Field, ...] | None = None) -> Self:
        """Return a peer with all its rows."""
        return cls(config, np.asarray(config.rows, np.int64), stream or config.stream)

    @classmethod
    def restored(cls, config: Any, main: bytes, stream: tuple[Field, ...] | None = None) -> Self:
        """Return the peer whose main artefact has these bytes (no own update yet)."""
        return cls(config, wire.from_bytes(main)[ROWS], stream or config.stream)

    @property
    def main_blob(self) -> bytes:
        """The main artefact: the ids of the rows."""
        return wire.to_bytes({ROWS: self.rows})

    @abstractmethod
    def receive(self, payload: Mapping[str, Record], now: int) -> None:
        """Receive this round's server records by name, and the number of the round."""

    def drop(self, owners: Iterable[int]) -> list[Receipt]:
        """Drop nothing, because peers exchange no seeds."""
        return []

    def forget(self, ids: Iterable[int]) -> Outcome:
        """Forget own rows; removing their influence from the global model is up to the server."""
        self.rows = np.setdiff1d(self.rows, np.asarray(sorted(ids), np.int64))
        return Outcome(Cost(), "approximate")

    @abstractmethod
    def sent(self) -> Arrays:
        """Return the arrays that are sent to the server in addition to the number of rows, by name."""

    def distil(self) -> int:
        """Make the update to send; return 0 gradient steps."""
        version = self.update.version + 1 if self.update else 1
        self.update = Update(version, wire.to_bytes({**self.sent(), COUNT: np.array(len(self.rows))}))
        return 0


def arrays(record: Record) -> ArrayRecord:
    """Return the record, asserting that it holds arrays."""
    assert isinstance(record, ArrayRecord)
    return record
