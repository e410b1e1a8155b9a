"""The outcomes of erasures that have been carried out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace

from flwr.app import ConfigRecord, RecordDict

from clients import wire
from clients.config import PeerConfig
from clients.unlearning.contract import COST_NOTE, Cost, Outcome
from server.coordinator import Coordinator
from server.ledger import FEDERATION, Ledger, OutcomeLine, RoundRecord
from server.timeline import Erasure, Timeline


class Outcomes:
    """Records the outcome of every erasure of a timeline once, in the round in which it is completed.

    A deletion is completed when its peer reports it, a departure when no holder owes a receipt for it. The coordinator decides the
    outcome: a server that keeps state of its own knows more than the peer.
    """

    def __init__(self, timeline: Timeline, ledger: Ledger, coordinator: Coordinator) -> None:
        self.timeline, self.coordinator = timeline, coordinator
        self.booked = set(ledger.outcomes())

    def tell(self, config: PeerConfig, reply: RecordDict, record: RoundRecord) -> None:
        """Record the outcome that a peer's reply reports for the requests it has carried out; the cost of all is that of the first."""
        first: dict[str, int] = {}
        for erasure in self._open(record):
            name = "outcome" if erasure.correction is None else "corrected"
            mine = (erasure.peer, erasure.generation) == (config.peer, config.generation)
            if mine and name in reply and not self.timeline.departs(erasure):
                told = reply.config_records[name]
                weights = (str(told["before"]), str(told["after"])) if told["before"] else None
                outcome = _read(told)
                if first.setdefault(name, erasure.index) != erasure.index:
                    outcome = _counted(outcome, first[name])
                self._book(erasure, config.peer, outcome, weights, record)

    def close(self, owed: Mapping[int, Mapping[int, Iterable[int]]], record: RoundRecord) -> None:
        """Record the departures for which no receipt is owed any more (``owed``: erasures by holder and owner)."""
        self.booked |= {line.erasure for line in record.outcomes}  # includes those that the coordinator has recorded itself
        waiting = {erasure for owners in owed.values() for erasures in owners.values() for erasure in erasures}
        for erasure in self._open(record):
            if self.timeline.departs(erasure) and erasure.index not in waiting:
                self._book(erasure, FEDERATION, None, None, record)

    def _open(self, record: RoundRecord) -> list[Erasure]:
        """Return the erasures that are due and have no outcome yet."""
        return [one for one in self.timeline.erasures if one.round <= record.round and one.index not in self.booked]

    def _book(self, erasure: Erasure, peer: int, told: Outcome | None, weights: tuple[str, str] | None, record: RoundRecord) -> None:
        outcome = self.coordinator.outcome(erasure, told)
        if outcome is not None:
            self.booked.add(erasure.index)
            record.outcomes.append(OutcomeLine(erasure.index, peer, outcome, weights))


def _counted(outcome: Outcome, first: int) -> Outcome:
    """Return the outcome without its cost, which is counted with another erasure."""
    if outcome.cost == Cost():
        return outcome
    return replace(outcome, cost=Cost(), notes=(*outcome.notes, f"{COST_NOTE}counted with erasure {first}, which the same message served"))


def _read(told: ConfigRecord) -> Outcome:
    """Return the outcome that a reply reports."""
    cost = Cost(wire.integer(told, "gradient_steps"), wire.integer(told, "parts"))
    certificate = str(told["certificate"])
    return Outcome(cost, str(told["guarantee"]), json.loads(certificate) if certificate else None, tuple(wire.strings(told, "notes")))
