"""The class that runs inside a Ray actor, and the pieces of its work that other processes of its node carry out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ray
import torch
from flwr.clientapp import ClientApp
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from clients import machine
from clients.side_by_side import in_turn, spread_by
from simulator.engines.codec import decode_requests, encode_replies
from simulator.engines.host import Host


class Worker:
    """Host of some peers, which answers a batch of messages in order, in one torch thread."""

    def __init__(self, client_app: ClientApp | str, peers: int) -> None:
        torch.set_num_threads(1)
        self.host = Host(client_app, peers)

    def ready(self) -> str:
        """Return what this process computes with (see `clients.machine.told`), once everything has been imported."""
        return machine.told()

    def node(self) -> str:
        """Return the id of the node that this process lives on."""
        return _node()

    def widen(self, lanes: int) -> None:
        """Let independent pieces of a peer's work be carried out side by side, in this process and ``lanes - 1`` others."""
        spread_by(Lanes(lanes) if lanes > 1 else in_turn)

    def answer(self, batch: bytes) -> bytes:
        """Return the replies to a batch of messages."""
        return encode_replies([self.host.answer(message) for message in decode_requests(batch)])


class Lanes:
    """Deals pieces to this process and to Ray tasks on its node, where the same instructions give the same bits.

    The tasks ask for no CPU, so that they never wait for one: they take those that no worker of this run holds, whoever else uses the node.

    Parameters
    ----------
    count : int
        Processes that work at the same time, this one included.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        place = NodeAffinitySchedulingStrategy(_node(), soft=False)
        self._task: Any = ray.remote(_carried_out).options(num_cpus=0, scheduling_strategy=place)

    def __call__(self, function: Callable[..., Any], pieces: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Return the answers in the order of the pieces."""
        lanes = [pieces[lane :: self.count] for lane in range(min(self.count, len(pieces)))]
        if len(lanes) < 2:
            return in_turn(function, pieces)
        shared = ray.put(function)
        elsewhere = [self._task.remote(shared, lane) for lane in lanes[1:]]
        answers: list[Any] = [None] * len(pieces)
        answers[:: self.count] = in_turn(function, lanes[0])
        for lane, found in enumerate(ray.get(elsewhere), start=1):
            answers[lane :: self.count] = found
        return answers


def _carried_out(function: Callable[..., Any], pieces: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Carry out pieces in a task, in one torch thread."""
    torch.set_num_threads(1)
    return in_turn(function, pieces)


def _node() -> str:
    return str(ray.get_runtime_context().get_node_id())
