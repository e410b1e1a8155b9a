"""The class that runs inside a Ray actor."""

from __future__ import annotations

import torch
from flwr.clientapp import ClientApp

from clients import machine
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

    def answer(self, batch: bytes) -> bytes:
        """Return the replies to a batch of messages."""
        return encode_replies([self.host.answer(message) for message in decode_requests(batch)])
