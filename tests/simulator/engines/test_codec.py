import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, Error, Message, MetricRecord, RecordDict

from clients import wire
from simulator.engines.codec import decode_replies, decode_requests, encode_replies, encode_requests
from simulator.engines.grid import LocalGrid


class Keeper:
    bytes_physical = 0

    def deliver(self, messages, timeout):
        self.messages = messages
        return [Message(message.content, reply_to=message) for message in messages]


@pytest.fixture
def send():
    """Return messages as they leave the grid."""
    keeper = Keeper()
    with LocalGrid(keeper, 9) as grid:

        def send(*contents):
            grid.send_and_receive(
                [Message(content, dst_node_id=node, message_type="train.x", group_id="3") for node, content in enumerate(contents, 1)]
            )
            return keeper.messages

        yield send


def rich():
    return RecordDict(
        {
            "arrays": ArrayRecord(
                {f"w{n}": array for n, array in enumerate(map(as_array, (np.arange(6.0).reshape(2, 3), np.array(3, np.int8))))}
            ),
            "empty": ArrayRecord(),
            "blob": wire.pack(b"\x00\xff" * 50),
            "metrics": MetricRecord({"a": 1, "b": 0.1, "c": [1, 2], "d": [0.1, 1e300]}),
            "config": ConfigRecord(
                {"t": True, "s": "ä", "y": b"\x00", "l": [True, False], "n": -(2**40), "none": [], "strings": ["a", ""]}
            ),
        }
    )


def as_array(value):
    from flwr.app import Array

    return Array(value)


def test_requests_come_back_whole(send):
    messages = send(rich(), RecordDict())
    back = decode_requests(encode_requests(messages))
    assert [message.content for message in back] == [rich(), RecordDict()]
    for name in (
        "run_id",
        "message_id",
        "src_node_id",
        "dst_node_id",
        "group_id",
        "created_at",
        "ttl",
        "message_type",
        "reply_to_message_id",
    ):
        assert [getattr(message.metadata, name) for message in back] == [getattr(message.metadata, name) for message in messages]
    kinds = [type(value) for value in back[0].content["config"].values()]
    assert kinds == [type(value) for value in rich()["config"].values()]
    assert list(back[0].content) == list(rich())


def test_replies_and_errors_come_back_to_their_requests(send):
    requests = send(RecordDict(), RecordDict())
    replies = [Message(rich(), reply_to=requests[0]), Message(Error(2, "why"), reply_to=requests[1])]
    back = decode_replies(encode_replies(replies), requests)
    assert back[0].content == rich()
    assert (back[1].error.code, back[1].error.reason) == (2, "why")
    assert [reply.metadata.src_node_id for reply in back] == [1, 2]
    assert [reply.metadata.reply_to_message_id for reply in back] == [request.metadata.message_id for request in requests]


def test_equal_arrays_travel_once(send):
    big = bytes(100_000)
    same = encode_requests(send(*(RecordDict({"x": wire.pack(bytes(bytearray(big)))}) for _ in range(9))))
    other = encode_requests(send(*(RecordDict({"x": wire.pack(bytes([n]) * 100_000)}) for n in range(9))))
    assert len(same) < 110_000
    assert len(other) > 900_000
    assert decode_requests(same)[8].content["x"]["safetensors"].data == big
