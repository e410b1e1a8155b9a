"""A client app and the contexts of the peers that share a process."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import torch
from flwr.app import ArrayRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from server.messages import RAISED
from simulator.engines.grid import FAILED, RUN_ID, refusal
from simulator.errors import file_error, is_full


def load(client_app: ClientApp | str) -> ClientApp:
    """Return a client app, imported if it is given as ``"module:attribute"``; ``TypeError`` if it is not a ClientApp."""
    if not isinstance(client_app, str):
        return client_app
    module, _, attribute = client_app.partition(":")
    app = getattr(import_module(module), attribute, None)
    if not isinstance(app, ClientApp):
        raise TypeError(f"client app {client_app!r}: not a ClientApp; name one as module:attribute")
    return app


class Host:
    """A client app and the contexts of its peers; a new peer has a blank context.

    Parameters
    ----------
    client_app : ClientApp or str
    peers : int
        Number of peers in the whole run (``num-partitions``).
    """

    def __init__(self, client_app: ClientApp | str, peers: int) -> None:
        self.app = load(client_app)
        self.peers = peers
        self.contexts: dict[int, Context] = {}

    def context(self, node: int) -> Context:
        """Return the context of the peer at a node."""
        if node not in self.contexts:
            config: dict[str, bool | float | int | str] = {"partition-id": node - 1, "num-partitions": self.peers}
            self.contexts[node] = Context(RUN_ID, node, config, RecordDict(), {})
        return self.contexts[node]

    def answer(self, message: Message) -> Message:
        """Let the addressed peer handle a message; see `answer`."""
        return answer(self.app, message, self.context(message.metadata.dst_node_id))


def answer(app: ClientApp, message: Message, context: Context) -> Message:
    """Let an app handle a message; if it raises, return ``Error(2)`` with the traceback and restore the state.

    Of a full disk it is ``Error(0)`` in one line, since the same message can be handled once there is room.
    """
    before = detached(context.state)
    try:
        reply = app(message, context)
        if not isinstance(reply, Message):
            raise TypeError(f"the handler of {message.metadata.message_type!r} returned {type(reply).__name__}; return a Message")
    except Exception as error:
        context.state = before
        if isinstance(error, OSError) and is_full(error):
            return refusal(message, FAILED, f"{file_error(error, 'a file')}: make room")
        return refusal(message, RAISED, traceback.format_exc())
    if reply.has_content():
        reply.content = detached(reply.content)  # the state may share records with the reply
    return reply


def detached(content: RecordDict) -> RecordDict:
    """Return a copy with its own dictionaries; arrays and values, which are never changed, are shared."""
    return RecordDict({name: record.copy() for name, record in content.items()})


def size(content: RecordDict) -> int:
    """Return the total bytes of the arrays in a message's content."""
    return sum(len(array.data) for record in content.values() if isinstance(record, ArrayRecord) for array in record.values())


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use a single thread, as peers always do, and restore the setting afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
