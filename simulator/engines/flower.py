"""``flower``: Flower's own simulation runtime, for those who want to see the same apps run there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from simulator.engines import EngineSpec

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from flwr.clientapp import ClientApp
    from flwr.serverapp import ServerApp


class Flower(EngineSpec):
    """Peers as Flower's virtual SuperNodes on Ray, ``workers`` at once; node ids are Flower's, and no round is shorter than 0.1 s.

    A worker that dies is Flower's to replace, which it does not do reliably; take ``ray`` or ``grpc`` to study real crashes.
    """

    kind: Literal["flower"] = "flower"

    def play(self, server_app: ServerApp, client_app: ClientApp | str, peers: int) -> None:
        """Run a server app against ``peers`` SuperNodes; see `EngineSpec.play`."""
        from simulator.engines.flower_runtime import Runtime
        from simulator.engines.ray import cluster

        with cluster(self):
            Runtime(client_app, peers, self.gpus_per_worker).play(server_app)

    def kept(self) -> AbstractContextManager[None]:
        """Keep one Ray cluster for all plays inside; see `EngineSpec.kept`."""
        from simulator.engines.ray import cluster

        return cluster(self)
