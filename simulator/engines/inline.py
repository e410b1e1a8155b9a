"""``inline``: all peers in this process, one after another."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING, ClassVar, Literal

from simulator.engines import EngineSpec

if TYPE_CHECKING:
    from flwr.app import Message
    from flwr.clientapp import ClientApp
    from flwr.serverapp import ServerApp

    from simulator.engines.host import Host


class Inline(EngineSpec):
    """Peers as function calls, without start-up and other processes; best for small federations and for debugging."""

    elsewhere: ClassVar[bool] = False
    kind: Literal["inline"] = "inline"

    def play(self, server_app: ServerApp, client_app: ClientApp | str, peers: int) -> None:
        """Run a server app against ``peers`` peers in this process; see `EngineSpec.play`."""
        from simulator.engines.grid import serve
        from simulator.engines.host import Host, one_thread

        with one_thread():
            serve(server_app, _Calls(Host(client_app, peers)), peers)


class _Calls:
    """Transport by function calls."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.bytes_physical = 0

    def deliver(self, messages: Sequence[Message], timeout: float | None) -> list[Message]:
        """Answer messages in order; those not begun at the timeout are answered with ``Error(3)``."""
        from simulator.engines.grid import EXPIRED, message_of, refusal
        from simulator.engines.host import detached, size

        deadline = None if timeout is None else monotonic() + timeout
        replies = []
        for message in messages:
            if deadline is not None and monotonic() >= deadline:
                replies.append(refusal(message, EXPIRED, f"not begun within {timeout} s"))
                continue
            reply = self.host.answer(message_of(detached(message.content), message.metadata))
            self.bytes_physical += size(message.content)
            if reply.has_content():
                self.bytes_physical += size(reply.content)
            replies.append(reply)
        return replies
