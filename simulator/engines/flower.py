"""``flower``: the same apps on Flower's own simulation runtime."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal

from simulator.engines import EngineSpec

if TYPE_CHECKING:
    from flwr.app import Context
    from flwr.clientapp import ClientApp
    from flwr.serverapp import Grid, ServerApp

LENT: ContextVar[tuple[Grid, Context] | None] = ContextVar("lent", default=None)


class Flower(EngineSpec):
    """Peers as Flower's virtual SuperNodes on Ray, ``workers`` at once; node ids are Flower's, and a round takes at least 0.1 s.

    Flower does not reliably replace a worker that dies; use ``ray`` or ``grpc`` to study real crashes.
    """

    kind: Literal["flower"] = "flower"

    def play(self, server_app: ServerApp, client_app: ClientApp | str, peers: int) -> None:
        """Run a server app against ``peers`` SuperNodes; see `EngineSpec.play`."""
        from simulator.engines.flower_runtime import Runtime, play_on
        from simulator.engines.ray_cluster import cluster

        if lent := LENT.get():
            play_on(*lent, server_app)
            return
        with cluster(self):
            Runtime(client_app, peers, self.gpus_per_worker).play(server_app)

    def kept(self) -> AbstractContextManager[None]:
        """Share one Ray cluster inside the context; see `EngineSpec.kept`."""
        from simulator.engines.ray_cluster import cluster

        return nullcontext() if LENT.get() else cluster(self)


@contextmanager
def lent(grid: Grid, context: Context) -> Iterator[None]:
    """Let every ``flower`` engine in the context use an existing grid of Flower's (``flwr run``) instead of its own runtime."""
    token = LENT.set((grid, context))
    try:
        yield
    finally:
        LENT.reset(token)
