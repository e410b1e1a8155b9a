"""The recommenders trained on one shard: BPR-MF, WMF and LightGCN, each with one vector per user and item."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.nn import functional

from clients.data.ratings import Ratings
from clients.data.rows import Ids
from clients.streams import Field, order, uniforms
from clients.unlearning.exact.recommender.negatives import Negatives
from clients.unlearning.exact.recommender.spec import Bpr, LightGcn, Wmf
from clients.unlearning.exact.sparse import Sparse

Vectors = npt.NDArray[np.float32]
Key = tuple[Field, ...]

_SPREAD = 0.1 * 3**0.5


def initial(count: int, dim: int, key: Key) -> Vectors:
    """Return initial vectors, float32 (count, dim), uniform with standard deviation 0.1, each keyed by its row only."""
    draws = uniforms(np.arange(count * dim), *key).reshape(count, dim)
    return ((2 * draws - 1) * _SPREAD).astype(np.float32)


def untrained(data: Ratings, dim: int, key: Key) -> tuple[Vectors, Vectors]:
    """Return the initial vectors of all users and all items, with or without interactions."""
    return initial(data.users, dim, (*key, "user")), initial(data.items, dim, (*key, "item"))


def train(base: Bpr | Wmf | LightGcn, dim: int, data: Ratings, key: Key) -> tuple[Vectors, Vectors, int]:
    """Train on the interactions; return users' and items' vectors and the gradient steps taken (0 for least squares).

    Users and items without interactions keep their initial vectors.

    Parameters
    ----------
    base : Bpr, Wmf or LightGcn
    dim : int
    data : Ratings
        At least one interaction.
    key : tuple
        Key of initial vectors, order and negatives.
    """
    users, items = untrained(data, dim, key)
    present = np.unique(data.user), np.unique(data.item)
    start = torch.tensor(users[present[0]]), torch.tensor(items[present[1]])
    if isinstance(base, Wmf):
        (u, v), steps = _least_squares(base, data, present, start), 0
    elif isinstance(base, Bpr):
        u, v, steps = _rank(base, data, present, start, key)
    else:
        u, v, steps = _propagate(base, data, present, start, key)
    users[present[0]], items[present[1]] = u.numpy(), v.numpy()
    return users, items, steps


@torch.no_grad()
def fold_in(base: Bpr | Wmf | LightGcn, histories: sp.csr_matrix, items: Tensor) -> Tensor:
    """Return vectors, float32 (n, dim), of users given by histories (n, items), for fixed item vectors (items, dim).

    They minimise the weighted squares of Hu et al. 2008, like a step of WMF. The other bases, whose user vectors are not a function of
    the history alone, use WMF's default weight and decay.
    """
    return _solve(base if isinstance(base, Wmf) else Wmf(), Sparse(histories), items)


def triples(data: Ratings, epochs: int, batch_size: int, key: Key) -> Iterator[tuple[int, int, Ids, Ids, Ids]]:
    """Yield epoch, batch number, and the batch's users, items and negative items, in keyed order; pairs without a negative are skipped."""
    negatives = Negatives(data, key)
    for epoch in range(epochs):
        drawn = negatives.draw(epoch)
        rows = order(data.ids, *key, "order", epoch)
        rows = rows[drawn[rows] >= 0]
        for batch, chosen in enumerate(np.array_split(rows, range(batch_size, len(rows), batch_size))):
            yield epoch, batch, data.user[chosen], data.item[chosen], drawn[chosen]


def _places(present: tuple[Ids, Ids], users: Ids, *items: Ids) -> list[Tensor]:
    return [torch.from_numpy(np.searchsorted(present[0], users)), *(torch.from_numpy(np.searchsorted(present[1], i)) for i in items)]


@torch.no_grad()
def _rank(base: Bpr, data: Ratings, present: tuple[Ids, Ids], start: tuple[Tensor, Tensor], key: Key) -> tuple[Tensor, Tensor, int]:
    """Minimise ``-log sigmoid(p_u (q_i - q_j)) + decay/2 (|p_u|^2 + |q_i|^2 + |q_j|^2)`` by Adagrad, with explicit gradients for speed."""
    cut = len(present[0])
    table = torch.cat(start)
    squares = torch.zeros_like(table)
    steps = 0
    for _, _, users, items, others in triples(data, base.epochs, base.batch_size, key):
        u, i, j = _places(present, users, items, others)
        i, j = i + cut, j + cut
        p, q, r = table[u], table[i], table[j]
        push = torch.sigmoid(-((q - r) * p).sum(dim=1, keepdim=True))
        gradient = torch.zeros_like(table)
        gradient.index_add_(0, u, base.decay * p - push * (q - r))
        gradient.index_add_(0, i, base.decay * q - push * p)
        gradient.index_add_(0, j, base.decay * r + push * p)
        squares.addcmul_(gradient, gradient)
        table.addcdiv_(gradient, squares.sqrt().add_(1e-10), value=-base.lr)
        steps += 1
    return table[:cut], table[cut:], steps


@torch.no_grad()
def _least_squares(base: Wmf, data: Ratings, present: tuple[Ids, Ids], start: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    matrix = sp.csr_matrix(data.matrix()[present[0]][:, present[1]])
    by_user, by_item = Sparse(matrix), Sparse(sp.csr_matrix(matrix.T))
    u, v = start
    for _ in range(base.epochs):
        u = _solve(base, by_user, v)
        v = _solve(base, by_item, u)
    return u, v


def _solve(base: Wmf, seen: Sparse, other: Tensor) -> Tensor:
    """Return the exact minimiser of the weighted squares over one side's vectors, with the other side's fixed."""
    dim = other.shape[1]
    outer = (other[:, :, None] * other[:, None, :]).reshape(len(other), -1)
    left = (1 - base.weight) * (seen @ outer) + base.weight * outer.sum(dim=0)
    left = left.reshape(-1, dim, dim) + base.decay * torch.eye(dim)
    return torch.cholesky_solve((seen @ other)[:, :, None], torch.linalg.cholesky(left))[:, :, 0]


def _propagate(
    base: LightGcn, data: Ratings, present: tuple[Ids, Ids], start: tuple[Tensor, Tensor], key: Key
) -> tuple[Tensor, Tensor, int]:
    cut = len(present[0])
    ends = np.stack([np.searchsorted(present[0], data.user), np.searchsorted(present[1], data.item) + cut])
    rows, columns = np.concatenate([ends, ends[::-1]], axis=1)
    a = sp.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=(cut + len(present[1]),) * 2)
    root = sp.diags_array(np.asarray(a.sum(axis=1)).ravel() ** -0.5)
    normal = Sparse(root @ a @ root)
    table = torch.cat(start).requires_grad_()
    optimizer = torch.optim.Adam([table], lr=base.lr, fused=True)
    steps = 0

    def spread() -> Tensor:
        layers = [table]
        for _ in range(base.layers):
            layers.append(normal @ layers[-1])
        return torch.stack(layers).mean(dim=0)

    for _, _, users, items, others in triples(data, base.epochs, base.batch_size, key):
        u, i, j = _places(present, users, items, others)
        out, chosen = spread(), torch.stack([u, i + cut, j + cut])
        p, q, r = out[chosen]
        loss = functional.softplus(-((q - r) * p).sum(dim=1)).mean() + base.decay / 2 * table[chosen].square().sum() / len(u)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        steps += 1
    with torch.no_grad():
        out = spread()
    return out[:cut], out[cut:], steps
