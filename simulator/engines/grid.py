"""Our own Flower ``Grid``: only this file uses private parts of Flower that engines need.

It works with flwr 1.39 to 1.41. The private parts are ``TaskIdentity``, from which ``Message`` takes the run and the sending node; the
message id, which only Flower's own link sets; and the metadata of a message that is reconstructed in another process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, Self

from flwr.app import Context, Error, Message, Metadata, RecordDict
from flwr.serverapp import Grid, ServerApp
from flwr.supercore.task_identity import TaskIdentity

RUN_ID = 1
SERVER_NODE = 1 << 32
"""Node id of the server app; peers have the ids ``1 .. peers``."""

FAILED, EXPIRED, NO_SUCH_NODE, DIED = 0, 3, 5, 8
"""Flower's error codes: an unknown error on the way, the message expired, the node is gone, the client process died."""


class Transport(Protocol):
    """The engine's part behind the grid, which delivers messages."""

    @property
    def bytes_physical(self) -> int:
        """Bytes of message contents carried so far, both ways."""

    def deliver(self, messages: Sequence[Message], timeout: float | None) -> Sequence[Message]:
        """Return one reply per message, in the order of the messages; errors are replies too."""


class LocalGrid(Grid):
    """A grid over nodes ``1 .. peers`` that returns replies in the order of the messages.

    Use it as a context manager: inside, ``Message`` knows its sender; on exit, Flower's task identity is restored.
    """

    def __init__(self, transport: Transport, peers: int) -> None:
        self.transport = transport
        self.peers = peers
        self._replies: dict[str, Message] = {}
        self._sent = 0
        self._run: Any = None

    def __enter__(self) -> Self:
        self._identity = identity_restored()
        self._identity.__enter__()
        TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = RUN_ID, SERVER_NODE, 1
        return self

    def __exit__(self, *_: object) -> None:
        self._identity.__exit__(None, None, None)

    @property
    def bytes_physical(self) -> int:
        """Bytes of message contents carried so far, both ways."""
        return self.transport.bytes_physical

    def set_run(self, run: Any) -> None:
        """Store Flower's description of the run; engines do not use it."""
        self._run = run

    @property
    def run(self) -> Any:
        """The argument of ``set_run``."""
        return self._run

    def create_message(self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None) -> Message:
        """Return a new message, as ``Message(...)`` would."""
        return Message(content, dst_node_id=dst_node_id, message_type=message_type, group_id=group_id, ttl=ttl)

    def get_node_ids(self) -> list[int]:
        """Return the ids of all nodes, ascending."""
        return list(range(1, self.peers + 1))

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Deliver messages, keep the replies, and return the ids under which ``pull_messages`` finds them."""
        batch = list(messages)
        replies = self.send_and_receive(batch)
        ids = [message.metadata.message_id for message in batch]
        self._replies.update(zip(ids, replies, strict=True))
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """Return the replies to these messages, each once."""
        return [self._replies.pop(key) for key in message_ids if key in self._replies]

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        """Return one reply for every message, in the order of the messages.

        Parameters
        ----------
        messages : iterable of Message
        timeout : float, optional
            Seconds after which ``Error(3)`` takes the place of missing replies.
        """
        batch = list(messages)
        for message in batch:
            self._sent += 1
            message.metadata.__dict__["_message_id"] = f"{self._sent:016x}"
        known = [message for message in batch if 1 <= message.metadata.dst_node_id <= self.peers]
        replies = dict(zip((message.metadata.message_id for message in known), self.transport.deliver(known, timeout), strict=True))
        return [replies.get(message.metadata.message_id) or refusal(message, NO_SUCH_NODE, self._unknown(message)) for message in batch]

    def _unknown(self, message: Message) -> str:
        return f"node {message.metadata.dst_node_id}: no such node; there are 1 to {self.peers}"


@contextmanager
def identity_restored() -> Iterator[None]:
    """Restore Flower's task identity on exit, so that the process can run again, or use Flower for something else."""
    before = {name: getattr(TaskIdentity, name) for name in ("_run_id", "_node_id", "_task_id")}
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(TaskIdentity, name, value)


def message_of(content: RecordDict, metadata: Metadata) -> Message:
    """Return a message with this content and these metadata."""
    return Message(content, metadata=metadata)  # type: ignore[call-overload, no-any-return]


def refusal(message: Message, code: int, reason: str) -> Message:
    """Return an error as the reply to a message."""
    return Message(Error(code, reason), reply_to=message)


def serve(server_app: ServerApp, transport: Transport, peers: int) -> None:
    """Run a server app on a grid over this transport until it returns."""
    with LocalGrid(transport, peers) as grid:
        server_app(grid, Context(RUN_ID, SERVER_NODE, {}, RecordDict(), {}))
