"""Requests that the peers who hold the rows carry out on the global model, by a method for networks.

Averaged with models that still know the rows, a peer's change would come out as small as the peer's share of the federation. The server
therefore takes the changed weights whole, and the rounds that follow, in which nobody trains on the rows any more, repair the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from clients.averaging.order import Order
from clients.unlearning.general.contract import MethodSpec
from server.averaging.contract import Arrays, Update
from server.averaging.methods import method_of
from server.coordinator import Exchanges
from server.exchanges import without_events
from server.ledger import RoundRecord
from server.mailbox import MailboxState
from server.timeline import Erasure, Round


class Server(Protocol):
    """The part of an averaging server that is needed here."""

    orders: dict[int, Order]
    measured: frozenset[int]

    def train(self, now: Round, exchanges: Exchanges) -> None:
        """Let the present peers of a round work; their updates arrive in the mailbox."""

    def arrived(self, now: Round, mailbox: MailboxState) -> Sequence[Update]:
        """Return the updates that have arrived, in peer order."""

    def take_whole(self, now: Round, mailbox: MailboxState, record: RoundRecord) -> None:
        """Take an arrived update as the global model."""


def carry_out(server: Server, due: Sequence[Erasure], now: Round, mailbox: MailboxState, record: RoundRecord, exchanges: Exchanges) -> None:
    """Let peers carry out, one after the other, the requests of a round whose method is one for peers.

    Updates in transit are dropped: they were trained on the model that knew the rows.
    """
    mailbox.newest.clear()
    mailbox.coming.clear()
    for method, asking in _by_method(due):
        totals = _measured(server, method, asking, now, mailbox, exchanges) if method.measures() else {}
        for peer in asking[:1] if method.totals_suffice else asking:
            server.orders = {peer: Order(method, totals=totals)}
            server.train(without_events(now, [peer]), exchanges)
            server.take_whole(now, mailbox, record)
    server.orders = {}


def _by_method(due: Sequence[Erasure]) -> list[tuple[MethodSpec, list[int]]]:
    """Return every method for peers with the peers that ask for it, ascending; a peer with several requests is taken by its first."""
    found: dict[str, tuple[MethodSpec, list[int]]] = {}
    taken: set[int] = set()
    for one in sorted(due, key=lambda erasure: erasure.peer):
        method = method_of(one)
        if method.by_peers and one.peer not in taken:
            taken.add(one.peer)
            found.setdefault(method.model_dump_json(), (method, []))[1].append(one.peer)
    return list(found.values())


def _measured(server: Server, method: MethodSpec, asking: Sequence[int], now: Round, mailbox: MailboxState, exchanges: Exchanges) -> Arrays:
    """Return the sums over the rows of all present peers; those asking are not told to forget or to correct yet."""
    pending = {peer: mailbox.requests.pop(peer) for peer in asking if peer in mailbox.requests}
    right = {peer: mailbox.corrections.pop(peer) for peer in asking if peer in mailbox.corrections}
    rows = {peer: tuple(sorted(ids)) for peer, ids in pending.items()}
    orders = ((peer, rows.get(peer, ()), tuple(right.get(peer, ()))) for peer in now.present)
    server.orders = {peer: Order(method, True, gone, corrections=wrong) for peer, gone, wrong in orders}
    server.train(without_events(now, now.present), exchanges)
    mailbox.requests.update(pending)
    mailbox.corrections.update(right)
    server.measured = frozenset(now.present)
    totals: Arrays = {}
    for update in server.arrived(now, mailbox):
        for name, sums in update.weights.items():
            totals[name] = totals[name] + sums if name in totals else sums
    return totals
