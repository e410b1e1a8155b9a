"""Messages to peers and their replies; unanswered messages are sent again."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence

from flwr.app import Error, Message, RecordDict
from flwr.serverapp import Grid

from clients import wire
from server.ledger import RoundRecord

ATTEMPTS = 4
"""Attempts per message before its peer counts as lost: the first, and one after each restart of a dead worker."""


RAISED = 2
"""Flower's error code of a peer whose handler raised; all others are about its process, or the way to it."""

_ERROR, _FRAME = re.compile(r"[A-Za-z_][\w.]*: "), re.compile(r'  File "')
"""How the line of a traceback begins that names the error; its message may have further lines."""


class PeerLostError(RuntimeError):
    """A peer that does not answer although its worker was restarted and its state sent again."""


class RefusedError(ValueError):
    """A peer that cannot do what it is asked to, or fails at it, as it would again: the message is one line with peer, reason and cure."""


def greet(grid: Grid, peers: int) -> tuple[list[int], dict[int, str]]:
    """Return the node id of every peer, in peer order, and what each told of its machine.

    Waits until all have connected, and asks those again whose worker died.

    Raises
    ------
    PeerLostError
        If a node gives no answer in ``ATTEMPTS`` attempts.
    RefusedError
        If a peer's handler raises.
    """
    while len(ids := list(grid.get_node_ids())) < peers:
        time.sleep(0.05)
    nodes: dict[int, int] = {}
    machines: dict[int, str] = {}
    waiting, trouble = ids, ""
    for _ in range(ATTEMPTS):
        hello = [Message(RecordDict(), dst_node_id=node, message_type="query.hello") for node in waiting]
        for reply in grid.send_and_receive(hello):
            if reply.has_error():
                trouble = _trouble(f"node {reply.metadata.src_node_id}", reply.error)
            else:
                who = reply.content.config_records["who"]
                peer = wire.integer(who, "peer")
                nodes[peer], machines[peer] = reply.metadata.src_node_id, str(who["machine"])
        waiting = sorted(set(ids) - set(nodes.values()))
        if not waiting:
            return [nodes[peer] for peer in range(peers)], machines
    raise PeerLostError(f"nodes {waiting}: no answer after {ATTEMPTS} attempts; {trouble}")


def ask(
    grid: Grid,
    kind: str,
    orders: Mapping[int, RecordDict],
    nodes: Sequence[int],
    add_state: Callable[[RecordDict, int], None],
    record: RoundRecord,
) -> dict[int, RecordDict]:
    """Return each peer's reply; send unanswered messages again, with the peer's state, because its worker may have lost it.

    Parameters
    ----------
    grid : Grid
    kind : str
        Flower message type.
    orders : mapping of int to RecordDict
        Message by peer; state is added in place before a further attempt.
    nodes : sequence of int
        Node id by peer.
    add_state : callable
        Adds a peer's config and state to its message.
    record : RoundRecord
        Receives errors of replies as incidents.

    Raises
    ------
    PeerLostError
        If a peer gives no answer in ``ATTEMPTS`` attempts.
    RefusedError
        If a peer refuses, or its handler raises: it is not asked again, since its answer would be the same.
    """
    replies: dict[int, RecordDict] = {}
    waiting = list(orders)
    trouble = ""
    for _ in range(ATTEMPTS):
        peers = {nodes[peer]: peer for peer in waiting}
        group = str(record.round)
        messages = [Message(orders[peer], dst_node_id=node, message_type=kind, group_id=group) for node, peer in peers.items()]
        for reply in grid.send_and_receive(messages):
            peer = peers[reply.metadata.src_node_id]
            if reply.has_error():
                trouble = f"peer {peer}: {_trouble(f'round {record.round}: peer {peer}', reply.error)}"
                record.incidents.append(trouble)
                continue
            told = reply.content.config_records["status"]
            if told["status"] == "refused":
                raise RefusedError(f"round {record.round}: peer {peer}: {told['reason']!s}")
            if told["status"] != "blank":
                replies[peer] = reply.content
        waiting = [peer for peer in waiting if peer not in replies]
        if not waiting:
            return replies
        for peer in waiting:
            add_state(orders[peer], peer)
    raise PeerLostError(f"round {record.round}: no answer after {ATTEMPTS} attempts; {trouble or f'peers {waiting}'}")


def _trouble(who: str, error: Error) -> str:
    """Return the line that says why there is no answer; ``RefusedError`` if the same message would end likewise again."""
    lines = (error.reason or "").strip().splitlines() or ["no reason given"]
    if error.code != RAISED:
        return lines[-1]
    after = max((number for number, line in enumerate(lines) if _FRAME.match(line)), default=-1) + 1
    line = next((line for line in lines[after:] if _ERROR.match(line)), lines[-1])
    raise RefusedError(f"{who} fails, as it would again: {line}: mend the cause, then resume the run")
