"""Engines: what carries messages between the two apps.

An engine plays the same Flower ``ServerApp`` and ``ClientApp`` to the same end; what differs is where the peers live. Peers are numbered
``0 .. peers - 1`` and a peer's state lives in its Flower ``Context``, kept where the peer lives. A message that cannot be answered comes
back with an ``Error`` (2: the handler raised, 3: too late, 5: no such node, 8: the process died); by then the engine has replaced what
died, with blank contexts, so that sending the message again together with the peer's state works.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, NonNegativeFloat, PositiveInt

from clients.spec import Registry, Spec

if TYPE_CHECKING:
    from flwr.clientapp import ClientApp
    from flwr.serverapp import ServerApp


class EngineSpec(Spec):
    """The ``[engine]`` table: what all engines understand, so that a scenario moves between them by ``kind`` alone.

    Parameters
    ----------
    kind : str
        Which engine.
    workers : int, optional
        How many peers work at once; one for each core this process may use unless told. ``inline`` works in one process whatever it says.
    address : str, optional
        A running Ray cluster to join (``ray``, ``flower``), for example ``"auto"`` or ``"ray://head:10001"``.
    gpus_per_worker : float
        GPUs, or a share of one, that Ray sets aside for each worker (``ray``, ``flower``).
    """

    elsewhere: ClassVar[bool] = True
    """Whether peers live in other processes, which must be able to import every class that they use."""
    kind: str
    workers: PositiveInt | None = None
    address: str | None = Field(default=None, min_length=1)
    gpus_per_worker: NonNegativeFloat = 0.0

    @property
    def width(self) -> int:
        """How many peers work at once."""
        return self.workers or len(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1))

    @abstractmethod
    def play(self, server_app: ServerApp, client_app: ClientApp | str, peers: int) -> None:
        """Run a server app against ``peers`` peers until it returns, then end everything that was started for it.

        Parameters
        ----------
        server_app : ServerApp
            Called in this thread with a ``Grid``; what it raises is raised here, after cleaning up.
        client_app : ClientApp or str
            What each peer answers with, or where to import it from, as ``"module:attribute"``.
        peers : int
            Number of peers; peer ``p`` finds ``partition-id = p`` in its node config.
        """

    def kept(self) -> AbstractContextManager[None]:
        """Return a context in which several plays share what is slow to start; each still starts with blank peers."""
        return nullcontext()


ENGINES: Registry[EngineSpec] = Registry(
    "lethe.engines",
    "simulator.engines:EngineSpec",
    {
        "flower": "simulator.engines.flower:Flower",
        "grpc": "simulator.engines.grpc:Grpc",
        "inline": "simulator.engines.inline:Inline",
        "ray": "simulator.engines.ray:Ray",
    },
)
