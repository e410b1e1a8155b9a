"""Which erasures have been carried out, and what that led to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from flwr.app import ConfigRecord, RecordDict

from clients import wire
from clients.config import PeerConfig
from clients.unlearning.contract import Cost, Outcome
from server.coordinator import Coordinator
from server.ledger import FEDERATION, Ledger, OutcomeLine, RoundRecord
from server.timeline import Erasure, Timeline


class Outcomes:
    """Books the outcome of every erasure of a timeline in the round in which it has been carried out, once.

    A deletion has been when its peer says so, a departure when nobody owes a receipt for it any more. What is booked is the coordinator's
    to say: a server that keeps something of everybody knows better than the peer.
    """

    def __init__(self, timeline: Timeline, ledger: Ledger, coordinator: Coordinator) -> None:
        self.timeline, self.coordinator = timeline, coordinator
        self.booked = set(ledger.outcomes())

    def tell(self, config: PeerConfig, reply: RecordDict, record: RoundRecord) -> None:
        """Book what a peer's reply says of the requests that it has carried out."""
        if "outcome" not in reply:
            return
        told = reply.config_records["outcome"]
        weights = (str(told["before"]), str(told["after"])) if told["before"] else None
        for erasure in self._open(record):
            mine = (erasure.peer, erasure.generation) == (config.peer, config.generation)
            if mine and not self.timeline.departs(erasure):
                self._book(erasure, config.peer, _read(told), weights, record)

    def close(self, owed: Mapping[int, Mapping[int, Iterable[int]]], record: RoundRecord) -> None:
        """Book the departures for which nobody owes a receipt (``owed``: erasures by holder and owner) any more."""
        self.booked |= {line.erasure for line in record.outcomes}  # those too that the coordinator has booked itself
        waiting = {erasure for owners in owed.values() for erasures in owners.values() for erasure in erasures}
        for erasure in self._open(record):
            if self.timeline.departs(erasure) and erasure.index not in waiting:
                self._book(erasure, FEDERATION, None, None, record)

    def _open(self, record: RoundRecord) -> list[Erasure]:
        """Return the erasures that are due and not booked."""
        return [one for one in self.timeline.erasures if one.round <= record.round and one.index not in self.booked]

    def _book(self, erasure: Erasure, peer: int, told: Outcome | None, weights: tuple[str, str] | None, record: RoundRecord) -> None:
        outcome = self.coordinator.outcome(erasure, told)
        if outcome is not None:
            self.booked.add(erasure.index)
            record.outcomes.append(OutcomeLine(erasure.index, peer, outcome, weights))


def _read(told: ConfigRecord) -> Outcome:
    """Return the outcome that a reply tells."""
    cost = Cost(wire.integer(told, "gradient_steps"), wire.integer(told, "parts"))
    certificate = str(told["certificate"])
    return Outcome(cost, str(told["guarantee"]), json.loads(certificate) if certificate else None, tuple(wire.strings(told, "notes")))
