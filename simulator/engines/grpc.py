"""``grpc``: one process per peer, mutual TLS, seeds sent directly between peers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from pydantic import PrivateAttr

from simulator.engines import EngineSpec

if TYPE_CHECKING:
    from flwr.clientapp import ClientApp
    from flwr.serverapp import ServerApp

    from simulator.engines.grpc_fork_server import ForkServer


class Grpc(EngineSpec):
    """Every peer in its own process behind mutual TLS; at most ``workers`` of them handle messages at once.

    The run's certificates exist in memory only. Seeds go directly from the owner's process to the neighbour's; the driver sends references.
    """

    kind: Literal["grpc"] = "grpc"

    _fork_server: ForkServer | None = PrivateAttr(default=None)

    def play(self, server_app: ServerApp, client_app: ClientApp | str, peers: int) -> None:
        """Run a server app against ``peers`` processes; see `EngineSpec.play`."""
        from simulator.engines.grid import serve
        from simulator.engines.grpc_driver import Peers
        from simulator.engines.host import load, one_thread

        load(client_app)
        with one_thread(), self.kept():
            assert self._fork_server is not None
            transport = Peers(self._fork_server, client_app, peers, self.width)
            try:
                serve(server_app, transport, peers)
            finally:
                transport.close()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Share the process from which peers are forked inside the context; see `EngineSpec.kept`."""
        from simulator.engines.grpc_fork_server import ForkServer

        if self._fork_server is not None:
            yield
            return
        self._fork_server = ForkServer(["torch", "grpc", "clients.app"])
        try:
            yield
        finally:
            self._fork_server.close()
            self._fork_server = None
