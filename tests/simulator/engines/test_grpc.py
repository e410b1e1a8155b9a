"""What only the gRPC engine does: certificates, and seeds that go straight from peer to peer."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import grpc
import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from ray import cloudpickle

from clients import wire
from simulator.engines import ENGINES, grpc_link, grpc_peer
from simulator.engines.certificates import Authority
from simulator.engines.codec import decode_requests, encode_requests
from simulator.engines.grid import LocalGrid
from simulator.engines.grpc_peer import OUTBOX, Mail, Outbox, PeerProcess, Settings


@pytest.fixture(scope="module")
def engine():
    spec = ENGINES.load("grpc")(kind="grpc", workers=2)
    with spec.kept():
        yield spec


def train(grid, peers, mail=None, **order):
    messages = []
    for peer in peers:
        content = RecordDict({"arrays": ArrayRecord([np.zeros(500, np.float32)])})
        content.update({f"mail.{owner}": seed for owner, seed in (mail or {}).items()})
        if order:
            content["order"] = ConfigRecord(order)
        messages.append(Message(content, dst_node_id=peer + 1, message_type="train"))
    return grid.send_and_receive(messages)


def seed_of(reply):
    return reply.content["seed"]


def test_seeds_go_straight_from_peer_to_peer(engine, play):
    def body(grid):
        seed = seed_of(train(grid, [1])[0])
        before = grid.transport.bytes_physical
        replies = train(grid, [0, 2], {1: seed})
        return (
            len(wire.unpack(seed)),
            grid.transport,
            grid.transport.bytes_physical - before,
            [reply.content["metrics"]["mail"] for reply in replies],
        )

    size, transport, all_bytes, mail = play(engine, body, peers=3)
    assert mail == [1, 1]
    assert transport.bytes_peer_to_peer == 2 * size
    assert transport.bytes_relayed == 0
    assert all_bytes > 2 * size


def test_driver_relays_what_the_owner_never_had_or_has_lost(engine, play):
    def body(grid):
        seed = seed_of(train(grid, [1])[0])
        pid = grid.send_and_receive([Message(RecordDict(), dst_node_id=2, message_type="query.hello")])[0].content["who"]["pid"]
        os.kill(pid, signal.SIGKILL)
        gone = train(grid, [0], {1: seed})[0]
        foreign = wire.pack(wire.to_bytes({"w": np.full(3, 2.0)}))
        never = train(grid, [0], {2: foreign})[0]
        beyond = train(grid, [0], {77: foreign})[0]
        return [reply.content["metrics"]["mail"] for reply in (gone, never, beyond)], grid.transport

    mail, transport = play(engine, body, peers=3)
    assert mail == [1, 1, 1]
    assert transport.bytes_peer_to_peer == 0
    assert transport.bytes_relayed > 2000


def test_the_same_seed_counts_whichever_way_it_came(engine, play):
    def body(grid):
        seed = seed_of(train(grid, [1])[0])
        straight = train(grid, [0], {1: seed})[0].content["arrays"].to_numpy_ndarrays()[0]
        relayed = train(grid, [2], {77: seed})[0].content["arrays"].to_numpy_ndarrays()[0]
        return straight, relayed

    straight, relayed = play(engine, body, peers=3)
    assert relayed[0] - straight[0] == pytest.approx(2 / 7, abs=1e-4)


@pytest.mark.parametrize(("order", "straight"), [({"drop": [1]}, False), ({"drop": [0]}, True), ({}, True)])
def test_dropped_seeds_leave_their_owners_outbox(engine, play, order, straight):
    def body(grid):
        seed = seed_of(train(grid, [1])[0])
        train(grid, [0], **order)
        train(grid, [2], {1: seed})
        return grid.transport

    transport = play(engine, body, peers=3)
    assert (transport.bytes_peer_to_peer > 0, transport.bytes_relayed > 0) == (straight, not straight)


def ping(address, channel):
    try:
        return grpc_link.method(channel, "ping")(b"hello", timeout=120)
    except grpc.RpcError as error:
        return error.code()


def test_only_certificates_of_the_run_get_in(engine, play):
    stranger = Authority().issue(grpc_link.DRIVER)

    def body(grid):
        transport = grid.transport
        address = transport.remotes[0].address
        name = grpc_link.peer_name(0)
        friend = transport._authority.issue(grpc_link.peer_name(1))
        nobody = grpc.ssl_channel_credentials(friend.root)
        name_override = [("grpc.ssl_target_name_override", name)]
        return {
            "friend": ping(address, grpc_link.connect(address, name, friend)),
            "stranger": ping(address, grpc_link.connect(address, name, stranger)),
            "stranger who knows our root": ping(
                address,
                grpc.secure_channel(address, grpc.ssl_channel_credentials(friend.root, stranger.key, stranger.certificate), name_override),
            ),
            "no certificate": ping(address, grpc.secure_channel(address, nobody, name_override)),
            "no TLS": ping(address, grpc.insecure_channel(address)),
            "another peer in its place": ping(address, grpc_link.connect(address, grpc_link.peer_name(2), friend)),
        }

    answers = play(engine, body, peers=1)
    assert answers.pop("friend") == b"hello"
    assert set(answers.values()) == {grpc.StatusCode.UNAVAILABLE}


@pytest.mark.parametrize("method", ["answer", "purge"])
def test_peers_may_not_command_each_other(engine, play, method):
    def body(grid):
        friend = grid.transport._authority.issue(grpc_link.peer_name(1))
        channel = grpc_link.connect(grid.transport.remotes[0].address, grpc_link.peer_name(0), friend)
        with pytest.raises(grpc.RpcError) as refused:
            grpc_link.method(channel, method)(b"", timeout=120)
        return refused.value.code()

    assert play(engine, body, peers=1) == grpc.StatusCode.PERMISSION_DENIED


@pytest.fixture
def authority():
    return Authority()


@pytest.fixture
def serve():
    servers = []

    def serve(identity, blob):
        server, address = grpc_link.serve(identity, {"fetch": lambda request, caller: blob})
        servers.append(server)
        return address

    yield serve
    for server in servers:
        server.stop(0).wait()


TRUE, FALSE = b"the seed", b"another seed"


@pytest.mark.parametrize(("owner", "relay", "straight"), [(TRUE, FALSE, len(TRUE)), (FALSE, TRUE, 0)])
def test_bytes_with_another_hash_are_not_taken_from_the_owner(authority, serve, owner, relay, straight):
    mail = Mail(authority.issue("peer-0"), serve(authority.issue(grpc_link.DRIVER), relay))
    reference = ConfigRecord({"owner": 1, "sha256": wire.sha256(TRUE), "address": serve(authority.issue("peer-1"), owner)})
    message = SimpleNamespace(content=RecordDict({"mail.1": reference, "mail": ConfigRecord({"owners": [1]})}))
    assert mail.fill(message) == straight
    assert wire.unpack(message.content["mail.1"]) == TRUE


def test_bytes_with_another_hash_are_not_taken_from_the_driver_either(authority, serve):
    mail = Mail(authority.issue("peer-0"), serve(authority.issue(grpc_link.DRIVER), FALSE))
    reference = ConfigRecord({"owner": 1, "sha256": wire.sha256(TRUE), "address": serve(authority.issue("peer-1"), FALSE)})
    with pytest.raises(grpc_link.RefusedError, match="another hash"):
        mail.fill(SimpleNamespace(content=RecordDict({"mail.1": reference})))


def test_outbox_keeps_the_latest(authority):
    outbox = Outbox()
    blobs = [bytes([number]) for number in range(OUTBOX + 2)]
    for blob in blobs:
        outbox.put(blob)
    for blob in blobs[:2]:
        with pytest.raises(grpc_link.RefusedError):
            outbox.get(wire.sha256(blob))
    assert [outbox.get(wire.sha256(blob)) for blob in blobs[2:]] == blobs[2:]
    outbox.clear()
    with pytest.raises(grpc_link.RefusedError):
        outbox.get(wire.sha256(blobs[-1]))


@pytest.fixture
def process(authority):
    """A peer whose app counts what it handles, and its worker."""
    app = ClientApp()

    @app.train()
    def count(message, context):
        context.state["n"] = MetricRecord({"n": context.state["n"]["n"] + 1 if "n" in context.state else 1})
        return Message(RecordDict({"n": context.state["n"]}), reply_to=message)

    settings = Settings(cloudpickle.dumps(app), 0, 1, authority.issue("peer-0"), "127.0.0.1:1")
    process = PeerProcess(settings)
    threading.Thread(target=process.work, daemon=True).start()
    yield process
    process.server.stop(0).wait()


def messages_to_train(number):
    """Return as many different messages as the driver would send them."""

    class Recorder:
        bytes_physical = 0

        def deliver(self, messages, timeout):
            self.seen = [encode_requests(messages)]
            return messages

    with LocalGrid(recorder := Recorder(), 1) as grid:
        payloads = []
        for _ in range(number):
            grid.send_and_receive([Message(RecordDict(), dst_node_id=1, message_type="train")])
            payloads += recorder.seen
    return payloads


def test_a_message_that_comes_twice_is_handled_once(process):
    payloads = messages_to_train(2)
    answers = [process.answer(payload, grpc_link.DRIVER) for payload in (payloads[0], payloads[0], payloads[1])]
    assert answers[0] == answers[1] != answers[2]
    assert process.host.context(1).state["n"]["n"] == 2


def test_a_message_that_comes_again_while_it_is_worked_on_is_handled_once(process, monkeypatch):
    (payload,) = messages_to_train(1)
    begun, again, handle = threading.Event(), threading.Event(), process.host.answer

    def slow(message):
        begun.set()
        assert again.wait(30)
        return handle(message)

    def decoded(batch):
        if begun.is_set():
            again.set()
        return decode_requests(batch)

    monkeypatch.setattr(process.host, "answer", slow)
    monkeypatch.setattr(grpc_peer, "decode_requests", decoded)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(process.answer, payload, grpc_link.DRIVER)
        assert begun.wait(30)
        second = threads.submit(process.answer, payload, grpc_link.DRIVER)
    assert first.result() == second.result()
    assert process.host.context(1).state["n"]["n"] == 1
