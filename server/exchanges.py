"""Additional exchanges inside a round: messages of a coordinator that precede the round's own."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Protocol

from flwr.app import ArrayRecord
from flwr.serverapp import Grid

from clients.corrections import Correction
from server.ledger import FEDERATION, PeerState, RoundRecord
from server.mailbox import MailboxState
from server.timeline import Round, Timeline


class Messenger(Protocol):
    """The part of the round loop that additional exchanges use; see `server.app.Federation`."""

    timeline: Timeline
    mailbox: MailboxState
    states: dict[int, PeerState]
    initialised: set[int]
    blobs: dict[str, ArrayRecord]

    def exchange(self, grid: Grid, now: Round, kind: str, record: RoundRecord) -> None:
        """Send every present peer its message and write the replies to the record."""


class Further:
    """Additional exchanges of one round; see `server.coordinator.Exchanges`.

    Their cost is recorded with the round: gradient steps as the peers' ``unlearning_steps``, rows whose gradients were
    taken for methods as ``unlearning_rows``, bytes of models as ``bytes_replayed``,
    seconds as ``replay``.
    """

    def __init__(self, federation: Messenger, grid: Grid, now: Round, record: RoundRecord) -> None:
        self.federation, self.grid, self.now, self.record = federation, grid, now, record
        self._steps: dict[int, float] = {}
        self._rows: dict[int, float] = {}
        self._bytes = self._seconds = 0.0

    def train(self, now: Round) -> None:
        """Let the present peers of a round train; store their states and post their updates."""
        if not now.present:
            return
        clock = time.perf_counter()
        scratch = RoundRecord(self.now.round, artefacts=self.record.artefacts)
        self.federation.exchange(self.grid, now, "train", scratch)
        self.record.events += scratch.events
        self.record.incidents += scratch.incidents
        self.record.outcomes += scratch.outcomes
        for peer, name, value in scratch.metrics:
            if peer == FEDERATION:
                self._bytes += value if name == "bytes_overlay" else 0.0
            elif name in ("gradient_steps", "unlearning_steps"):
                self._steps[peer] = self._steps.get(peer, 0.0) + value
            elif name == "unlearning_rows":
                self._rows[peer] = self._rows.get(peer, 0.0) + value
        self._seconds += time.perf_counter() - clock
        self.federation.blobs.clear()  # reading blobs from disk again costs less than the memory that a long replay would fill

    def begin_again(self, peers: Iterable[int]) -> None:
        """Reset peers to their config; they are to forget again, and to correct again, what they have been asked to up to this round."""
        for peer in peers:
            self.federation.states.pop(peer, None)
            self.federation.initialised.discard(peer)
            forgotten, corrected = set[int](), list[Correction]()
            for past in self.federation.timeline.rounds[: self.now.round]:
                if peer in past.generation:
                    forgotten.clear()
                    corrected.clear()
                forgotten.update(past.forget.get(peer, ()))
                corrected.extend(past.correct.get(peer, ()))
            if forgotten:
                self.federation.mailbox.requests.setdefault(peer, set()).update(forgotten)
            if corrected:
                self.federation.mailbox.corrections[peer] = corrected

    @property
    def steps(self) -> int:
        """Gradient steps of all exchanges so far."""
        return int(sum(self._steps.values()))

    def held(self) -> set[str]:
        """Return the SHA-256 hashes of the last states of all peers."""
        return {sha256 for state in self.federation.states.values() for sha256 in (state.main, state.seed)}

    def book(self) -> None:
        """Write the cost of the exchanges to the record."""
        self.record.metrics += [(peer, "unlearning_steps", steps) for peer, steps in sorted(self._steps.items())]
        self.record.metrics += [(peer, "unlearning_rows", rows) for peer, rows in sorted(self._rows.items())]
        if self._steps:
            self.record.metrics.append((FEDERATION, "bytes_replayed", self._bytes))
            self.record.timings.append((FEDERATION, "replay", self._seconds))


def without_events(now: Round, peers: Sequence[int]) -> Round:
    """Return the round as an exchange with some peers, in which nobody crashes or is late and nothing happens."""
    changes = {"present": tuple(peers), "crash": {}, "late": {}, "happenings": (), "erased": (), "forget": {}, "generation": {}}
    return now.model_copy(update=changes)
