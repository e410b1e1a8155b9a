"""Requests to forget or correct data, by ``kind``."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from clients.spec import Registry
from simulator.errors import LetheError
from simulator.requests.contract import Request

REQUESTS: Registry[Any] = Registry(
    "lethe.requests",
    "simulator.requests.contract:Request",
    {
        "correction": "simulator.requests.correction:CorrectionRequest",
        "edges": "simulator.requests.edges:EdgesRequest",
        "peer": "simulator.requests.peer:PeerRequest",
        "rows": "simulator.requests.rows:RowsRequest",
    },
    tag="",
)
"""`simulator.requests.contract.Request` classes by the ``kind`` of their erasures."""


@cache
def _made(kind: Callable[[], Request]) -> Request:
    """Return the shared object of a request class; requests have no state."""
    return kind()


def request_of(kind: str) -> Request:
    """Return the object for a kind of request; ``LetheError`` if none is registered under this name."""
    if kind not in REQUESTS.targets():
        known = ", ".join(REQUESTS.targets())
        raise LetheError(f"requests of kind {kind!r} are unknown here: install the package that brings them; known: {known}")
    make: Callable[[], Request] = REQUESTS.load(kind)
    return _made(make)
