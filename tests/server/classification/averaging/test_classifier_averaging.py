"""Averaging of classifiers: folds against centralised training and Flower, refusals, and who takes part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, MetricRecord, RecordDict
from flwr.serverapp.strategy import FedAdam
from flwr.serverapp.strategy.strategy_utils import aggregate_arrayrecords

from clients import data, wire
from clients.averaging.update import COUNT
from clients.classification.averaging.config import AveragedClassifierConfig
from clients.classification.averaging.peer import AveragedClassifierPeer
from clients.data.bundled import Digits
from clients.models.mlp import Mlp
from clients.privacy.settings import LocalTraining
from clients.training import Sgd
from server.aggregation.optimizers import AdamOptimizer, Replace, ServerOptimizer
from server.averaging.cohort import Cohorts
from server.averaging.contract import Averaged, Weighting
from server.classification.averaging.coordinator import ClassifierAveraging
from server.ledger import RoundRecord
from server.mailbox import MailboxState, Parcel
from server.timeline import Round, Timeline
from simulator.storage.store import RunStore

SHARES = (range(30), range(30, 40), range(40, 100))
FULL_BATCH = LocalTraining(epochs=1, batch_size=1000, optimizer=Sgd(lr=0.1))


def config(peer: int = 0, **changes: Any) -> AveragedClassifierConfig:
    constants = {
        "run_seed": 1,
        "peer": peer,
        "rounds": 60,
        "data": Digits(dataset="digits"),
        "rows": tuple(SHARES[peer]),
        "reference": (1000,),
        "test": tuple(range(1100, 1200)),
        "main": Mlp(hidden=(8,)),
        "training": FULL_BATCH,
    }
    return AveragedClassifierConfig(**constants | changes)


class Bench:
    """An averaging server with three peers, without an engine between them."""

    def __init__(self, optimizer: ServerOptimizer | None = None, weighting: Weighting = "rows", size: int | None = None, **changes: Any):
        self.configs = [config(peer, **changes) for peer in range(3)]
        rounds = tuple(Round(round=number, present=(0, 1, 2), members=(0, 1, 2), edges=()) for number in range(1, 61))
        self.store, self.mailbox, self.versions = RunStore(), MailboxState(), 0
        averaged = Averaged(optimizer or Replace(), Timeline(rounds=rounds), self.store, Cohorts(1, size), weighting)
        self.server = ClassifierAveraging(self.configs[0], averaged)

    def post(self, record: RoundRecord, peer: int, blob: bytes) -> None:
        self.versions += 1
        parcel = Parcel(owner=peer, generation=0, version=self.versions, sha256=wire.sha256(blob), size=len(blob), arrives=record.round)
        record.artefacts[parcel.sha256] = blob
        self.mailbox.post(parcel)

    def play(self, number: int, peers: tuple[int, ...] = (0, 1, 2)) -> RoundRecord:
        record, now = RoundRecord(number), self.server.averaged.timeline.rounds[number - 1]
        asked = [peer for peer in self.server.addressed(now, self.mailbox) if peer in peers]
        for number_ in reversed(asked):  # whoever answers first, they are folded in peer order
            peer = AveragedClassifierPeer.new(self.configs[number_])
            peer.receive(self.server.payload(number_, now), number)
            peer.train()
            peer.distil()
            assert peer.update is not None
            self.post(record, number_, peer.update.blob)
        self.server.close(now, self.mailbox, record)
        return record

    def close(self, record: RoundRecord) -> RoundRecord:
        self.server.close(self.server.averaged.timeline.rounds[record.round - 1], self.mailbox, record)
        return record


def centralised(steps: int) -> dict[str, np.ndarray]:
    """Return what gradient descent on all rows together makes of the same start."""
    one = config()
    source, rows = data.load(one.data), np.arange(100)
    weights = one.network.initial((1, "global"))
    for step in range(steps):
        weights, _ = one.network.train(
            weights, source.x[rows], source.y[rows], epochs=range(1), ids=rows, key=("all", step), settings=FULL_BATCH
        )
    return weights


def apart(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> float:
    return max(float(np.abs(one[name] - other[name]).max()) for name in one)


def test_one_full_batch_step_a_round_is_centralised_gradient_descent():
    bench = Bench()
    for number in range(1, 51):
        bench.play(number)
    assert apart(bench.server.weights, centralised(50)) < 1e-6


def test_equal_weights_of_unequal_peers_are_not():
    """The control."""
    bench = Bench(weighting="equal")
    bench.play(1)
    assert apart(bench.server.weights, centralised(1)) > 1e-3


def test_the_pull_of_weight_zero_is_no_pull_bit_by_bit_and_more_pull_keeps_nearer():
    local = LocalTraining(epochs=5, batch_size=16)
    ends = []
    for pull in (0.0, 0.1, 10.0):
        bench = Bench(training=local, proximal=pull)
        bench.play(1)
        ends.append(bench.server.weights)
    plain = Bench(training=local)
    plain.play(1)
    assert wire.to_bytes(ends[0]) == wire.to_bytes(plain.server.weights)
    start = plain.server.start
    distances = [sum(float(((end[name] - start[name]) ** 2).sum()) for name in end) for end in ends]
    assert distances[0] > distances[1] > distances[2]


@pytest.mark.parametrize("kind", ["fedavg", "fedadam"])
def test_the_fold_is_that_of_flower(kind, monkeypatch):
    """Flower's own strategies on the same updates, five rounds."""
    ours = AdamOptimizer(0.1, 0.9, 0.99, 1e-3) if kind == "fedadam" else None
    bench = Bench(ours, training=LocalTraining(epochs=2, batch_size=16))
    theirs = FedAdam(eta=0.1, beta_1=0.9, beta_2=0.99, tau=1e-3)
    sent: list[tuple[dict[str, np.ndarray], int]] = []
    read = bench.server.read

    def listen(peer, blob):
        update = read(peer, blob)
        sent.append((update.weights, update.count))
        return update

    monkeypatch.setattr(bench.server, "read", listen)
    for number in range(1, 6):
        sent.clear()
        theirs.current_arrays = dict(bench.server.weights)
        bench.play(number)
        replies = [
            RecordDict({"arrays": ArrayRecord({n: Array(a) for n, a in weights.items()}), "metrics": MetricRecord({"rows": count})})
            for weights, count in sent
        ]
        folded = aggregate_arrayrecords(replies, "rows")
        if kind == "fedadam":
            monkeypatch.setattr("flwr.serverapp.strategy.fedavg.FedAvg.aggregate_train", lambda *_, folded=folded: (folded, None))
            folded, _ = theirs.aggregate_train(number, [])
        assert apart(bench.server.weights, {name: array.numpy() for name, array in folded.items()}) < 1e-6


def test_nobody_answers_and_the_model_stays():
    bench = Bench(AdamOptimizer(0.1, 0.9, 0.99, 1e-3))
    bench.play(1)
    before, memory = wire.to_bytes(bench.server.weights), wire.to_bytes(bench.server.memory)
    bench.play(2, peers=())
    assert wire.to_bytes(bench.server.weights) == before
    assert wire.to_bytes(bench.server.memory) == memory, "no server step either"


def test_a_peer_without_rows_has_no_weight():
    bench, record = Bench(rows=()), RoundRecord(1)
    bench.play(1)
    assert wire.to_bytes(bench.server.weights) == wire.to_bytes(bench.server.start)
    bench.post(record, 0, wire.to_bytes({**{n: a + 1 for n, a in bench.server.start.items()}, COUNT: np.array(0)}))
    bench.post(record, 1, wire.to_bytes({**{n: a + 2 for n, a in bench.server.start.items()}, COUNT: np.array(5)}))
    bench.close(record)
    assert apart(bench.server.weights, {n: a + 2 for n, a in bench.server.start.items()}) == 0


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda a: {**a, "1.bias": np.full_like(a["1.bias"], np.nan)}, "array '1.bias' has entries that are not finite"),
        (lambda a: {**a, "1.bias": np.zeros(3, np.float32)}, "array '1.bias' has shape (3,), the model's is (8,)"),
        (lambda a: {n: v for n, v in a.items() if n != "1.bias"}, "has no array '1.bias'"),
        (lambda a: {**a, "other": np.zeros(1, np.float32)}, "has an array 'other', which the model has not"),
    ],
)
def test_an_update_that_does_not_fit_is_refused_by_name_and_the_rest_goes_on(spoil, words):
    bench, record = Bench(), RoundRecord(1)
    good = {name: array + 1 for name, array in bench.server.start.items()}
    bench.post(record, 0, wire.to_bytes({**good, COUNT: np.array(5)}))
    bench.post(record, 2, wire.to_bytes({**spoil(good), COUNT: np.array(5)}))
    bench.close(record)
    assert record.events == [("refused", (2,), words)]
    assert apart(bench.server.weights, good) == 0


def test_only_the_cohort_trains_and_who_has_to_forget_is_told():
    bench = Bench(size=1)
    now = bench.server.averaged.timeline.rounds[0]
    (drawn,) = bench.server.addressed(now, bench.mailbox)
    other = next(peer for peer in range(3) if peer != drawn)
    bench.mailbox.requests[other] = {31}
    assert set(bench.server.addressed(now, bench.mailbox)) == {drawn, other}
    assert set(bench.server.payload(drawn, now)) == {"global"}
    assert not bench.server.payload(other, now)
    peer = AveragedClassifierPeer.new(bench.configs[other])
    peer.receive({}, 1)
    peer.forget([peer.rows[0]])
    assert peer.train() == 0
    peer.distil()
    assert peer.update is not None
    assert bench.server.read(other, peer.update.blob).weights == {}
