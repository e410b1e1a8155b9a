"""Flower's simulation runtime as an engine; only this module calls its deprecated entry point."""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

os.environ.update({"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"})  # read when flwr is imported

import torch
from flwr.app import Context, Message
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp

from simulator.engines.grid import EXPIRED, NO_SUCH_NODE, identity_restored, message_of, refusal
from simulator.engines.host import answer, detached, load, one_thread, size
from simulator.errors import StoppedError


class OneThread(ClientApp):
    """A client app that uses one torch thread and reports failures as all engines do.

    If it is given by its import path, it is imported where it runs, so that Ray need not pickle it.
    """

    def __init__(self, client_app: ClientApp | str) -> None:
        super().__init__()
        self.client_app = client_app

    def __call__(self, message: Message, context: Context) -> Message:
        """Let the app handle a message."""
        torch.set_num_threads(1)
        return answer(load(self.client_app), message, context)


class FlowerGrid(Grid):
    """Flower's grid with the behaviour of ours: it returns one reply per message, in the order of the messages, and counts bytes."""

    def __init__(self, inner: Grid) -> None:
        self.inner = inner
        self.bytes_physical = 0
        self._pending: set[str] = set()

    def set_run(self, run: Any) -> None:
        """Pass on Flower's description of the run."""
        self.inner.set_run(run)

    @property
    def run(self) -> Any:
        """Flower's description of the run."""
        return self.inner.run

    def create_message(self, *args: Any, **options: Any) -> Message:
        """Return a new message, as ``Message(...)`` would."""
        return self.inner.create_message(*args, **options)

    def get_node_ids(self) -> Iterable[int]:
        """Return Flower's ids of the nodes that have joined."""
        return self.inner.get_node_ids()

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Pass messages to Flower."""
        batch = list(messages)
        self.bytes_physical += sum(size(message.content) for message in batch)
        ids = list(self.inner.push_messages([message_of(detached(message.content), message.metadata) for message in batch]))
        self._pending.update(ids)
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """Return the replies that have arrived, each once; asked again for the same reply, Flower itself would invent an error."""
        pending = [key for key in message_ids if key in self._pending]
        replies = self._counted(self.inner.pull_messages(pending)) if pending else []
        self._pending.difference_update(reply.metadata.reply_to_message_id for reply in replies)
        return replies

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        """Return one reply for every message, in their order; see `simulator.engines.grid.LocalGrid.send_and_receive`."""
        batch = list(messages)
        nodes = set(self.get_node_ids())
        known = [message for message in batch if message.metadata.dst_node_id in nodes]
        self.bytes_physical += sum(size(message.content) for message in known)
        messages = [message_of(detached(message.content), message.metadata) for message in known]
        came = self._counted(self.inner.send_and_receive(messages, timeout=timeout)) if messages else []
        replies = {reply.metadata.reply_to_message_id: reply for reply in came}
        return [replies.get(message.metadata.message_id) or self._missing(message, nodes) for message in batch]

    def _counted(self, replies: Iterable[Message]) -> list[Message]:
        counted = list(replies)
        self.bytes_physical += sum(size(reply.content) for reply in counted if reply.has_content())
        return counted

    def _missing(self, message: Message, nodes: set[int]) -> Message:
        node = message.metadata.dst_node_id
        if node in nodes:
            return refusal(message, EXPIRED, f"no answer from node {node} in time")
        return refusal(message, NO_SUCH_NODE, f"node {node}: no such node; there are {len(nodes)}")


def play_on(grid: Grid, context: Context, server_app: ServerApp) -> None:
    """Run a server app on an existing grid of Flower's with one node per peer."""
    server_app(FlowerGrid(grid), context)


class Runtime:
    """Runs a server app in this thread on a grid provided by Flower's runtime in another thread."""

    def __init__(self, client_app: ClientApp | str, peers: int, gpus: float) -> None:
        load(client_app)
        self._app = OneThread(client_app)
        self._peers = peers
        self._backend = {"client_resources": {"num_cpus": 1, "num_gpus": gpus}}
        self._handed: queue.SimpleQueue[tuple[Grid, Context] | BaseException] = queue.SimpleQueue()
        self._done = threading.Event()

    def play(self, server_app: ServerApp) -> None:
        """Run a server app until it returns, then wait for Flower to stop."""
        runtime = threading.Thread(target=self._simulate, name="flower-runtime")
        with identity_restored(), one_thread(), _quiet(), _ray_left_running():
            runtime.start()
            try:
                handed = self._handed.get()
                if isinstance(handed, BaseException):
                    raise StoppedError(f"engine flower: the runtime did not start: {' '.join(str(handed).split())}") from handed
                grid, context = handed
                while len(list(grid.get_node_ids())) < self._peers and runtime.is_alive():
                    time.sleep(0.01)
                server_app(FlowerGrid(grid), context)
            finally:
                self._done.set()
                runtime.join()

    def _simulate(self) -> None:
        from flwr.simulation import run_simulation

        stage = ServerApp()

        @stage.main()
        def main(grid: Grid, context: Context) -> None:
            self._handed.put((grid, context))
            self._done.wait()

        try:
            run_simulation(stage, self._app, self._peers, backend_config=self._backend)  # type: ignore[arg-type]
        except BaseException as error:
            self._handed.put(error)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Flower's log: errors of messages are in the replies, and the deprecation of its simulation is known."""
    logger = logging.getLogger("flwr")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def _ray_left_running() -> Iterator[None]:
    """Prevent Flower from shutting down the Ray cluster at the end of its run, because it may not own the cluster."""
    import ray

    with mock.patch.object(ray, "shutdown"):
        yield
