"""``ray``: long-lived Ray actors, each of which hosts a share of the peers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

from simulator.engines import EngineSpec
from simulator.engines.alike import refuse_unlike
from simulator.engines.ray_cluster import cluster
from simulator.errors import StoppedError

if TYPE_CHECKING:
    from flwr.app import Message
    from flwr.clientapp import ClientApp
    from flwr.serverapp import ServerApp

STARTS = 4
"""Attempts to start an actor before the engine gives up."""

START_SECONDS = 120.0
"""Time that a worker may take to start before the engine gives up."""


class Ray(EngineSpec):
    """Peers distributed over ``workers`` Ray actors, on a running cluster (``address``) or one started for the run.

    On a running cluster, Lethe and the client app must be importable on every node.
    """

    kind: Literal["ray"] = "ray"

    def play(self, server_app: ServerApp, client_app: ClientApp | str, peers: int) -> None:
        """Run a server app against ``peers`` peers distributed over Ray actors; see `EngineSpec.play`."""
        from simulator.engines.grid import serve
        from simulator.engines.host import load, one_thread

        load(client_app)
        with one_thread(), cluster(self):
            transport = Actors(client_app, peers, min(self.width, peers), self.gpus_per_worker)
            try:
                serve(server_app, transport, peers)
            finally:
                transport.close()

    def kept(self) -> AbstractContextManager[None]:
        """Share one cluster inside the context; see `EngineSpec.kept`."""
        return cluster(self)


def _resources() -> dict[str, float]:
    import ray

    found: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return found


class Actors:
    """Transport over Ray actors: peer ``p`` runs in actor ``p % workers``; a batch takes one call per actor.

    An actor that dies or misses the deadline is replaced by a blank one before the batch returns.
    """

    def __init__(self, client_app: ClientApp | str, peers: int, workers: int, gpus: float) -> None:
        import ray

        from simulator.engines.ray_worker import Worker

        cpus = _resources().get("CPU", 0.0)
        share = 1.0 if cpus >= workers else max(int(1000 * cpus / workers) / 1000, 0.001)
        actor = ray.remote(Worker).options(num_cpus=share, num_gpus=gpus, max_restarts=0)
        self._new = partial(actor.remote, client_app, peers)
        self._needs = f"{share:g} CPUs and {gpus:g} GPUs"
        self.bytes_physical = 0
        self.workers: list[Any] = [self._new() for _ in range(workers)]
        try:
            for worker in range(workers):
                self._await(worker)
            if not gpus:  # tasks would have none
                self._widen()
        except BaseException:
            self.close()
            raise

    def _widen(self) -> None:
        """Let workers share the CPUs of their node that no worker holds; where one does not answer, all of them work alone."""
        import ray

        cpus = {node["NodeID"]: node["Resources"].get("CPU", 0.0) for node in ray.nodes() if node["Alive"]}  # type: ignore[no-untyped-call]
        try:
            nodes = ray.get([worker.node.remote() for worker in self.workers], timeout=START_SECONDS)
            lanes = [int(cpus.get(node, 0.0)) // nodes.count(node) for node in nodes]
            ray.get([worker.widen.remote(count) for worker, count in zip(self.workers, lanes, strict=True)], timeout=START_SECONDS)
        except ray.exceptions.RayError:  # whoever died is replaced when it is needed
            return

    def deliver(self, messages: Sequence[Message], timeout: float | None) -> list[Message]:
        """Return the replies of all actors in the order of the messages."""
        from simulator.engines.codec import encode_requests

        deadline = None if timeout is None else monotonic() + timeout
        shares: dict[int, list[int]] = {}
        for place, message in enumerate(messages):
            shares.setdefault((message.metadata.dst_node_id - 1) % len(self.workers), []).append(place)
        calls = {}
        for worker, places in shares.items():
            payload = encode_requests([messages[place] for place in places])
            self.bytes_physical += len(payload)
            calls[worker] = self.workers[worker].answer.remote(payload)
        replies: dict[int, Message] = {}
        for worker, call in calls.items():
            places = shares[worker]
            replies.update(zip(places, self._collect(worker, call, [messages[place] for place in places], deadline), strict=True))
        return [replies[place] for place in range(len(messages))]

    def _collect(self, worker: int, call: Any, requests: Sequence[Message], deadline: float | None) -> list[Message]:
        """Return an actor's replies; replace the actor if it has none."""
        import ray

        from simulator.engines.codec import decode_replies
        from simulator.engines.grid import DIED, EXPIRED, FAILED, refusal

        try:
            payload = ray.get(call, timeout=None if deadline is None else max(0.0, deadline - monotonic()))
        except ray.exceptions.GetTimeoutError:
            code, reason = EXPIRED, "no answer in time; the worker was replaced"
        except ray.exceptions.RayTaskError as error:
            code, reason = FAILED, str(error)
        except ray.exceptions.RayError as error:
            code, reason = DIED, f"the worker died and was replaced: {error}"
        else:
            self.bytes_physical += len(payload)
            return decode_replies(payload, requests)
        self._replace(worker)
        return [refusal(request, code, reason) for request in requests]

    def _replace(self, worker: int) -> None:
        import ray

        ray.kill(self.workers[worker])
        self.workers[worker] = self._new()
        self._await(worker)

    def _await(self, worker: int) -> None:
        """Wait until an actor is up, to distinguish a full cluster from long work; restart an actor that dies meanwhile."""
        import ray

        for attempt in range(1, STARTS + 1):
            try:
                told = ray.get(self.workers[worker].ready.remote(), timeout=START_SECONDS)
            except ray.exceptions.GetTimeoutError:
                has = {name: amount for name, amount in _resources().items() if name in ("CPU", "GPU")}
                raise StoppedError(
                    f"engine ray: no worker started within {START_SECONDS:g} s; each needs {self._needs}, the cluster has {has}; "
                    "lower engine.workers or engine.gpus_per_worker, or end other work on its nodes"
                ) from None
            except ray.exceptions.RayError as error:
                if attempt == STARTS:
                    what = " ".join(str(error).split())[:300]
                    raise StoppedError(f"engine ray: a worker could not start; is Lethe installed on every node? {what}") from None
                self.workers[worker] = self._new()
            else:
                refuse_unlike(told, f"engine ray: worker {worker}")
                return

    def close(self) -> None:
        """Kill all actors."""
        import ray

        for worker in self.workers:
            ray.kill(worker)
