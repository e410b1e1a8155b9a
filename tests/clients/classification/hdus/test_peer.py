"""HDUS at one peer: what it sends, holds, drops and predicts."""

from __future__ import annotations

import numpy as np
import pytest

from clients import data, wire
from clients.classification.hdus.config import HdusConfig
from clients.classification.hdus.peer import COUNTS, Peer
from clients.data.bundled import Digits
from clients.participant import ROWS, Update
from clients.unlearning.contract import UnlearningError


def config(peer: int = 0, **changes: object) -> HdusConfig:
    table = {
        "run_seed": 3,
        "peer": peer,
        "rounds": 2,
        "data": {"dataset": "digits"},
        "rows": list(range(100 * peer, 100 * peer + 60)),
        "reference": list(range(1000, 1100)),
        "test": list(range(1200, 1300)),
        "main": {"kind": "mlp", "hidden": [16]},
        "seed": {"kind": "mlp", "hidden": [8]},
        "training": {"epochs": 2},
        "distillation": {"epochs": 3},
        "ensemble": {},
    }
    return HdusConfig.model_validate(table | changes)


def trained(one: HdusConfig, rounds: int = 1) -> Peer:
    peer = Peer.new(one)
    for _ in range(rounds):
        peer.train()
        peer.distil()
    return peer


def seed_of(peer: Peer) -> Update:
    assert peer.update is not None
    return peer.update


def test_a_seed_depends_on_the_main_model_and_the_reference_set_only() -> None:
    peer = trained(config())
    before = seed_of(peer)
    peer.distil()
    assert seed_of(peer).blob == before.blob
    assert seed_of(peer).version == before.version + 1


def test_no_two_peers_share_a_stream() -> None:
    same_rows = {"rows": list(range(60))}
    assert seed_of(trained(config(0, **same_rows))).blob != seed_of(trained(config(1, **same_rows))).blob
    assert seed_of(trained(config(0, generation=1))).blob != seed_of(trained(config(0))).blob


def test_a_peer_without_neighbours_predicts_with_its_main_model() -> None:
    peer = trained(config())
    x = data.load(Digits()).x[1200:1220]
    np.testing.assert_array_equal(peer.predict_proba(x), peer.predict_main(x).astype(np.float64))


def test_dropping_a_seed_gives_a_receipt_for_its_bytes_and_leaves_no_trace() -> None:
    never, peer = trained(config()), trained(config())
    leaver, stayer = seed_of(trained(config(4))), seed_of(trained(config(5)))
    never.held[5] = stayer
    peer.held.update({4: leaver, 5: stayer})
    x = data.load(Digits()).x[1200:1300]
    assert not np.array_equal(peer.predict_proba(x), never.predict_proba(x)), "the control: a held seed shows"
    (receipt,) = peer.drop([4, 9])
    assert (receipt.owner, receipt.version, receipt.sha256) == (4, 1, wire.sha256(leaver.blob))
    np.testing.assert_array_equal(peer.predict_proba(x), never.predict_proba(x))


def test_the_order_in_which_seeds_arrive_changes_nothing() -> None:
    a, b = trained(config()), trained(config())
    seeds = {owner: seed_of(trained(config(owner))) for owner in (4, 5, 6)}
    a.held.update(seeds)
    b.held.update(dict(reversed(seeds.items())))
    x = data.load(Digits()).x[1200:1300]
    np.testing.assert_array_equal(a.predict_proba(x), b.predict_proba(x))


@pytest.mark.parametrize(
    "main",
    [
        {"kind": "mlp", "hidden": [16]},
        {"kind": "cnn", "channels": [4]},
        {"kind": "sisa", "shards": 2, "slices": 2, "base": {"kind": "linear"}},
    ],
    ids=lambda main: str(main["kind"]),
)
def test_forgetting_rows_leaves_the_bytes_of_a_peer_that_never_had_them(main: dict[str, object]) -> None:
    gone = [3, 17, 44]
    peer = trained(config(main=main), rounds=1)
    before = seed_of(peer).blob
    peer.forget(gone)
    peer.train()
    peer.distil()
    never = trained(config(main=main, rows=[row for row in range(60) if row not in gone]), rounds=2)
    assert peer.main_blob == never.main_blob
    assert seed_of(peer).blob == seed_of(never).blob != before
    assert set(wire.from_bytes(peer.main_blob)[ROWS]).isdisjoint(gone)
    assert wire.from_bytes(seed_of(peer).blob)[COUNTS].sum() == 57


@pytest.mark.parametrize("kind", ["mlp", "dare", "hedgecut", "ridge", "naive_bayes"])
@pytest.mark.parametrize(("request_", "said"), [([3, 999], "row 999 is not held"), ([3, 5, 3], "row 3 is named twice")])
def test_a_request_that_cannot_be_met_changes_nothing(kind: str, request_: list[int], said: str) -> None:
    peer = trained(config(main={"kind": kind}))
    before, rows = peer.main_blob, peer.rows.ids
    with pytest.raises(UnlearningError, match=said):
        peer.forget(request_)
    assert peer.main_blob == before
    assert peer.rows.ids is rows


def test_finetuning_leaves_a_trace() -> None:
    main = {"kind": "finetune", "base": {"kind": "mlp", "hidden": [16]}}
    peer = trained(config(main=main))
    peer.forget([3])
    never = trained(config(main=main, rows=[row for row in range(60) if row != 3]))
    assert peer.main_blob != never.main_blob


def test_a_restored_peer_goes_on_as_the_one_that_never_stopped() -> None:
    whole = trained(config(), rounds=2)
    half = trained(config(), rounds=1)
    again = Peer.restored(half.config, half.main_blob)
    again.update = half.update
    again.train()
    again.distil()
    assert again.main_blob == whole.main_blob
    assert seed_of(again) == seed_of(whole)


def test_local_accuracy_weighs_classes_by_the_peers_own_mix() -> None:
    source = data.load(Digits())
    zeros = [int(row) for row in np.flatnonzero(source.y == 0)[:40]]
    peer = trained(config(rows=zeros, training={"epochs": 20}), rounds=2)
    scores, probabilities = peer.evaluate()
    assert probabilities.shape == (100, 10)
    assert scores["accuracy.local.main"] == 1.0, "it has only seen zeros and says zero"
    assert scores["accuracy.global.main"] == float((source.y[1200:1300] == 0).mean())
