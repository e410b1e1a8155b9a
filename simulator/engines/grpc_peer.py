"""A peer's own process under the ``grpc`` engine: its app, its outbox, and the connections to its neighbours."""

from __future__ import annotations

import os
import pickle
import queue
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass
from multiprocessing.connection import Connection

import grpc
import msgpack  # type: ignore[import-untyped]
import torch
from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict

from clients import wire
from simulator.engines import grpc_link
from simulator.engines.certificates import Identity
from simulator.engines.codec import decode_requests, encode_replies
from simulator.engines.host import Host

OUTBOX = 4
"""Number of its latest seeds that a peer keeps for its neighbours; older ones come from the driver."""

FETCH_SECONDS = 10.0
RELAY_ATTEMPTS = 4


@dataclass(frozen=True)
class Settings:
    """Settings of a peer's process, sent at its start; ``client_app`` is an import path, or an app pickled by the driver."""

    client_app: str | bytes
    peer: int
    peers: int
    identity: Identity
    relay: str


class Outbox:
    """The latest seeds of one peer by hash, for its neighbours to fetch."""

    def __init__(self) -> None:
        self._blobs: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, blob: bytes) -> None:
        """Add a seed; drop the oldest if there are too many."""
        with self._lock:
            key = wire.sha256(blob)
            self._blobs[key] = blob
            self._blobs.move_to_end(key)
            while len(self._blobs) > OUTBOX:
                self._blobs.popitem(last=False)

    def get(self, sha256: str) -> bytes:
        """Return a seed; `RefusedError` if it is not in the outbox (any more)."""
        with self._lock:
            if sha256 not in self._blobs:
                raise grpc_link.RefusedError(grpc.StatusCode.NOT_FOUND, f"no seed {sha256}")
            return self._blobs[sha256]

    def clear(self) -> None:
        """Drop every seed."""
        with self._lock:
            self._blobs.clear()


class Mail:
    """Fetches neighbours' seeds: from the owner's process, or from the driver if the owner no longer has the seed or has ended."""

    def __init__(self, identity: Identity, relay: str) -> None:
        self._identity = identity
        self._relay = grpc_link.method(grpc_link.connect(relay, grpc_link.DRIVER, identity), "fetch")
        self._channels: dict[str, grpc.Channel] = {}

    def fill(self, message: Message) -> int:
        """Replace references with the seeds; return the bytes that came directly from their owners."""
        straight = 0
        content = RecordDict()
        for name, record in message.content.items():
            if name.startswith("mail.") and isinstance(record, ConfigRecord):
                sha256 = str(record["sha256"])
                blob = self._from_owner(int(record["owner"]), str(record["address"]), sha256)  # type: ignore[arg-type]
                straight += len(blob or b"")
                content[name] = wire.pack(blob or self._from_driver(sha256))
            else:
                content[name] = record
        message.content = content
        return straight

    def _from_owner(self, owner: int, address: str, sha256: str) -> bytes | None:
        """Return the seed; None if the owner does not provide it, or its hash is wrong."""
        if address not in self._channels:
            self._channels[address] = grpc_link.connect(address, grpc_link.peer_name(owner), self._identity)
        try:
            blob: bytes = grpc_link.method(self._channels[address], "fetch")(sha256.encode(), timeout=FETCH_SECONDS)
        except grpc.RpcError:
            self._channels.pop(address).close()
            return None
        return blob if wire.sha256(blob) == sha256 else None

    def _from_driver(self, sha256: str) -> bytes:
        for attempt in range(RELAY_ATTEMPTS):
            try:
                blob: bytes = self._relay(sha256.encode(), timeout=FETCH_SECONDS)
                break
            except grpc.RpcError as error:
                if attempt + 1 == RELAY_ATTEMPTS or error.code() == grpc.StatusCode.NOT_FOUND:
                    raise
                time.sleep(0.1 * 2**attempt)
        if wire.sha256(blob) != sha256:
            raise grpc_link.RefusedError(grpc.StatusCode.DATA_LOSS, f"seed {sha256}: the bytes that came have another hash")
        return blob


class PeerProcess:
    """The remote procedures of a peer. The main thread handles messages one at a time; fetches are served concurrently."""

    def __init__(self, settings: Settings) -> None:
        app = settings.client_app if isinstance(settings.client_app, str) else pickle.loads(settings.client_app)
        self.host = Host(app, settings.peers)
        self.outbox = Outbox()
        self.mail = Mail(settings.identity, settings.relay)
        self._jobs: queue.SimpleQueue[tuple[list[Message], int, Future[bytes]]] = queue.SimpleQueue()
        self._latest: tuple[str, Future[bytes]] = ("", Future())
        self._lock = threading.Lock()
        self.server, self.address = grpc_link.serve(
            settings.identity, {"answer": self.answer, "fetch": self.fetch, "purge": self.purge, "ping": lambda request, _: request}
        )

    def answer(self, batch: bytes, caller: str) -> bytes:
        """Answer a batch of the driver's messages; one repeated because its answer was lost, or is not there yet, is not handled twice."""
        grpc_link.only(caller, grpc_link.DRIVER)
        messages = decode_requests(batch)
        first = messages[0].metadata.message_id
        with self._lock:
            known, done = self._latest
            new = known != first or (done.done() and done.exception() is not None)
            if new:
                done = Future()
                self._latest = (first, done)
        if new:
            try:
                straight = sum(self.mail.fill(message) for message in messages)
                self._jobs.put((messages, straight, done))
            except Exception as error:
                done.set_exception(error)
        return done.result()

    def fetch(self, sha256: bytes, caller: str) -> bytes:
        """Return one of the latest seeds to a neighbour."""
        return self.outbox.get(sha256.decode())

    def purge(self, request: bytes, caller: str) -> bytes:
        """Drop every seed, because this peer has been erased."""
        grpc_link.only(caller, grpc_link.DRIVER)
        self.outbox.clear()
        with self._lock:
            self._latest = ("", Future())
        return b""

    def work(self) -> None:
        """Handle messages until the process ends."""
        while True:
            messages, straight, done = self._jobs.get()
            try:
                replies = [self.host.answer(message) for message in messages]
                for reply in replies:
                    if reply.has_content() and isinstance(seed := reply.content.get("seed"), ArrayRecord):
                        self.outbox.put(wire.unpack(seed))
                done.set_result(msgpack.packb([straight, encode_replies(replies)]))
            except Exception as error:
                done.set_exception(error)


def live(parent: Connection) -> None:
    """Run a peer until the driver closes the connection."""
    torch.set_num_threads(1)
    process = PeerProcess(parent.recv())
    parent.send(process.address)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    process.work()


def _end_with(parent: Connection) -> None:
    parent.poll(None)
    os._exit(0)
