"""Mutually authenticated gRPC between the processes of one run, with bytes as requests and answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from simulator.engines.certificates import Identity

DRIVER = "driver"
SERVICE = "lethe.Peer"
LOOPBACK = "127.0.0.1"

Method = Callable[[bytes, str], bytes]
"""A remote procedure, which maps the request and the caller's certified name to the answer."""

_UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
# A frozen process keeps its sockets open; only unanswered pings distinguish it from one that trains for a long time.
_CLIENT = [
    *_UNLIMITED,
    ("grpc.enable_http_proxy", 0),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.max_pings_without_data", 0),
]
_SERVER = [*_UNLIMITED, ("grpc.so_reuseport", 0), ("grpc.http2.max_ping_strikes", 0)]


class RefusedError(Exception):
    """A call that the caller may not make, or that requests something that does not exist."""

    def __init__(self, code: grpc.StatusCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def peer_name(peer: int) -> str:
    """Return the name in the certificate of a peer."""
    return f"peer-{peer}"


def serve(identity: Identity, methods: Mapping[str, Method], threads: int = 8) -> tuple[grpc.Server, str]:
    """Start a server on a free loopback port; return it with its address. Callers without a certificate of the run are refused."""
    server = grpc.server(ThreadPoolExecutor(threads), options=_SERVER)
    handlers = {name: grpc.unary_unary_rpc_method_handler(_handler(method)) for name, method in methods.items()}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    credentials = grpc.ssl_server_credentials([(identity.key, identity.certificate)], identity.root, require_client_auth=True)
    port = server.add_secure_port(f"{LOOPBACK}:0", credentials)
    server.start()
    return server, f"{LOOPBACK}:{port}"


def connect(address: str, name: str, identity: Identity) -> grpc.Channel:
    """Return a channel to the process at an address, which must have the certificate of ``name``."""
    credentials = grpc.ssl_channel_credentials(identity.root, identity.key, identity.certificate)
    return grpc.secure_channel(address, credentials, options=[*_CLIENT, ("grpc.ssl_target_name_override", name)])


def method(channel: grpc.Channel, name: str) -> Any:
    """Return a remote procedure as a callable on bytes, with ``.future`` for asynchronous calls."""
    return channel.unary_unary(f"/{SERVICE}/{name}")


def _handler(method: Method) -> Callable[[bytes, grpc.ServicerContext], bytes]:
    def handle(request: bytes, context: grpc.ServicerContext) -> bytes:
        caller = context.auth_context()["x509_common_name"][0].decode()
        try:
            return method(request, caller)
        except RefusedError as error:
            context.abort(error.code, str(error))
            raise  # abort has raised already

    return handle


def only(caller: str, allowed: str) -> None:
    """Raise ``RefusedError`` unless the caller is the allowed one."""
    if caller != allowed:
        raise RefusedError(grpc.StatusCode.PERMISSION_DENIED, f"{caller} may not call this; only {allowed}")
