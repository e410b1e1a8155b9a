"""Requests that are carried out on the global model by a method for networks: by peers who hold the rows, or by the server with their sums.

Averaged with models that still know the rows, a peer's change would come out as small as the peer's share of the federation. The server
therefore takes the changed weights whole, and the rounds that follow, in which nobody trains on the rows any more, repair the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from clients.averaging.order import Order
from clients.unlearning.contract import Outcome
from clients.unlearning.general.contract import Learning, MethodSpec
from server.averaging.contract import Arrays, Update
from server.averaging.methods import method_of
from server.coordinator import Exchanges
from server.exchanges import without_events
from server.ledger import RoundRecord
from server.mailbox import MailboxState
from server.timeline import Erasure, Round


class Server(Protocol):
    """The part of an averaging server that is needed here."""

    start: Arrays
    weights: Arrays
    orders: dict[int, Order]
    measured: frozenset[int]
    solved: dict[int, Outcome]

    def train(self, now: Round, exchanges: Exchanges) -> None:
        """Let the present peers of a round work; their updates arrive in the mailbox."""

    def arrived(self, now: Round, mailbox: MailboxState) -> Sequence[Update]:
        """Return the updates that have arrived, in peer order."""

    def accepted(self, update: Any, record: RoundRecord) -> bool:
        """Return whether an update fits; write a refusal to the record."""

    def replace(self, weights: Arrays) -> None:
        """Set the global model to weights that a method has changed."""

    def learning(self, number: int) -> Learning:
        """Return how the global model was trained before a round."""

    def drop_obsolete(self, mailbox: MailboxState, record: RoundRecord, exchanges: Exchanges) -> None:
        """Drop artefacts that are no longer needed."""


def carry_out(server: Server, due: Sequence[Erasure], now: Round, mailbox: MailboxState, record: RoundRecord, exchanges: Exchanges) -> None:
    """Carry out the requests of a round whose method is one for networks: each peer its own, one after the other, or the server all.

    Updates in transit are dropped: they were trained on the model that knew the rows.
    """
    mailbox.newest.clear()
    mailbox.coming.clear()
    for method, asking in _by_method(due):
        if method.by_server:
            outcome = _solved(server, method, asking, now, mailbox, record, exchanges)
            server.solved |= {one.index: outcome for one in due if one.peer in asking and method_of(one) == method}
            continue
        totals = _measured(server, method, asking, now, mailbox, exchanges) if method.measures() else {}
        for peer in asking[:1] if method.totals_suffice else asking:
            server.orders = {peer: Order(method, totals=totals)}
            server.train(without_events(now, [peer]), exchanges)
            for update in server.arrived(now, mailbox):
                if server.accepted(update, record):
                    server.replace(update.weights)
    server.orders = {}


def _by_method(due: Sequence[Erasure]) -> list[tuple[MethodSpec, list[int]]]:
    """Return every method for networks with the peers that ask for it, ascending; a peer with several requests is taken by its first."""
    found: dict[str, tuple[MethodSpec, list[int]]] = {}
    taken: set[int] = set()
    for one in sorted(due, key=lambda erasure: erasure.peer):
        method = method_of(one)
        if (method.by_peers or method.by_server) and one.peer not in taken:
            taken.add(one.peer)
            found.setdefault(method.model_dump_json(), (method, []))[1].append(one.peer)
    return list(found.values())


def _solved(
    server: Server,
    method: MethodSpec,
    asking: Sequence[int],
    now: Round,
    mailbox: MailboxState,
    record: RoundRecord,
    exchanges: Exchanges,
) -> Outcome:
    """Carry out the requests of some peers by sums over the rows of all present peers; return the outcome.

    In a last exchange those asking forget and correct.
    """

    def ask(question: Arrays) -> Arrays:
        totals = _measured(server, method, asking, now, mailbox, exchanges, question)
        server.drop_obsolete(mailbox, record, exchanges)
        return totals

    away = len(set(now.members) - set(now.present))
    learning = replace(server.learning(now.round), complete=not away)
    key = (*learning.key, "forget", now.round)
    weights, outcome = method.finite(lambda: method.solve(server.weights, learning, ask, server.start, key))
    server.replace(weights)
    server.orders = {peer: Order(method) for peer in asking}
    server.train(without_events(now, asking), exchanges)
    server.arrived(now, mailbox)
    notes = (f"members that were away, whose rows did not count: {away}",) if away else ()
    return Outcome(outcome.cost, outcome.guarantee, notes=(*outcome.notes, *notes))


def _measured(
    server: Server,
    method: MethodSpec,
    asking: Sequence[int],
    now: Round,
    mailbox: MailboxState,
    exchanges: Exchanges,
    question: Arrays | None = None,
) -> Arrays:
    """Return the sums over the rows of all present peers; nobody is told to forget or to correct yet."""
    pending, right = dict(mailbox.requests), dict(mailbox.corrections)
    mailbox.requests.clear()
    mailbox.corrections.clear()
    rows = {peer: tuple(sorted(pending.get(peer, ()))) for peer in asking}
    wrong = {peer: tuple(right.get(peer, ())) for peer in asking}
    server.orders = {peer: Order(method, True, rows.get(peer, ()), question or {}, wrong.get(peer, ())) for peer in now.present}
    server.train(without_events(now, now.present), exchanges)
    mailbox.requests.update(pending)
    mailbox.corrections.update(right)
    server.measured = frozenset(now.present)
    totals: Arrays = {}
    for update in server.arrived(now, mailbox):
        for name, sums in update.weights.items():
            totals[name] = totals[name] + sums if name in totals else sums
    return totals
