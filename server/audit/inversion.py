"""Inversion: what an adversary with two views, before and after a request, recovers of the rows that were forgotten.

After FUIA (arXiv 2502.14558), Bertran et al. (NeurIPS 2024, arXiv 2405.20272), and gradient matching as in Geiping et al. (NeurIPS 2020).
Exact deletion does not protect from two views: each of them may say nothing of a row, and their difference is the row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from clients import streams
from clients.streams import Field
from clients.training import Arrays
from server.audit.margins import Floats

if TYPE_CHECKING:
    from clients.models.network import Network

Labels = npt.NDArray[np.int64]

STEPS, RATE, VARIATION = 400, 0.05, 1e-4
"""Steps of Adam, its learning rate, and the weight of the total variation of images."""
MOST = 150.0
"""Largest peak signal-to-noise ratio that is told, in decibels: rows that are equal have none."""


def labels_of(bias: Floats, rows: int) -> Labels:
    """Return the classes of the rows whose mean gradient of the last layer's bias this is, up to a positive factor, int64 (rows,).

    The gradient is the mean of p - onehot(y): for a single row the only negative entry is its class. Of several, the most negative entry
    is taken and one row's share added to it, in turn (after Yin et al., CVPR 2021).
    """
    left, share = np.asarray(bias, np.float64).copy(), float(-np.minimum(bias, 0).sum()) / rows
    found = np.empty(rows, np.int64)
    for place in range(rows):
        found[place] = left.argmin()
        left[found[place]] += share
    return found


def row_of(weight: Floats, bias: Floats) -> Floats:
    """Return the row whose gradients of a first layer's weight (h, d) and bias (h,) these are, float64 (d,).

    ``weight[j] = bias[j] x`` for every unit j; least squares over all units gives x. Zeros where no unit is active.
    """
    bias = np.asarray(bias, np.float64)
    return np.asarray(bias @ np.asarray(weight, np.float64) / max(float(bias @ bias), 1e-300))


def rows_of_sums(counts: Floats, means: Floats) -> tuple[Floats, Labels]:
    """Return the deleted rows that differences of sums per class give away, float64 (rows, d), and their classes.

    Parameters
    ----------
    counts : float64 array, shape (classes,)
        Rows deleted of each class.
    means : float64 array, shape (classes, d)
        Mean of the deleted rows of each class.

    Notes
    -----
    The mean of a single row is the row. Two rows of a class leave their mean and second moments, which are those of other pairs, too: they
    are no reconstruction, and not returned.
    """
    alone = np.flatnonzero(np.rint(counts) == 1)
    return means[alone], alone.astype(np.int64)


def matched(network: Network, weights: Arrays, gradient: Arrays, labels: Labels, start: Floats, key: tuple[Field, ...]) -> Floats:
    """Return rows whose mean gradient points where ``gradient`` does, float64 (rows, ...): 1 - cosine + total variation, by Adam.

    Parameters
    ----------
    network : Network
        Its inputs have no categories.
    weights, gradient : mapping of str to array
        Where the gradient was taken, and the gradient, whose length does not matter.
    labels : int64 array, shape (rows,)
    start : float64 array, shape (...)
        A public row, such as the mean; keyed noise is added to it for each row.
    key : tuple
    """
    import torch
    from torch.func import functional_call, grad
    from torch.nn.functional import cross_entropy

    module = network.build(("shell",)).eval()
    names = [name for name, _ in module.named_parameters()]
    at = {name: network.targets(weights[name]) for name in names}
    wanted = torch.cat([network.targets(gradient[name]).ravel().double() for name in names])
    wanted = wanted / wanted.norm().clamp_min(1e-30)
    noise = streams.generator(*key, "inversion").normal(0, 0.1, (len(labels), *start.shape))
    x = network.targets((start + noise).astype(np.float32)).requires_grad_()
    y = network.targets(labels)
    slope = grad(lambda parameters, inputs: cross_entropy(functional_call(module, parameters, (inputs,)), y))
    adam = torch.optim.Adam([x], RATE)
    for _ in range(STEPS):
        adam.zero_grad()
        found = torch.cat([part.ravel() for part in slope(at, x).values()]).double()
        loss = 1 - (found / found.norm().clamp_min(1e-30)) @ wanted
        if start.ndim > 1:
            loss = loss + VARIATION * sum(x.diff(dim=axis).abs().mean() for axis in (-1, -2))
        loss.backward()
        adam.step()
    return np.asarray(x.detach().cpu().numpy(), np.float64)


@dataclass(frozen=True)
class Likeness:
    """How near recovered rows come to each forgotten one, float64 (forgotten rows,).

    ``cosines`` and ``psnr`` (decibels) are of the recovered row that matches best; ``first`` is whether the forgotten row matches better
    than every candidate that nobody held.
    """

    cosines: Floats
    psnr: Floats
    first: Floats


def likeness(found: Floats, truth: Floats, candidates: Floats) -> Likeness:
    """Return how near recovered rows (m, d) come to the forgotten ones (n, d), in directions from the mean of the candidates (c, d)."""
    middle, reach = candidates.mean(axis=0), float(np.ptp(candidates)) or 1.0
    to = cosines(truth - middle, found - middle)
    best = to.argmax(axis=1)
    error = ((truth - found[best]) ** 2).mean(axis=1)
    psnr = np.minimum(10 * np.log10(reach**2 / np.maximum(error, 1e-300)), MOST)
    rival = cosines(candidates - middle, found - middle).max()
    return Likeness(to.max(axis=1), psnr, (to.max(axis=1) > rival).astype(np.float64))


def cosines(one: Floats, other: Floats) -> Floats:
    """Return the cosine of every row of one (n, d) with every row of the other (m, d), float64 (n, m); 0 for rows of length 0."""
    a, b = (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-300) for rows in (one, other))
    return np.asarray(a @ b.T)
