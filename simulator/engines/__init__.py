"""Engines: they carry messages between the two apps.

Every engine runs the same Flower ``ServerApp`` and ``ClientApp`` with the same result; they differ in where the peers run. Peers are
numbered ``0 .. peers - 1``. A peer's state is its Flower ``Context``, stored where the peer runs. A message that cannot be answered comes
back with an ``Error`` (0: failed on the way, 2: the handler raised, 3: too late, 5: no such node, 8: the process died). By then the engine
has replaced dead processes, with blank contexts, so that the message can be sent again together with the peer's state; where the handler
raised, it is not.
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
    """The ``[engine]`` table, whose keys all engines accept, so that a scenario can change the engine by ``kind`` alone.

    Parameters
    ----------
    kind : str
        The engine.
    workers : int, optional
        Number of peers that work at the same time; default: one per core available to this process. ``inline`` always uses one process.
    address : str, optional
        A running Ray cluster to join (``ray``, ``flower``), for example ``"auto"`` or ``"ray://head:10001"``.
    gpus_per_worker : float
        GPUs, or a fraction of one, that Ray reserves for each worker (``ray``, ``flower``).
    """

    elsewhere: ClassVar[bool] = True
    """Whether peers run in other processes, which must be able to import every class that they use."""
    kind: str
    workers: PositiveInt | None = None
    address: str | None = Field(default=None, min_length=1)
    gpus_per_worker: NonNegativeFloat = 0.0

    @property
    def width(self) -> int:
        """Number of peers that work at the same time."""
        return self.workers or len(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1))

    @abstractmethod
    def play(self, server_app: ServerApp, client_app: ClientApp | str, peers: int) -> None:
        """Run a server app against ``peers`` peers until it returns, then stop everything that was started for it.

        Parameters
        ----------
        server_app : ServerApp
            Called in this thread with a ``Grid``; its exceptions are raised here after the cleanup.
        client_app : ClientApp or str
            The app of every peer, or its import path ``"module:attribute"``.
        peers : int
            Number of peers; peer ``p`` finds ``partition-id = p`` in its node config.
        """

    def kept(self) -> AbstractContextManager[None]:
        """Return a context in which several calls of ``play`` share resources that are slow to start; peers still start blank."""
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
