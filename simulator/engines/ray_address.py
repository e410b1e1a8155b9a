"""Check that a Ray cluster answers at an address, before Ray itself connects, which may block for minutes and ignores signals."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import Any

from simulator.errors import StoppedError

SECONDS = 4.0
"""Time that a cluster may take to answer."""

_CLIENT = "ray://"
_ASKED = "/ray.rpc.NodeInfoGcsService/GetClusterId"
_CURE = "start the cluster there (ray start --head), or correct the address"


def reachable(address: str) -> str:
    """Return the address for ``ray.init``, with ``"auto"`` resolved; ``StoppedError`` if no cluster answers there."""
    from ray._private.services import canonicalize_bootstrap_address

    client = address.startswith(_CLIENT)
    place: str | None = address.removeprefix(_CLIENT)
    if not client:
        try:
            place = canonicalize_bootstrap_address(address)
        except Exception as error:  # the resolver may raise anything
            raise _unreachable(address, " ".join(str(error).split())) from None
    if place is None:
        raise _unreachable(address, "no running cluster was found on this machine")
    if problem := _problem(place, client):
        raise _unreachable(address, problem)
    return address if client else place


def _unreachable(address: str, what: str) -> StoppedError:
    return StoppedError(f"engine.address = {address!r}: {what}; {_CURE}")


def _problem(place: str, client: bool) -> str | None:
    """Return why ``host:port`` cannot be used as a Ray cluster; None if it can."""
    import grpc
    from ray._common.network_utils import parse_address
    from ray._private.grpc_utils import init_grpc_channel

    parsed = parse_address(place)
    if parsed is None or not str(parsed[1]).isdecimal():
        return "is no address, which is host:port"
    try:
        socket.create_connection((parsed[0], int(parsed[1])), timeout=SECONDS).close()
    except (OSError, OverflowError) as error:  # fails at once, while gRPC would retry until its timeout
        return f"nothing that is a Ray cluster answers ({getattr(error, 'strerror', None) or error})"
    with closing(init_grpc_channel(place, options=[("grpc.enable_http_proxy", 0)])) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=SECONDS)
        except grpc.FutureTimeoutError:
            return f"nothing that is a Ray cluster answers within {SECONDS:g} s"
        return None if client else _asked(channel)


def _asked(channel: Any) -> str | None:
    """Return why the answer to a request that every cluster's head supports is wrong; None if it is right."""
    import grpc

    try:
        channel.unary_unary(_ASKED)(b"", timeout=SECONDS)
    except grpc.RpcError as error:
        code, details = error.code(), " ".join(str(error.details()).split())[:200]
        if code == grpc.StatusCode.UNAUTHENTICATED:
            return f"the cluster wants a token that this process has not (RAY_AUTH_MODE=token and RAY_AUTH_TOKEN): {details}"
        return f"what answers is no Ray cluster ({code.name}: {details})"
    return None
