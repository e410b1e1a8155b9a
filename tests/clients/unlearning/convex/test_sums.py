"""Sums of derivatives over parts of the rows are those over all rows, and so are the steps that are taken with them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from clients.unlearning.convex.losses import loss_of
from clients.unlearning.convex.objective import Objective
from clients.unlearning.convex.spec import Convex
from clients.unlearning.convex.sums import ObjectiveSums

ROWS, COLUMNS = 90, 7
SPLITS = {"halves": [45], "unequal": [1, 80], "one is empty": [30, 30], "single rows": list(range(1, ROWS))}
LOSSES = {
    "logistic": (Convex(), 2),
    "one against the rest": (Convex(), 3),
    "softmax": (Convex(multiclass="softmax"), 3),
    "squared": (Convex(loss="squared"), 2),
}


def objective(spec: Convex, classes: int, seed: int = 0) -> Objective:
    chance = np.random.default_rng(seed)
    x = torch.tensor(chance.normal(size=(ROWS, COLUMNS)))
    loss = loss_of(spec)
    targets = loss.targets(torch.tensor(chance.integers(classes, size=ROWS)), classes)
    linear = torch.tensor(chance.normal(size=(COLUMNS, targets.shape[1])))
    return Objective(loss, x / x.norm(dim=1, keepdim=True), targets, spec.penalty, linear)


def parts(whole: Objective, cuts: list[int]) -> list[Objective]:
    """Return the rows in pieces, each with its share of the linear term."""
    ends = [0, *cuts, len(whole.x)]
    share = whole.linear / (len(ends) - 1)
    return [Objective(whole.loss, whole.x[a:b], whole.targets[a:b], whole.penalty, share) for a, b in pairwise(ends)]


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).norm() / other.norm())


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("split", SPLITS)
def test_any_split_gives_the_pooled_step(split: str, loss: str) -> None:
    whole = objective(*LOSSES[loss])
    weights = torch.tensor(np.random.default_rng(1).normal(size=whole.linear.shape))
    pooled = ObjectiveSums.of(whole, weights)
    pieces = [ObjectiveSums.read(ObjectiveSums.of(part, weights).arrays()) for part in parts(whole, SPLITS[split])]
    total = ObjectiveSums.total(pieces)
    assert total.rows == ROWS
    assert apart(total.gradient, pooled.gradient) < 1e-12
    assert apart(total.hessian, pooled.hessian) < 1e-12
    assert apart(total.step(), whole.newton(weights, whole.gradient(weights))) < 1e-12
    assert abs(float((total.gradient - pooled.gradient).norm())) <= total.rounding, "the rounding is charged"


def test_a_part_that_is_left_out_changes_the_step() -> None:
    whole = objective(*LOSSES["logistic"])
    weights = torch.zeros_like(whole.linear)
    pieces = [ObjectiveSums.of(part, weights) for part in parts(whole, SPLITS["halves"])]
    assert apart(ObjectiveSums.total(pieces[:1]).step(), ObjectiveSums.of(whole, weights).step()) > 0.1
