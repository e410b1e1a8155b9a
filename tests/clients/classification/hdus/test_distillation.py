"""Distillation: a seed imitates its main, and nothing else decides it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clients.classification.hdus.distillation import Distillation, distil, soften
from clients.models.mlp import Mlp
from clients.models.network import Network
from clients.training import Arrays

SEED = Network(Mlp(hidden=(16,)), (4,), 3)
X = np.random.default_rng(0).normal(size=(90, 4)).astype(np.float32)
IDS = np.arange(90)
LOGITS = (X @ np.random.default_rng(1).normal(size=(4, 3))).astype(np.float32)
P = torch.softmax(torch.tensor(LOGITS), 1).numpy()


def raw(arrays: Arrays) -> bytes:
    return b"".join(arrays[name].tobytes() for name in sorted(arrays))


def test_softened_probabilities_are_softened_logits() -> None:
    for temperature in (0.5, 1.0, 2.0, 8.0):
        np.testing.assert_allclose(
            soften(P, temperature), torch.softmax(torch.tensor(LOGITS) / temperature, 1).numpy(), rtol=1e-4, atol=1e-7
        )


def test_softening_certain_answers_gives_no_nan() -> None:
    certain = np.array([[0, 1, 0], [1e-300, 1, 0], [0.5, 0.5, 0]])
    for temperature in (0.01, 2.0):
        softened = soften(certain, temperature)
        assert np.isfinite(softened).all()
        np.testing.assert_allclose(softened.sum(axis=1), 1, rtol=1e-6)
        assert (softened[:, 2] == 0).all()


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_seed_learns_the_answers_of_the_main(temperature: float) -> None:
    arrays, steps = distil(SEED, X, IDS, P, ("k",), Distillation(epochs=80, temperature=temperature))
    assert steps == 80 * 3
    learned = np.abs(SEED.probabilities(arrays, X) - P).mean()
    assert learned < 0.03
    assert learned < 0.2 * np.abs(SEED.probabilities(SEED.initial(("k", "init")), X) - P).mean()


def test_gradient_is_that_of_the_divergence() -> None:
    logits = torch.tensor(LOGITS[::-1].copy(), requires_grad=True)
    target = torch.tensor(soften(P, 2.0))
    (mine,) = torch.autograd.grad(torch.nn.functional.cross_entropy(logits / 2, target) * 4, logits)
    divergence = torch.nn.functional.kl_div(torch.log_softmax(logits / 2, 1), target, reduction="batchmean") * 4
    (expected,) = torch.autograd.grad(divergence, logits)
    np.testing.assert_allclose(mine.numpy(), expected.numpy(), atol=1e-7)


def test_hard_targets_use_labels_only() -> None:
    sharp = np.eye(3, dtype=np.float32)[P.argmax(axis=1)]
    settings = Distillation(epochs=3, targets="hard")
    assert raw(distil(SEED, X, IDS, P, ("k",), settings)[0]) == raw(distil(SEED, X, IDS, sharp, ("k",), settings)[0])
    soft = Distillation(epochs=3)
    assert raw(distil(SEED, X, IDS, P, ("k",), soft)[0]) != raw(distil(SEED, X, IDS, sharp, ("k",), soft)[0])


def test_seed_is_a_function_of_main_reference_and_key() -> None:
    settings = Distillation(epochs=2)
    first = raw(distil(SEED, X, IDS, P, ("k",), settings)[0])
    assert first == raw(distil(SEED, X, IDS, P, ("k",), settings)[0])
    assert first != raw(distil(SEED, X, IDS, P, ("l",), settings)[0])
    assert first != raw(distil(SEED, X, IDS, P[::-1].copy(), ("k",), settings)[0])
