"""What every engine must do, whatever carries its messages."""

import queue
import threading
import time

import numpy as np
import pytest
import torch
from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import ServerApp

from simulator.engines import ENGINES

ENGINE_TABLES = [
    pytest.param({"kind": "inline"}, id="inline"),
    pytest.param({"kind": "ray", "workers": 1}, id="ray-1", marks=pytest.mark.slow),
    pytest.param({"kind": "ray", "workers": 2}, id="ray-2", marks=pytest.mark.slow),
    pytest.param({"kind": "grpc"}, id="grpc"),
    pytest.param({"kind": "flower", "workers": 2}, id="flower", marks=pytest.mark.slow),
]


@pytest.fixture(scope="module", params=ENGINE_TABLES)
def engine(request):
    if request.param["kind"] in ("ray", "flower"):
        request.getfixturevalue("ray_cluster")
    spec = ENGINES.load(request.param["kind"])(**request.param)
    with spec.kept():
        yield spec


@pytest.fixture(scope="module")
def grid(engine):
    """Hold one play open for all tests that only send messages: starting one takes seconds on some engines."""
    handed, done = queue.Queue(), threading.Event()

    @(app := ServerApp()).main()
    def main(grid, context):
        handed.put(grid)
        done.wait()

    player = threading.Thread(target=engine.play, args=(app, "toy_apps:client", 8))
    player.start()
    yield handed.get(timeout=300)
    done.set()
    player.join(timeout=300)
    assert not player.is_alive()


def node_of(grid, peer):
    """Return the node on which a peer lives; Flower's own runtime deals random ids."""
    if not hasattr(grid, "peers_by_node"):
        ids = list(grid.get_node_ids())
        hello = grid.send_and_receive([Message(RecordDict(), dst_node_id=node, message_type="query.hello") for node in ids])
        grid.peers_by_node = {reply.content["who"]["peer"]: reply.metadata.src_node_id for reply in hello}
    return grid.peers_by_node.get(peer, peer + 1)


def ask(grid, kind, peers, content=None, **options):
    messages = [Message(content or RecordDict(), dst_node_id=node_of(grid, peer), message_type=kind) for peer in peers]
    return grid.send_and_receive(messages, **options)


def federation(grid, rounds=3, peers=5):
    """Return the bytes of a little federated training in which everybody also gets the seeds of two neighbours."""
    weights, seeds, history = np.zeros(4, np.float32), {}, []
    for now in range(rounds):
        messages = []
        for peer in range(peers):
            content = RecordDict({"arrays": ArrayRecord([weights])})
            for owner in ((peer + 1) % peers, (peer + 2) % peers):
                if owner in seeds:
                    content[f"mail.{owner}"] = seeds[owner]
            messages.append(Message(content, dst_node_id=node_of(grid, peer), message_type="train", group_id=str(now)))
        replies = grid.send_and_receive(messages)
        assert [reply.metadata.src_node_id for reply in replies] == [message.metadata.dst_node_id for message in messages]
        assert [reply.metadata.reply_to_message_id for reply in replies] == [message.metadata.message_id for message in messages]
        seeds = {peer: reply.content["seed"] for peer, reply in enumerate(replies)}
        weights = np.mean([reply.content["arrays"].to_numpy_ndarrays()[0] for reply in replies], axis=0, dtype=np.float32)
        history.append(weights.tobytes())
        assert {reply.content["metrics"]["mail"] for reply in replies} == {2 if now else 0}
    return history


@pytest.fixture(scope="module")
def expected():
    """The federation's numbers by hand, without any engine."""
    weights, sums, seeds, history = np.zeros(4, np.float32), np.zeros((5, 4), np.float32), np.zeros((5, 4), np.float32), []
    for _ in range(3):
        sums = sums * np.float32(0.9) + weights + (np.arange(5, dtype=np.float32) / 7)[:, None]
        mail = [sum(float(seeds[owner].sum()) for owner in sorted({(p + 1) % 5, (p + 2) % 5})) for p in range(5)]
        seeds = np.stack([sums[p] + mail[p] for p in range(5)]).astype(np.float32)
        weights = np.mean(seeds, axis=0, dtype=np.float32)
        history.append(weights.tobytes())
    return history


def test_same_bytes_as_by_hand(engine, play, expected):
    assert play(engine, federation) == expected


def test_exception_of_the_server_app_comes_out_and_leaves_nothing(engine, play):
    torch.set_num_threads(2)
    try:
        with pytest.raises(ZeroDivisionError):
            play(engine, lambda grid: 1 / 0, peers=1)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    with pytest.raises(RuntimeError, match="run_id is not set"):
        Message(RecordDict(), dst_node_id=1, message_type="train")


def test_keyboard_interrupt_comes_out(engine, play):
    def body(grid):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play(engine, body, peers=1)


def test_wrong_reference_is_told(engine, play):
    with pytest.raises(TypeError, match=r"toy_apps:np.*ClientApp"):
        play(engine, lambda grid: None, client_app="toy_apps:np")


@pytest.mark.slow
def test_second_run_in_one_process_starts_blank(grid, expected):
    assert federation(grid) == expected


def test_nodes_and_partitions(grid):
    assert len(set(grid.get_node_ids())) == 8
    assert {node_of(grid, peer) for peer in range(8)} == set(grid.get_node_ids())
    answers = [reply.content for reply in ask(grid, "query.hello", (2, 0, 1))]
    assert [(answer["who"]["peer"], answer["who"]["of"], answer["torch"]["threads"]) for answer in answers] == [
        (2, 8, 1),
        (0, 8, 1),
        (1, 8, 1),
    ]


def test_unknown_node_is_answered(grid):
    known, unknown = ask(grid, "query.hello", (0, 17))
    assert known.has_content()
    assert (unknown.error.code, unknown.metadata.src_node_id) == (5, 18)
    assert "node 18" in unknown.error.reason


def test_handler_that_raises_gives_its_traceback_and_changes_nothing(grid):
    replies = ask(grid, "train.fail", range(3))
    assert [reply.has_error() for reply in replies] == [False, True, False]
    assert replies[1].error.code == 2
    assert "RuntimeError: the dog ate it" in replies[1].error.reason
    assert ["half" in reply.content["state"]["names"] for reply in ask(grid, "query.state", range(4))] == [True, False, True, False]


def test_what_a_peer_does_to_a_message_stays_there(grid):
    content = RecordDict({"arrays": ArrayRecord([np.ones(3)])})
    replies = ask(grid, "train.scribble", range(3), content) + ask(grid, "train.scribble", range(3), content)
    assert [reply.content["seen"]["names"] for reply in replies] == [["arrays"]] * 6
    assert len(content["arrays"]) == 1


def test_sender_may_change_what_it_sent_or_got(grid):
    content = RecordDict({"arrays": ArrayRecord([np.ones(4, np.float32)])})
    reply = ask(grid, "train.first", [0], content)[0]
    reply.content["arrays"].clear()
    content["arrays"].clear()
    assert ask(grid, "query.first", [0])[0].content["arrays"].to_numpy_ndarrays()[0].tolist() == [1.0] * 4


def test_push_and_pull(grid):
    nodes = [node_of(grid, peer) for peer in (1, 0)]
    ids = list(grid.push_messages([Message(RecordDict(), dst_node_id=node, message_type="query.hello") for node in nodes]))
    replies = []
    deadline = time.monotonic() + 300
    while len(replies) < 2 and time.monotonic() < deadline:
        replies += grid.pull_messages(ids)
    assert {reply.metadata.reply_to_message_id: reply.content["who"]["peer"] for reply in replies} == dict(zip(ids, (1, 0), strict=True))
    assert list(grid.pull_messages(ids)) == []


def test_bytes_are_counted(grid):
    before = grid.bytes_physical
    ask(grid, "train", (5, 7), RecordDict({"arrays": ArrayRecord([np.zeros(10_000, np.float32)]), "n": MetricRecord({"x": 1})}))
    counted = grid.bytes_physical - before
    assert 5 * 40_000 < counted < 7 * 40_000  # two arrays go in, as one where the peers share a process; four come out
