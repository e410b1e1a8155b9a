"""Inversion: closed forms are exact, two rows of a class are no reconstruction, and noise brings ranks back to chance."""

from __future__ import annotations

import numpy as np
import pytest

from clients.data.rows import Rows
from clients.models.mlp import Mlp
from clients.models.network import Network
from clients.training import Arrays
from clients.unlearning.contract import Problem
from clients.unlearning.exact.statistical.moment_learner import MomentLearner
from clients.unlearning.exact.statistical.specs import Ridge
from server.audit.inversion import labels_of, likeness, matched, row_of, rows_of_sums

DRAW = np.random.default_rng(0)
X, Y = DRAW.uniform(0, 1, (130, 12)), DRAW.integers(0, 4, 130)
NETWORK = Network(Mlp(hidden=(24,)), (12,), 4)


def gradient(x: np.ndarray, y: np.ndarray) -> Arrays:
    """Return the gradient of cross-entropy at the network's first weights, in float64 and by hand."""
    w, b, v, c = (array.astype(np.float64) for array in NETWORK.initial(("w",)).values())
    hidden = x @ w.T + b
    logits = np.maximum(hidden, 0) @ v.T + c
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    back = (p / p.sum(axis=1, keepdims=True) - np.eye(4)[y]) / len(x)
    inner = (back @ v) * (hidden > 0)
    parts = inner.T @ x, inner.sum(axis=0), back.T @ np.maximum(hidden, 0), back.sum(axis=0)
    return dict(zip(NETWORK.initial(("w",)), parts, strict=True))


def test_one_row_and_its_class_follow_from_its_gradient() -> None:
    for x, y in zip(X[:30], Y[:30], strict=True):
        weight, bias, _, last = gradient(x[None], y[None]).values()
        np.testing.assert_allclose(row_of(weight * 7, bias * 7), x, atol=1e-9)
        assert labels_of(last * 7, 1).tolist() == [y]


def test_classes_of_several_rows_follow_from_the_last_bias() -> None:
    assert labels_of(np.array([-2.0, -1.0, 0.0, 0.1]) / 3, 3).tolist() == [0, 0, 1]


def test_sums_give_single_rows_of_a_class_away_and_never_two() -> None:
    counts, means = np.array([1.0, 0.0, 2.0]), np.stack([X[0], np.zeros(12), X[1:3].mean(axis=0)])
    found, labels = rows_of_sums(counts, means)
    np.testing.assert_allclose(found, X[:1], atol=1e-9)
    assert labels.tolist() == [0]
    assert not len(rows_of_sums(counts[2:], means[2:])[0]), "two rows of a class are no reconstruction"


@pytest.mark.parametrize("gone", [1, 2, 5])
def test_what_two_sums_differ_by_has_the_rank_of_the_rows_that_went(gone: int) -> None:
    """One row follows up to its sign; of more, their span alone."""
    rows = Rows(np.arange(130), X.astype(np.float32), Y)
    model = Ridge().build(Problem((12,), 4), ("sums",))
    assert isinstance(model, MomentLearner)
    model.fit(rows)
    before = {name: array.copy() for name, array in model.sums.items()}
    model.forget(rows.ids[:gone])
    model.adopt({name: array - model.sums[name] for name, array in before.items()})
    found, width = model.gram(), model.design.width
    products = (found.scatter + found.n * np.outer(found.mean, found.mean))[:width, :width]
    values, vectors = np.linalg.eigh(products)
    assert (values > 1e-6 * values.max()).sum() == gone
    plain = model.design.expand(X[:gone].astype(np.float32))
    span = vectors[:, -gone:]
    np.testing.assert_allclose(plain @ span @ span.T, plain, atol=1e-6)
    if gone == 1:
        np.testing.assert_allclose(np.abs(vectors[:, -1] * values[-1] ** 0.5), np.abs(plain[0]), atol=1e-6)


def test_gradient_matching_finds_rows_and_noise_hides_them() -> None:
    truth, first = gradient(X[:2], Y[:2]), NETWORK.initial(("w",))
    noise = np.random.default_rng(1)
    hidden = {name: noise.normal(size=array.shape) for name, array in truth.items()}
    one, other = (likeness(matched(NETWORK, first, of, Y[:2], X[30:].mean(axis=0), ("k",)), X[:2], X[30:]) for of in (truth, hidden))
    assert one.first.all()
    assert one.cosines.min() > 0.9
    assert one.psnr.min() > other.psnr.max()
    assert other.cosines.max() < 0.8


def test_noise_brings_the_rank_of_a_row_to_chance() -> None:
    clear, noisy = [], []
    for x, y in zip(X[:30], Y[:30], strict=True):
        weight, bias, *_ = gradient(x[None], y[None]).values()
        drowned = [array + 100 * np.abs(array).max() * DRAW.normal(size=array.shape) for array in (weight, bias)]
        clear.append(likeness(row_of(weight, bias)[None], x[None], X[30:129]).first[0])
        noisy.append(likeness(row_of(*drowned)[None], x[None], X[30:129]).first[0])
    assert np.mean(clear) == 1
    assert np.mean(noisy) < 0.2


def test_what_is_no_row_is_like_none() -> None:
    found = likeness(np.zeros((1, 12)) + X[30:].mean(axis=0), X[:1], X[30:])
    assert found.cosines[0] == pytest.approx(0, abs=1e-12)
    assert not found.first[0]
