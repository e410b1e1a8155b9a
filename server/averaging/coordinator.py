"""The averaging server: its state, its rounds and its history; subclasses know the model."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Generic, TypeVar

from flwr.app import ArrayRecord, ConfigRecord, RecordDict

from clients import wire
from clients.averaging.order import Order
from clients.unlearning.contract import Cost, Outcome, UnlearningError
from clients.unlearning.general.contract import Learning
from server.aggregation.mean import check_aggregate, misfit, weighted_mean
from server.averaging import unlearning
from server.averaging.contract import Arrays, Averaged, Update
from server.averaging.history import History
from server.averaging.methods import method_of
from server.coordinator import Coordinator, Exchanges
from server.ledger import OutcomeLine, RoundRecord
from server.mailbox import MailboxState
from server.timeline import Erasure, Round

U = TypeVar("U", bound=Update)


class Averaging(Coordinator, Generic[U]):
    """The averaging server; see `Coordinator`.

    Parameters
    ----------
    averaged : Averaged
    start : dict of str to float array
        The global model before the first round.

    Attributes
    ----------
    weights : dict of str to float array
        The global model, which peers train.
    memory : dict of str to float64 array
        State of the server's optimizer.
    cohort : frozenset of int
        Peers that train in the current round.
    orders : dict of int to Order
        Peers that unlearn, or measure for it, in the current exchange.
    measured : frozenset of int
        Peers that have measured in the current round; they get a message, so that what they sent is no longer kept as their last update.
    solved : dict of int to Outcome
        Outcomes of this round's requests that the server has carried out itself, by the index of the erasure.
    """

    delay: ClassVar[int] = 0
    latest: ClassVar[tuple[str, ...]] = ()
    """Names of parts of the state that replays leave as they are, and of which the history has the last version only."""

    def __init__(self, averaged: Averaged, start: Arrays) -> None:
        self.averaged, self.ledger, self.start = averaged, averaged.ledger, start
        self.past = averaged.past
        self.history = History(self.ledger.history(), averaged.keeping, self.latest)
        self._fresh: dict[str, bytes] = {}
        self._told: list[tuple[Erasure, Outcome | None]] | None = None
        self._steps: dict[int, int] = {}
        self.cohort: frozenset[int] = frozenset()
        self.orders: dict[int, Order] = {}
        self.measured: frozenset[int] = frozenset()
        self.solved: dict[int, Outcome] = {}
        self._records: dict[str, ArrayRecord] = {}
        self.adopt({name: kept for name in self.names if (kept := self._kept(name))})

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parts of the state."""
        return ("global", "memory")

    @abstractmethod
    def read(self, peer: int, blob: bytes) -> U:
        """Decode a peer's update."""

    def adopt(self, parts: Mapping[str, Arrays]) -> None:
        """Set the state from its parts, by name; missing parts are as before the first round."""
        self.weights = dict(parts.get("global", self.start))
        self.memory: Arrays = dict(parts.get("memory", {}))

    def parts(self) -> dict[str, Arrays]:
        """Return the parts of the state, by name."""
        return {"global": self.weights, "memory": self.memory}

    def records(self) -> dict[str, ArrayRecord]:
        """Return the records sent to every peer that trains; the same objects for all, so that engines recognise them by identity."""
        if not self._records:
            self._records = self.handed_out()
        return self._records

    def handed_out(self) -> dict[str, ArrayRecord]:
        """Return the global model as a record."""
        return {"global": wire.pack(wire.to_bytes(self.weights))}

    def prepare(self, now: Round, mailbox: MailboxState, record: RoundRecord, exchanges: Exchanges) -> None:
        """Carry out the requests of a round, before its messages go out."""
        self._fresh = record.artefacts
        due = [one for one in self.averaged.timeline.erasures if one.round == now.round]
        for one in due:
            self.history.forget(one.peer)
            mailbox.newest.pop(one.peer, None)
        if due:
            mailbox.coming = [parcel for parcel in mailbox.coming if parcel.owner not in {one.peer for one in due}]
            self._told, self._steps = [], {}
            before = self.fingerprint()
            self.carry_out(due, now, mailbox, record, exchanges)
            if record.rewritten is not None:  # one replay serves all requests of a round; its cost is recorded with the first
                self._steps = {due[0].index: exchanges.steps}
            told, self._told = self._told or (), None
            record.outcomes += [self._line(one, outcome, before) for one, outcome in told]

    def fingerprint(self) -> str:
        """Return the SHA-256 of the global model."""
        return wire.sha256(wire.to_bytes(self.weights))

    def _line(self, erasure: Erasure, told: Outcome | None, before: str) -> OutcomeLine:
        """Return the outcome to record of an erasure; one that claims to have changed no weight has the model's hashes as evidence."""
        outcome = self._outcome(erasure, told)
        weights = (before, self.fingerprint()) if outcome.guarantee == "behavioural" else None
        return OutcomeLine(erasure.index, erasure.peer, outcome, weights)

    def outcome(self, erasure: Erasure, told: Outcome | None) -> Outcome | None:
        """Return the outcome to record for an erasure; None while a replay that it belongs to is running, which records it at its end."""
        if self._told is not None:
            self._told.append((erasure, told))
            return None
        return self._outcome(erasure, told)

    def _outcome(self, erasure: Erasure, told: Outcome | None) -> Outcome:
        """Return the outcome of an erasure; the cost of a replay is that of the first erasure that it served.

        A method that a peer carried out itself costs what the peer says.
        """
        told = self.solved.pop(erasure.index, told if method_of(erasure).by_peers else None)
        own = Outcome(Cost(), "approximate") if told is None else told
        steps = self._steps.pop(erasure.index, 0) + own.cost.gradient_steps
        return Outcome(Cost(gradient_steps=steps), self.guarantee(erasure), notes=own.notes)

    def guarantee(self, erasure: Erasure) -> str:
        """Return the guarantee of an erasure, which is that of its method."""
        return method_of(erasure).guarantee

    def carry_out(self, due: Sequence[Erasure], now: Round, mailbox: MailboxState, record: RoundRecord, exchanges: Exchanges) -> None:
        """Remove the data that the requests of a round name from the global model."""
        methods = {method_of(one).tag for one in due}
        if "retrain" in methods:
            self.replay(1, now, mailbox, record, exchanges)
        elif "rollback" in methods:
            self.replay(self.rollback(now.round), now, mailbox, record, exchanges)
        elif self.past.contact(now.round) < now.round and any(method_of(one).by_peers or method_of(one).by_server for one in due):
            unlearning.carry_out(self, due, now, mailbox, record, exchanges)

    def rollback(self, number: int) -> int:
        """Return the first round that must be replayed for the requests of a round."""
        return self.past.rollback(number)

    def replay(self, first: int, now: Round, mailbox: MailboxState, record: RoundRecord, exchanges: Exchanges) -> None:
        """Restore the state before round ``first``, and replay the rounds from there on without the data erased up to now.

        Nothing made since then is kept: no model, no moments, no update, not even one in transit.

        Raises
        ------
        UnlearningError
            If the history does not hold the model to start from.
        """
        if first >= now.round:
            return
        before = self.history.state(first - 1)
        if first > 1 and not before:
            raise UnlearningError(f"round {now.round}: the model after round {first - 1} is not kept: let history keep models")
        self.adopt({name: wire.from_bytes(self.bytes_of(sha256)) for name, sha256 in before.items()})
        self.history.cut(first)
        record.rewritten = first
        mailbox.newest.clear()
        mailbox.coming.clear()
        exchanges.begin_again(self.past.touched(first, now.round))
        for number in range(first, now.round):
            again = self.past.again(number, now.round)
            self.train(again, exchanges)
            self.take(again, mailbox, record)
            self.act_again(again)
            self.remember(number, record)
            self.drop_obsolete(mailbox, record, exchanges)

    def train(self, now: Round, exchanges: Exchanges) -> None:
        """Let the present peers of a round, past or constructed, train the current global model; updates arrive in the mailbox."""
        self.cohort, self._records = frozenset(now.present), {}
        exchanges.train(now)

    def act_again(self, past: Round) -> None:
        """Repeat, in a replayed round, the server's own changes to the state."""

    def addressed(self, now: Round, mailbox: MailboxState) -> Sequence[int]:
        """Return the round's cohort, the present peers with pending requests, and those that have measured."""
        self.cohort, self._records = frozenset(self.averaged.cohorts.draw(now.round, now.present)), {}
        measured, self.measured = self.measured, frozenset()
        return [peer for peer in now.present if peer in self.cohort or peer in measured or mailbox.owes(peer)]

    def payload(self, peer: int, now: Round) -> Mapping[str, ArrayRecord | ConfigRecord]:
        """Return the global model."""
        return self.records()

    def traffic(self, reply: RecordDict) -> int:
        """Return the bytes of the records that were sent out and of the update that came back."""
        sums = [one.bytes_of_totals for one in self.orders.values()]
        there = sum(len(wire.unpack(record)) for record in self._records.values()) + max(sums, default=0)
        return there + (len(wire.unpack(reply.array_records["seed"])) if "seed" in reply else 0)

    def close(self, now: Round, mailbox: MailboxState, record: RoundRecord) -> None:
        """Aggregate the arrived updates, measure, and write the state to the record."""
        self._fresh = record.artefacts
        updates = self.take(now, mailbox, record)
        self.measure(now, updates, record)
        self._records = {}
        record.models.update(self.remember(record.round, record))
        record.history = self.history.snapshot()

    def take(self, now: Round, mailbox: MailboxState, record: RoundRecord) -> list[U]:
        """Aggregate the arrived updates and return them; without any, the model stays unchanged. ``DivergedError`` if it overflows."""
        if updates := self.collect(now, mailbox, record):
            self.fold(now.round, updates)
            check_aggregate(now.round, self.weights)
        return updates

    def collect(self, now: Round, mailbox: MailboxState, record: RoundRecord) -> list[U]:
        """Return the valid updates that have arrived, in peer order; add them to the history if it keeps updates."""
        updates = []
        for parcel in mailbox.take_arrived(now.round):
            update = self.read(parcel.owner, self.bytes_of(parcel.sha256))
            if update.count and update.weights and self.accepted(update, record):
                updates.append(update)
                self.history.add_update(now.round, parcel.owner, parcel.sha256, parcel.size)
        return updates

    def arrived(self, now: Round, mailbox: MailboxState) -> list[U]:
        """Return the updates that have arrived, in peer order, as they are."""
        return [self.read(parcel.owner, self.bytes_of(parcel.sha256)) for parcel in mailbox.take_arrived(now.round)]

    def replace(self, weights: Arrays) -> None:
        """Set the global model to weights that a method has changed."""
        self.weights = dict(weights)

    def learning(self, number: int) -> Learning:
        """Return how the global model was trained before a round; servers whose model is a network do."""
        raise NotImplementedError

    def measure(self, now: Round, updates: Sequence[U], record: RoundRecord) -> None:
        """Measure the model after a round."""

    def fold(self, number: int, updates: Sequence[U]) -> None:
        """Move the global model towards the mean of the updates."""
        self.weights, memory = self.averaged.optimizer.take(number, self.weights, self.mean(updates), self.memory)
        self.memory = dict(memory)

    def mean(self, updates: Sequence[U]) -> Arrays:
        """Return the mean of the updates, weighted by rows or equally."""
        equal = self.averaged.weighting == "equal"
        return weighted_mean([update.weights for update in updates], [1.0 if equal else float(update.count) for update in updates])

    def refusal(self, update: U) -> str | None:
        """Return why an update cannot be aggregated, or None if it can."""
        return misfit(update.weights, self.weights)

    def accepted(self, update: U, record: RoundRecord) -> bool:
        """Return whether an update can be aggregated; write a refusal to the record."""
        reason = self.refusal(update)
        if reason is not None:
            record.events.append(("refused", (update.peer,), reason))
        return reason is None

    def _kept(self, name: str) -> Arrays | None:
        sha256 = self.ledger.model(name)
        return None if sha256 is None else wire.from_bytes(self.ledger.artefact(sha256))

    def bytes_of(self, sha256: str) -> bytes:
        """Return an artefact of this round or an earlier one."""
        return self._fresh.get(sha256) or self.ledger.artefact(sha256)

    def remember(self, number: int, record: RoundRecord) -> dict[str, str]:
        """Add the state after a round to the history; return the hashes of its parts that are written."""
        blobs = {name: wire.to_bytes(arrays) for name, arrays in self.parts().items() if self.written(name, arrays)}
        hashes = {name: wire.sha256(blob) for name, blob in blobs.items()}
        record.artefacts.update({hashes[name]: blob for name, blob in blobs.items()})
        self.history.add_state(number, blobs, hashes)
        return hashes

    def written(self, name: str, arrays: Arrays) -> bool:
        """Return whether a part of the state is written after a round: one that holds anything."""
        return bool(arrays)

    def drop_obsolete(self, mailbox: MailboxState, record: RoundRecord, exchanges: Exchanges) -> None:
        """Drop artefacts of a replay that are no longer needed; those of a long replay would fill memory and disk."""
        needed = self.history.hashes() | mailbox.alive() | exchanges.held()
        for sha256 in record.artefacts.keys() - needed:
            del record.artefacts[sha256]
