"""Peers' sums add up to the model of the pooled rows, and leave it without a trace."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_wine

from clients import wire
from clients.data.rows import Rows
from clients.unlearning.contract import Problem, UnlearnerSpec, UnlearningError
from clients.unlearning.exact.statistical.specs import ItemItem, NaiveBayes, Pca, Ridge
from server.classification.sums.statistics import Statistics

SPECS: dict[str, UnlearnerSpec] = {
    "gaussian": NaiveBayes(),
    "multinomial": NaiveBayes(distribution="multinomial"),
    "bernoulli": NaiveBayes(distribution="bernoulli", threshold=0.5),
    "ridge": Ridge(),
    "pca": Pca(components=3),
    "item_item": ItemItem(),
}


def wine(spec: UnlearnerSpec) -> tuple[Rows, Problem]:
    source = load_wine()
    x = ((source.data - source.data.min(axis=0)) / np.ptp(source.data, axis=0)).astype(np.float32)
    return Rows(np.arange(len(x)), x, source.target.astype(np.int64)), Problem((13,), 13 if isinstance(spec, ItemItem) else 3)


def fitted(spec: UnlearnerSpec, rows: Rows, problem: Problem) -> Any:
    model = spec.build(problem, (1,))
    model.fit(rows)
    return model


def federation(spec: UnlearnerSpec) -> tuple[Statistics, list[Any], Rows, Problem]:
    rows, problem = wine(spec)
    peers = [fitted(spec, rows.only(rows.ids[p::4]), problem) for p in range(4)]
    ledger = Statistics(spec.build(problem, (1,)))
    for number, peer in enumerate(peers):
        ledger.give(number, peer.sums)
    return ledger, peers, rows, problem


def blob(sums: Any) -> bytes:
    return wire.to_bytes(sums)


@pytest.mark.parametrize("name", SPECS)
def test_the_total_is_the_pooled_model_through_deletions_and_departures(name: str) -> None:
    ledger, peers, rows, problem = federation(SPECS[name])
    assert blob(ledger.total) == blob(fitted(SPECS[name], rows, problem).sums)
    gone = rows.ids[2::4][:9]
    part = peers[2].named(gone)
    peers[2].forget(gone)
    ledger.take_out(2, part)
    kept = rows.without(gone)
    assert blob(ledger.total) == blob(fitted(SPECS[name], kept, problem).sums)
    ledger.leave(1)
    pooled = fitted(SPECS[name], kept.without(rows.ids[1::4]), problem)
    assert blob(ledger.total) == blob(pooled.sums)
    assert ledger.learner.predict_proba(rows.x).tobytes() == pooled.predict_proba(rows.x).tobytes()
    assert ledger.peers == (0, 2, 3)


@pytest.mark.parametrize("name", SPECS)
def test_nobody_takes_out_more_than_was_given(name: str) -> None:
    ledger, peers, rows, _ = federation(SPECS[name])
    before = blob(ledger.total)
    stranger = peers[1].named(rows.ids[1::4][:1])
    everything = peers[0].sums
    negative = {key: -array for key, array in everything.items()}
    with pytest.raises(UnlearningError, match="peer 0"):
        ledger.take_out(0, {key: array * 2 for key, array in everything.items()})
    with pytest.raises(UnlearningError, match="peer 0"):
        ledger.take_out(0, negative)
    with pytest.raises(UnlearningError, match="peer 9"):
        ledger.take_out(9, stranger)
    with pytest.raises(UnlearningError, match="peer 9"):
        ledger.leave(9)
    with pytest.raises(UnlearningError, match="shapes"):
        ledger.give(0, {key: array for key, array in everything.items() if key != "n"})
    assert blob(ledger.total) == before
    ledger.leave(0)
    with pytest.raises(UnlearningError, match="peer 0"):
        ledger.take_out(0, everything)
    ledger.give(0, everything)
    assert blob(ledger.total) == before


def test_a_deletion_taken_out_twice_is_refused() -> None:
    ledger, peers, rows, _ = federation(Ridge())
    part = peers[3].named(rows.ids[3::4][:30])
    ledger.take_out(3, part)
    before = blob(ledger.total)
    with pytest.raises(UnlearningError, match="more is taken out than was given"):
        ledger.take_out(3, part)
    assert blob(ledger.total) == before


def test_a_row_unlike_any_given_is_refused() -> None:
    ledger, _, rows, problem = federation(Ridge())
    wild = Rows(rows.ids[:1], 1 - np.round(rows.x[:1]), rows.y[:1])
    part = {key: 20 * array for key, array in fitted(Ridge(), wild, problem).sums.items()}
    with pytest.raises(UnlearningError, match="below 0"):
        ledger.take_out(0, part)
