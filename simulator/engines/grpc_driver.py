"""The driver's end of the ``grpc`` engine: it starts peers, sends messages, and relays seeds that a neighbour cannot provide."""

from __future__ import annotations

import os
import queue
import signal
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import grpc
import msgpack  # type: ignore[import-untyped]
from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.clientapp import ClientApp

from clients import wire
from simulator.engines import grpc_link
from simulator.engines.certificates import Authority
from simulator.engines.codec import decode_replies, encode_requests
from simulator.engines.grid import DIED, EXPIRED, FAILED, refusal
from simulator.engines.grpc_fork_server import ForkServer
from simulator.engines.grpc_peer import Settings
from simulator.errors import StoppedError

START_SECONDS = 60.0
PURGE_SECONDS = 5.0
ATTEMPTS = 4
STARTS = 3
"""Attempts to start the process of a peer."""


@dataclass
class Remote:
    """A peer's process as seen by the driver."""

    peer: int
    pid: int
    line: Connection
    address: str = ""
    channel: grpc.Channel | None = None

    def is_dead(self, wait: float = 0.0) -> bool:
        """Return whether the process has ended, which closes its end of the connection."""
        return self.line.closed or self.line.poll(wait)

    def end(self) -> None:
        """Kill the process."""
        if self.channel:
            self.channel.close()
        if not self.is_dead():
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self.line.poll(START_SECONDS)
        self.line.close()


@dataclass
class Errand:
    """All messages of one batch for one peer: their positions in the batch, and the number of attempts to send them."""

    peer: int
    places: list[int]
    attempt: int = 0


class Peers:
    """The transport over gRPC.

    Parameters
    ----------
    fork_server : ForkServer
        Starts the peers' processes.
    client_app : ClientApp or str
        What answers messages at a peer, or where it is found.
    peers : int
        Number of peers.
    width : int
        Number of peers that handle messages at once.

    Attributes
    ----------
    bytes_physical : int
        All bytes of contents so far: to and from the driver, relayed, and between peers.
    bytes_peer_to_peer : int
        Those sent directly from peer to peer.
    bytes_relayed : int
        Those that the driver sent because the owner could not.
    """

    def __init__(self, fork_server: ForkServer, client_app: ClientApp | str, peers: int, width: int) -> None:
        self._fork_server = fork_server
        self._app = client_app if isinstance(client_app, str) else _pickled(client_app)
        self._width = width
        self._authority = Authority()
        self._identity = self._authority.issue(grpc_link.DRIVER)
        self._mail: dict[str, bytes] = {}
        self._through_driver = self.bytes_peer_to_peer = self.bytes_relayed = 0
        self._relay, self._relay_address = grpc_link.serve(self._identity, {"fetch": self._hand_out})
        self.remotes: list[Remote] = []
        self._count = peers
        try:
            self.remotes = [self._fork(peer) for peer in range(peers)]
            for peer in range(peers):
                self._greet(peer)
        except BaseException:
            self.close()
            raise

    @property
    def bytes_physical(self) -> int:
        """All bytes of contents so far."""
        return self._through_driver + self.bytes_peer_to_peer + self.bytes_relayed

    def deliver(self, messages: Sequence[Message], timeout: float | None) -> list[Message]:
        """Send every peer its messages, at most ``width`` peers at a time; return the replies in the order of the messages."""
        deadline = None if timeout is None else time.monotonic() + timeout
        errands: dict[int, Errand] = {}
        for place, message in enumerate(messages):
            peer = message.metadata.dst_node_id - 1
            errands.setdefault(peer, Errand(peer, [])).places.append(place)
        contents = [self._without_mail(message.content) for message in messages]
        self._purge(messages)
        replies: dict[int, Message] = {}
        for errand, outcome in self._outcomes(errands.values(), messages, contents, deadline):
            requests = [messages[place] for place in errand.places]
            if isinstance(outcome, bytes):
                straight, payload = msgpack.unpackb(outcome, max_bin_len=len(outcome))
                self._through_driver += len(payload)
                self.bytes_peer_to_peer += straight
                answers = decode_replies(payload, requests)
            else:
                answers = [refusal(request, *outcome) for request in requests]
            replies.update(zip(errand.places, answers, strict=True))
        self._mail.clear()
        return [replies[place] for place in range(len(messages))]

    def _outcomes(
        self, errands: Iterable[Errand], messages: Sequence[Message], contents: Sequence[RecordDict], deadline: float | None
    ) -> Iterator[tuple[Errand, bytes | tuple[int, str]]]:
        """Yield each errand with the reply's bytes, or with the error code and reason."""
        waiting = deque(errands)
        running: dict[Any, Errand] = {}
        ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        while waiting or running:
            while waiting and len(running) < self._width:
                errand = waiting.popleft()
                places = errand.places
                payload = encode_requests([messages[place] for place in places], [self._addressed(contents[place]) for place in places])
                self._through_driver += len(payload)
                call = grpc_link.method(self._channel(errand.peer), "answer").future(payload)
                running[call] = errand
                call.add_done_callback(ended.put)
            try:
                call = ended.get(timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                yield from self._expire(list(running.values()), waiting)
                return
            errand = running.pop(call)
            outcome = self._outcome(errand, call)
            if outcome is None:
                waiting.append(errand)
            else:
                yield errand, outcome

    def _outcome(self, errand: Errand, call: Any) -> bytes | tuple[int, str] | None:
        """Return the reply's bytes, or the error code and reason; None if the call should be repeated."""
        if call.exception() is None:
            answer: bytes = call.result()
            return answer
        code, details = call.code(), call.details()
        lost = code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
        if not lost:
            return FAILED, f"{code.name}: {details}"
        errand.attempt += 1
        if not self.remotes[errand.peer].is_dead(wait=0.1 * 2**errand.attempt) and errand.attempt < ATTEMPTS:
            return None
        self._replace(errand.peer)
        return DIED, f"the process of peer {errand.peer} died and was replaced ({details})"

    def _expire(self, running: Iterable[Errand], waiting: Iterable[Errand]) -> Iterator[tuple[Errand, tuple[int, str]]]:
        for errand in running:
            self._replace(errand.peer)
            yield errand, (EXPIRED, f"no answer from peer {errand.peer} in time; its process was replaced")
        for errand in waiting:
            yield errand, (EXPIRED, f"peer {errand.peer}: its turn did not come in time")

    def _without_mail(self, content: RecordDict) -> RecordDict:
        """Return the content with references instead of seeds, which the driver keeps available during the batch."""
        light = RecordDict()
        for name, record in content.items():
            if name.startswith("mail.") and isinstance(record, ArrayRecord):
                blob = wire.unpack(record)
                sha256 = wire.sha256(blob)
                self._mail[sha256] = blob
                light[name] = ConfigRecord({"owner": int(name.removeprefix("mail.")), "sha256": sha256})
            else:
                light[name] = record
        return light

    def _addressed(self, content: RecordDict) -> RecordDict:
        """Add the owner's current address to each reference."""
        for name, record in content.items():
            if name.startswith("mail.") and isinstance(record, ConfigRecord):
                owner = int(record["owner"])  # type: ignore[arg-type]
                record["address"] = self.remotes[owner].address if owner < len(self.remotes) else self._relay_address
        return content

    def _hand_out(self, sha256: bytes, caller: str) -> bytes:
        """Return a seed of this batch to a peer that could not get it from the owner."""
        blob = self._mail.get(sha256.decode())
        if blob is None:
            raise grpc_link.RefusedError(grpc.StatusCode.NOT_FOUND, f"no seed {sha256.decode()} in this batch")
        self.bytes_relayed += len(blob)
        return blob

    def _purge(self, messages: Sequence[Message]) -> None:
        """Empty the outboxes of owners whose seeds must be dropped and are no longer delivered."""
        dropped: set[int] = set()
        wanted: set[int] = set()
        for message in messages:
            order = message.content.get("order")
            if isinstance(order, ConfigRecord):
                dropped.update(int(owner) for owner in order.get("drop", ()))  # type: ignore[union-attr]
            wanted.update(int(name.removeprefix("mail.")) for name in message.content if name.startswith("mail."))
        for owner in sorted(dropped - wanted):
            if 0 <= owner < len(self.remotes) and not self.remotes[owner].is_dead():
                try:
                    grpc_link.method(self._channel(owner), "purge")(b"", timeout=PURGE_SECONDS)
                except grpc.RpcError:
                    self._replace(owner)  # a killed process keeps nothing

    def _channel(self, peer: int) -> grpc.Channel:
        remote = self.remotes[peer]
        remote.channel = remote.channel or grpc_link.connect(remote.address, grpc_link.peer_name(peer), self._identity)
        return remote.channel

    def _fork(self, peer: int) -> Remote:
        pid, line = self._fork_server.fork()
        with suppress(OSError):  # it may be dead already, which _greet detects
            line.send(Settings(self._app, peer, self._count, self._authority.issue(grpc_link.peer_name(peer)), self._relay_address))
        return Remote(peer, pid, line)

    def _greet(self, peer: int) -> None:
        """Wait until a peer's process serves, and store its address; restart the process if it dies meanwhile."""
        for attempt in range(1, STARTS + 1):
            remote = self.remotes[peer]
            try:
                if not remote.line.poll(START_SECONDS):
                    raise StoppedError(f"engine grpc: the process of peer {peer} was not up within {START_SECONDS:g} s")
                remote.address = remote.line.recv()
            except (EOFError, OSError):
                if attempt == STARTS:
                    raise StoppedError(f"engine grpc: the process of peer {peer} ended at its start; it has printed why") from None
                remote.end()
                self.remotes[peer] = self._fork(peer)
            else:
                return

    def _replace(self, peer: int) -> None:
        self.remotes[peer].end()
        self.remotes[peer] = self._fork(peer)
        self._greet(peer)

    def close(self) -> None:
        """Kill all processes and stop the relay."""
        for remote in self.remotes:
            remote.end()
        self._relay.stop(0).wait()


def _pickled(client_app: ClientApp) -> bytes:
    from ray import cloudpickle  # the available pickler that supports apps defined by functions in a notebook

    pickled: bytes = cloudpickle.dumps(client_app)  # type: ignore[no-untyped-call]
    return pickled
