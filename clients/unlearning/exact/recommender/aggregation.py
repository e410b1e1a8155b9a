"""Aggregation of the shards' vectors: attention over shards (RecEraser), or the mean of their scores."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional

from clients.data.ratings import Ratings
from clients.streams import Field, order, torch_generator
from clients.training import Arrays, from_arrays, to_arrays
from clients.unlearning.exact.recommender.bases import Vectors, fold_in, triples
from clients.unlearning.exact.recommender.spec import RecEraser, Wmf


class Attention(nn.Module):
    """Chen et al. 2022, section 3.4: a transfer ``z_s = W_s e_s + b_s`` per shard, and softmax weights over the shards.

    Transfers start as the identity. A shard in which a user or item does not occur has weight 0 for it; users and items that occur in no
    shard have the zero vector.

    Parameters
    ----------
    shards, dim, width : int
    key : tuple
        Key of the initial attention weights.
    """

    def __init__(self, shards: int, dim: int, width: int, key: tuple[Field, ...]) -> None:
        super().__init__()
        self.transfer = nn.Parameter(torch.eye(dim).repeat(shards, 1, 1))
        self.shift = nn.Parameter(torch.zeros(shards, 1, dim))
        for side in ("user", "item"):
            generator = torch_generator(*key, "attention", side)
            self.register_parameter(f"{side}_inner", nn.Parameter(torch.randn(dim, width, generator=generator) * dim**-0.5))
            self.register_parameter(f"{side}_bias", nn.Parameter(torch.zeros(width)))
            self.register_parameter(f"{side}_outer", nn.Parameter(torch.randn(width, generator=generator) * width**-0.5))

    def weights(self, side: str, moved: Tensor, who: Tensor, n: int) -> Tensor:
        """Return the softmax weights, float32 (m,), of transferred vectors (m, dim) of ``who``, int64 (m,), in ``0 .. n - 1``."""
        inner, bias, outer = (self.get_parameter(f"{side}_{part}") for part in ("inner", "bias", "outer"))
        scores = functional.relu(torch.addmm(bias, moved, inner)) @ outer
        top = torch.full((n,), -torch.inf).scatter_reduce(0, who, scores.detach(), "amax")
        raised = torch.exp(scores - top[who])
        return raised / torch.zeros(n).index_add(0, who, raised)[who]

    def forward(self, side: str, vectors: Tensor, present: Tensor) -> Tensor:
        """Return joined vectors, float32 (n, dim), of the shards' vectors (shards, n, dim); only present ones are computed."""
        n, who = vectors.shape[1], present.nonzero()[:, 1]
        parts = torch.split(vectors[present], present.sum(dim=1).tolist())
        moved = torch.cat([torch.addmm(b, part, w) for part, w, b in zip(parts, self.transfer, self.shift, strict=True)])
        shares = self.weights(side, moved, who, n)[:, None]
        return torch.zeros(n, vectors.shape[2]).index_add(0, who, shares * moved)


class Shards:
    """The shards' vectors, (shards, n, dim), and which users and items occur in which shard, bool (shards, n)."""

    def __init__(self, vectors: list[tuple[Vectors, Vectors]], data: list[Ratings]) -> None:
        self.users = torch.tensor(np.stack([users for users, _ in vectors]))
        self.items = torch.tensor(np.stack([items for _, items in vectors]))
        self.user_present = torch.tensor(np.stack([np.bincount(d.user, minlength=d.users) > 0 for d in data]))
        self.item_present = torch.tensor(np.stack([np.bincount(d.item, minlength=d.items) > 0 for d in data]))

    def seating(self, options: RecEraser, histories: sp.csr_matrix) -> Shards:
        """Return the same shards with other users, given by their histories (n, items); shards without their items are ignored."""
        known = [sp.csr_matrix(histories.multiply(present.numpy())) for present in self.item_present]
        seated = copy(self)
        pairs = zip(known, self.items, self.item_present, strict=True)
        seated.users = torch.stack([fold_in(options.base, history, items * here[:, None]) for history, items, here in pairs])
        seated.user_present = torch.tensor(np.stack([np.diff(history.indptr) > 0 for history in known]))
        return seated

    def joined(self, model: Attention) -> tuple[Tensor, Tensor]:
        """Return the joined vectors of all users and all items."""
        return model("user", self.users, self.user_present), model("item", self.items, self.item_present)

    def mean_scores(self) -> Tensor:
        """Return the mean of the shards' scores, float32 (users, items), over the shards in which both occur; 0 if there are none."""
        users, items = self.users * self.user_present[:, :, None], self.items * self.item_present[:, :, None]
        total = torch.zeros(users.shape[1], items.shape[1])
        for u, v in zip(users, items, strict=True):
            total += u @ v.T
        return total / (self.user_present.float().T @ self.item_present.float()).clamp(min=1)


def train(options: RecEraser, shards: Shards, data: Ratings, key: tuple[Field, ...]) -> tuple[Arrays, int]:
    """Train the attention on all interactions with the shards' vectors fixed; return its weights and the gradient steps taken."""
    model = Attention(len(shards.users), options.dim, options.attention, key)
    optimizer = torch.optim.Adam(model.parameters(), lr=options.lr, fused=True)
    ranks, base = _ranks(options, model, shards, data, key), options.base
    steps = 0
    for loss in _squares(options, base, model, shards, data, key) if isinstance(base, Wmf) else ranks:
        loss = loss + options.decay * (model.transfer.square().sum() + model.shift.square().sum())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        steps += 1
    return to_arrays(model), steps


def _ranks(options: RecEraser, model: Attention, shards: Shards, data: Ratings, key: tuple[Field, ...]) -> Iterator[Tensor]:
    """Yield each batch's ranking loss."""
    for epoch, batch, users, items, others in triples(data, options.epochs, options.batch_size, key):
        u, v = shards.joined(model)
        u = u * _dropout(options, u, (*key, "drop", epoch, batch))
        p, q, r = u[torch.from_numpy(users)], v[torch.from_numpy(items)], v[torch.from_numpy(others)]
        yield functional.softplus(-((q - r) * p).sum(dim=1)).mean()


def _squares(options: RecEraser, base: Wmf, model: Attention, shards: Shards, data: Ratings, key: tuple[Field, ...]) -> Iterator[Tensor]:
    """Yield each batch's weighted squared loss over all items; a batch consists of users with about ``batch_size`` interactions.

    The squares of pairs without interaction are summed as ``<U'U, V'V>``, without the matrix of all scores (Hu et al. 2008).
    """
    seen, present = data.matrix(), np.unique(data.user)
    for epoch in range(options.epochs):
        users = present[order(present, *key, "order", epoch)]
        for batch, rows in enumerate(np.array_split(users, min(len(users), -(-len(data) // options.batch_size)))):
            who, chosen = torch.from_numpy(rows), seen[rows]
            u, v = model("user", shards.users[:, who], shards.user_present[:, who]), model("item", shards.items, shards.item_present)
            u = u * _dropout(options, u, (*key, "drop", epoch, batch))
            places = torch.from_numpy(np.repeat(np.arange(len(rows)), np.diff(chosen.indptr)))
            scores = (u[places] * v[torch.from_numpy(chosen.indices.astype(np.int64))]).sum(dim=1)
            corrections = (1 - scores).square() - base.weight * scores.square()
            yield (base.weight * ((u.T @ u) * (v.T @ v)).sum() + corrections.sum()) / len(scores)


def _dropout(options: RecEraser, like: Tensor, key: tuple[Field, ...]) -> Tensor:
    keep = 1 - options.dropout
    return (torch.rand(like.shape, generator=torch_generator(*key)) < keep) / keep


def blank(options: RecEraser, shards: int) -> Arrays:
    """Return the weights of an untrained attention over this many shards, which have the shapes of trained ones."""
    return to_arrays(Attention(shards, options.dim, options.attention, ()))


def scores(options: RecEraser, shards: Shards, weights: Arrays) -> npt.NDArray[np.float32]:
    """Return every user's score of every item, shape (users, items)."""
    with torch.no_grad():
        if options.aggregate == "mean":
            return np.asarray(shards.mean_scores().numpy(), dtype=np.float32)
        model = Attention(len(shards.users), options.dim, options.attention, ())
        from_arrays(model, weights)
        users, items = shards.joined(model)
        return np.asarray((users @ items.T).numpy(), dtype=np.float32)
