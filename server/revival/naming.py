"""Naming the erased concept from its scar: whose neurons were edited."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean

import torch
from torch import Tensor

from clients.diffusion.denoiser import Denoiser
from clients.diffusion.spec import Axis, NoiseSchedule, Sampling
from clients.diffusion.subject import DenoiserSubject
from clients.streams import Field, torch_generator
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
    pairs = _ranked(known)
    return [fmean(_cosine(scar, shares[number]) for scar, shares in pairs) for number in range(len(known.activity))]


def by_chance(known: WithActivity, draws: int = 999) -> float:
    """Return the p-value of the largest `likeness`, in (0, 1]: how often a scar that has nothing to do with any concept reaches it.

    Such scars are made of the true one by shuffling the columns within each layer (a permutation test). Taken as given is that in a model
    without an edit, how badly a column fits its layer has nothing to do with what excites its neuron.
    """
    pairs, most = _ranked(known), max(likeness(known))
    generator, sums = torch_generator("naming"), torch.zeros(draws, len(known.activity), dtype=torch.float64)
    for scar, shares in pairs:
        stacked = torch.stack([share / share.norm().clamp_min(1e-300) for share in shares]).mT / scar.norm().clamp_min(1e-300)
        sums += torch.stack([scar[torch.randperm(len(scar), generator=generator)] @ stacked for _ in range(draws)])
    reached = int(((sums / len(pairs)).amax(dim=1) >= most - 1e-12).sum())  # rounding must not make ties of equal values
    return (1 + reached) / (1 + draws)


def _ranked(known: WithActivity) -> list[tuple[Tensor, list[Tensor]]]:
    """Return by layer the centred ranks of its columns by scar, and by each concept's share in the excitation by all concepts."""
    ranked = []
    for name, scar in suspicion(known.weights).items():
        whole = sum((one[name] for one in known.activity), torch.zeros(len(scar))).clamp_min(1e-300)
        ranked.append((_centred(scar), [_centred(one[name] / whole) for one in known.activity]))
    return ranked


def _centred(values: Tensor) -> Tensor:
    from scipy.stats import rankdata

    ranks = torch.from_numpy(rankdata(values.numpy()))
    return ranks - ranks.mean()


def _cosine(a: Tensor, b: Tensor) -> float:
    """Return the cosine of two vectors, which of centred ranks is Spearman's correlation; 0 if one of them is zero."""
    norms = float(a.norm() * b.norm())
    return float(a @ b) / norms if norms else 0.0
