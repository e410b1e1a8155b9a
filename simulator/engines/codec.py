"""Messages as bytes between processes: msgpack of plain values, never pickle, with repeated arrays stored once.

A batch is ``[blobs, messages]``; arrays refer to their bytes by index in ``blobs``. If ten neighbours get the same seed in one batch, it
contains a single copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgpack  # type: ignore[import-untyped]
from flwr.app import Array, ArrayRecord, ConfigRecord, Error, Message, Metadata, MetricRecord, RecordDict

from simulator.engines.grid import message_of, refusal

_ARRAYS, _METRICS, _CONFIG = 0, 1, 2


def encode_requests(messages: Sequence[Message], contents: Sequence[RecordDict] | None = None) -> bytes:
    """Return messages as bytes; ``contents`` replaces the messages' own contents."""
    blobs: dict[bytes, int] = {}
    bodies = contents or [message.content for message in messages]
    return _pack(blobs, [[_metadata(message), _records(body, blobs)] for message, body in zip(messages, bodies, strict=True)])


def decode_requests(data: bytes) -> list[Message]:
    """Return the messages encoded by ``encode_requests``."""
    blobs, messages = _unpack(data)
    return [message_of(_content(records, blobs), Metadata(**metadata)) for metadata, records in messages]


def encode_replies(replies: Sequence[Message]) -> bytes:
    """Return replies as bytes, without their metadata, which follow from the requests."""
    blobs: dict[bytes, int] = {}
    return _pack(blobs, [_error(reply.error) if reply.has_error() else _records(reply.content, blobs) for reply in replies])


def decode_replies(data: bytes, requests: Sequence[Message]) -> list[Message]:
    """Return the replies to these requests."""
    blobs, bodies = _unpack(data)
    return [
        refusal(request, body["code"], body["reason"]) if isinstance(body, dict) else Message(_content(body, blobs), reply_to=request)
        for body, request in zip(bodies, requests, strict=True)
    ]


def _pack(blobs: dict[bytes, int], messages: list[Any]) -> bytes:
    packed: bytes = msgpack.packb([list(blobs), messages])
    return packed


def _unpack(data: bytes) -> tuple[list[bytes], list[Any]]:
    blobs, messages = msgpack.unpackb(data, max_bin_len=len(data), max_array_len=len(data), max_str_len=len(data), max_map_len=len(data))
    return blobs, messages


def _metadata(message: Message) -> dict[str, Any]:
    data = message.metadata
    return {
        "run_id": data.run_id,
        "message_id": data.message_id,
        "src_node_id": data.src_node_id,
        "dst_node_id": data.dst_node_id,
        "reply_to_message_id": data.reply_to_message_id,
        "group_id": data.group_id,
        "created_at": data.created_at,
        "ttl": data.ttl,
        "message_type": data.message_type,
    }


def _error(error: Error) -> dict[str, Any]:
    return {"code": error.code, "reason": error.reason or ""}


def _records(content: RecordDict, blobs: dict[bytes, int]) -> list[tuple[str, int, Any]]:
    plain: list[tuple[str, int, Any]] = []
    for name, record in content.items():
        if isinstance(record, ArrayRecord):
            arrays = [(key, x.dtype, x.shape, x.stype, blobs.setdefault(x.data, len(blobs))) for key, x in record.items()]
            plain.append((name, _ARRAYS, arrays))
        else:
            plain.append((name, _METRICS if isinstance(record, MetricRecord) else _CONFIG, dict(record)))
    return plain


def _content(plain: list[Any], blobs: list[bytes]) -> RecordDict:
    content = RecordDict()
    for name, kind, values in plain:
        if kind == _ARRAYS:
            content[name] = ArrayRecord({key: Array(dtype, tuple(shape), stype, blobs[at]) for key, dtype, shape, stype, at in values})
        else:
            content[name] = MetricRecord(values) if kind == _METRICS else ConfigRecord(values)
    return content
