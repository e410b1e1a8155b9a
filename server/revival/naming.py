"""Naming the erased concept from its scar: whose neurons were edited."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean

import torch
from torch import Tensor

from clients.diffusion.denoiser import Denoiser
from clients.diffusion.spec import Axis, NoiseSchedule, Sampling
from clients.diffusion.subject import DenoiserSubject
from clients.streams import Field
from clients.unlearning.pruning.recorder import Halves, record
from server.revival.columns import column_statistic
from server.revival.knowledge import WithActivity

ACCIDENTAL = 1e-3
"""Share of all entries up to which exact zeros may be an accident: underflow, or the rounding of small weights."""


def activities(
    denoiser: Denoiser,
    axis: Axis,
    key: tuple[Field, ...],
    calls: int,
    *,
    halves: Halves = "cond",
    sampling: Sampling | None = None,
    noise: NoiseSchedule | None = None,
) -> tuple[dict[str, Tensor], ...]:
    """Return how strongly each concept of an axis excites each hidden neuron, float64 ``(n,)`` by layer.

    Parameters
    ----------
    denoiser : Denoiser
        The released model, from which every concept is sampled; it stays unchanged.
    axis : {"class", "style"}
    key : tuple
        Key of the start noise.
    calls : int
        Number of first sampler calls that count.
    halves : {"cond", "both"}
        Which halves of a guided call count.
    sampling, noise : optional
    """
    subject = DenoiserSubject(denoiser, 0, key, axis=axis, sampling=sampling, noise=noise)
    heard = (record(subject, concept, calls, halves) for concept in subject.concepts)
    return tuple({layer: total.sum(dim=0) for layer, total in one.sums.items()} for one in heard)


def suspicion(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return by layer how much of an edit each column shows, float64 ``(n,)``.

    That is the share of exact zeros; in a model with next to none, how badly a column fits its layer's low-rank part.
    """
    zeros = sum(int((weight == 0).sum()) for weight in weights.values())
    if zeros > ACCIDENTAL * sum(weight.numel() for weight in weights.values()):
        return {name: (weight == 0).double().mean(dim=0) for name, weight in weights.items()}
    return {name: 1 - column_statistic(weight, "coherence") for name, weight in weights.items()}


def likeness(known: WithActivity) -> list[float]:
    """Return by concept how well its neurons match the scar, in [-1, 1]; the largest value names the erased concept.

    ConceptPrune cuts columns that a concept excites more than others do, so each concept's score is the rank correlation, over the
    columns of a layer and averaged over layers, of the scar and of the concept's share in the excitation by all concepts.
    """
    scars = suspicion(known.weights)
    whole = {name: sum((one[name] for one in known.activity), torch.zeros(len(scar))).clamp_min(1e-300) for name, scar in scars.items()}
    return [fmean(_correlation(scar, one[name] / whole[name]) for name, scar in scars.items()) for one in known.activity]


def _correlation(a: Tensor, b: Tensor) -> float:
    """Return Spearman's rank correlation of two vectors; 0 if one of them is constant."""
    from scipy.stats import rankdata

    ranks = [torch.from_numpy(rankdata(one.numpy())) for one in (a, b)]
    centred = [one - one.mean() for one in ranks]
    norms = float(centred[0].norm() * centred[1].norm())
    return float(centred[0] @ centred[1]) / norms if norms else 0.0
