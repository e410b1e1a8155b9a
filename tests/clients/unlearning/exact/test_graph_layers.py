from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch.nn import functional

from clients.unlearning.exact.graph.aggregation import learned_weights, majority, mixture
from clients.unlearning.exact.graph.layers import Gat, Gcn, Network, Sage, messages
from clients.unlearning.exact.sparse import Sparse

PAIRS = np.array([[0, 1], [0, 2], [1, 3], [2, 3], [3, 4]])  # node 5 has no neighbour
N = 6


@pytest.fixture
def a() -> torch.Tensor:
    dense = torch.zeros(N, N)
    dense[PAIRS[:, 0], PAIRS[:, 1]] = 1
    return dense + dense.T


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(N, 5, generator=torch.Generator().manual_seed(1))


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(2)


def test_sparse_products_and_gradients_equal_dense_ones() -> None:
    matrix = sp.random_array((7, 5), density=0.4, rng=np.random.default_rng(0), dtype=np.float32).tocsr()
    dense = torch.randn(5, 3, generator=generator(), requires_grad=True)
    twin = dense.detach().clone().requires_grad_()
    (Sparse(matrix) @ dense).square().sum().backward()
    (torch.tensor(matrix.toarray()) @ twin).square().sum().backward()
    assert dense.grad is not None
    assert twin.grad is not None
    torch.testing.assert_close(dense.grad, twin.grad)


def test_gcn_is_the_normalised_sum(a: torch.Tensor, x: torch.Tensor) -> None:
    layer = Gcn(5, 4, generator())
    loops = a + torch.eye(N)
    root = torch.diag(loops.sum(1) ** -0.5)
    torch.testing.assert_close(layer(messages(N, PAIRS), x), root @ loops @ root @ x @ layer.weight + layer.bias)


def test_sage_is_own_and_mean_of_neighbours(a: torch.Tensor, x: torch.Tensor) -> None:
    layer = Sage(5, 4, generator())
    mean = a / a.sum(1, keepdim=True).clamp(min=1)
    torch.testing.assert_close(layer(messages(N, PAIRS), x), x @ layer.own + mean @ x @ layer.neighbour + layer.bias)


def test_gat_is_attention_over_neighbours_and_self(a: torch.Tensor, x: torch.Tensor) -> None:
    layer = Gat(5, 4, generator(), heads=2)
    out = []
    for head in range(2):
        values = (x @ layer.weight)[:, 2 * head : 2 * head + 2]
        score = (values @ layer.attend_source[head])[None, :] + (values @ layer.attend_target[head])[:, None]
        score = functional.leaky_relu(score, 0.2).masked_fill((a + torch.eye(N)) == 0, -torch.inf)
        out.append(torch.softmax(score, dim=1) @ values)
    torch.testing.assert_close(layer(messages(N, PAIRS), x), torch.cat(out, dim=1) + layer.bias)


@pytest.mark.parametrize("kind", ["gcn", "sage", "gat"])
def test_a_network_learns_its_training_nodes(kind: str) -> None:
    network = Network(kind, N, 8, 2, ("k",))  # type: ignore[arg-type]
    heard, x, y = messages(N, PAIRS), Sparse(sp.csr_matrix(np.eye(N))), torch.tensor([0, 1, 0, 1, 0, 1])
    optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        functional.cross_entropy(network(heard, x), y).backward()
        optimizer.step()
    assert (network(heard, x).argmax(1) == y).all()


def test_learned_weights_find_the_good_expert() -> None:
    y = np.arange(90) % 3
    good = 0.8 * np.eye(3)[y] + 0.1
    constant = np.full((90, 3), 1 / 3)
    posteriors = np.stack([constant, good / good.sum(1, keepdims=True), constant, constant])
    weights = learned_weights(posteriors, y, penalty=0.0)
    assert weights.argmax() == 1
    assert weights[1] > 0.95
    assert weights.sum() == pytest.approx(1)
    assert learned_weights(posteriors, y, penalty=100.0).max() < 0.27  # a heavy penalty makes them equal


def test_learned_weights_do_not_depend_on_luck_and_beat_equal_ones() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 200)
    posteriors = rng.dirichlet(np.ones(4), size=(5, 200))
    posteriors[3] = 0.5 * posteriors[3] + 0.5 * np.eye(4)[y]

    def loss(weights: np.ndarray) -> float:
        return float(-np.log(mixture(posteriors, weights)[np.arange(200), y]).mean())

    found = learned_weights(posteriors, y, 0.0)
    assert loss(found) < loss(np.full(5, 0.2))
    for other in rng.dirichlet(np.ones(5), size=200):  # convex: no weights do better
        assert loss(found) <= loss(other) + 1e-6


def test_majority_counts_votes() -> None:
    posteriors = np.array([[[0.9, 0.1]], [[0.4, 0.6]], [[0.45, 0.55]]])
    assert majority(posteriors)[0] == pytest.approx([1 / 3, 2 / 3])
    assert mixture(posteriors, np.full(3, 1 / 3))[0].argmax() == 0
