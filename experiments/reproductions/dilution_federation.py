"""The federation of ``dilution``: peers fine-tune one denoiser, some of them cut a concept, and a server averages the updates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from statistics import mean
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clients.data import Dataset
from clients.data.partition import Dirichlet
from clients.diffusion import metrics
from clients.diffusion.denoiser import Denoiser
from clients.diffusion.spec import DenoiserTraining
from clients.diffusion.subject import DenoiserSubject
from clients.diffusion.training import train_phase, trainable
from clients.streams import order
from clients.unlearning.pruning.layers import feed_forward_weights, set_feed_forward_weights
from clients.unlearning.pruning.masks import overlap
from clients.unlearning.pruning.recorder import Activity
from experiments.reproductions.roots_pairs import Weights, Work
from server.aggregation.mean import weighted_mean
from server.defences.secret import Secret
from server.diffusion.release.policies import MaskedMean, Mean, PolicySpec, UnionNoise, UnionZero, Vote
from server.diffusion.release.replies import Aggregate, Reply
from server.diffusion.release.server_mask import ServerMask, mask_from_activities
from server.revival.history import subtract
from server.revival.knowledge import History

POLICIES: dict[str, PolicySpec] = {
    "mean": Mean(),
    "masked_mean": MaskedMean(),
    "union_zero": UnionZero(),
    "vote(.5)": Vote(threshold=0.5),
    "union_noise(1)": UnionNoise(ratio=1.0),
    "server_mask": ServerMask(),
}

Point = dict[str, Any]
"""Measurements of one policy at one share of pruning peers, for one concept, as plain values."""


@dataclass(frozen=True)
class Trial:
    """Settings of the federation, and the numbers of pruning peers at which each policy is measured.

    Parameters
    ----------
    work : Work
        Images, judge and settings of the denoiser, as in the other reproductions.
    seed : int
        Seed of the denoiser's training, and of all other draws.
    peers : int
        Number of peers, all of which take part in both rounds.
    alpha : float
        Parameter of the Dirichlet distribution of the peers' class distributions.
    tuning : DenoiserTraining
        Local training of a round; there are two rounds.
    pruning : sequence of int
        Numbers of peers that cut.
    history : sequence of int
        Those of them at which the adversary with history is scored too.
    """

    work: Work
    seed: int = 1
    peers: int = 10
    alpha: float = 1.0
    tuning: DenoiserTraining = field(default_factory=lambda: DenoiserTraining(concept_steps=15, lr=3e-4, warmup=5))
    pruning: Sequence[int] = tuple(range(1, 10))
    history: Sequence[int] = (1, 5, 9)


@dataclass(frozen=True)
class Federation:
    """The state before and after the local work of the round in which a concept is cut.

    Parameters
    ----------
    denoiser : Denoiser
        With the mean of the peers' updates, as if no peer had cut.
    releases : list of Weights
        Feed-forward output weights of earlier global models, oldest first.
    updates : list of mapping
        Each peer's tuned parameters by name, before any cut.
    """

    denoiser: Denoiser
    releases: list[Weights]
    updates: list[dict[str, Tensor]]


def federate(trial: Trial, denoiser: Denoiser, advance: Callable[[int], None]) -> Federation:
    """Return the federation after two rounds of local steps; ``advance`` is called with 1 for every peer and round."""
    images = trial.work.images
    data = Dataset(images.pixels.flatten(1).numpy(), images.classes.numpy(), tuple(map(str, range(denoiser.null[0]))))
    deal = Dirichlet(alpha=trial.alpha, min_rows=30).deal(data, np.arange(len(images)), trial.peers, trial.seed)
    releases = [feed_forward_weights(denoiser.unet)]
    updates: list[dict[str, Tensor]] = []
    for now in (1, 2):
        common = _parameters(denoiser)
        updates = []
        for peer, rows in enumerate(deal):
            _load(denoiser, common)
            key = (trial.seed, "dilution", now, peer)
            own = images.select(torch.as_tensor(rows))
            train_phase(denoiser, own, trial.tuning, "concept", key, total=trial.tuning.concept_steps)
            updates.append(_parameters(denoiser))
            advance(1)
        _load(denoiser, _mean(updates))
        if now == 1:
            releases.append(feed_forward_weights(denoiser.unet))
    return Federation(denoiser, releases, updates)


def measure(trial: Trial, federation: Federation, concept: int, advance: Callable[[int], None]) -> list[Point]:
    """Return the measurements of one concept under every policy and share; ``advance`` is called with 1 for each of them.

    The first point, of policy ``none``, is that of the mean when nobody cuts.
    """
    masks, heard = _masks(trial, federation, concept), _heard(trial, federation, concept)
    before = feed_forward_weights(federation.denoiser.unet)
    points: list[Point] = [{"policy": "none", "pruning": 0, **_score(trial, federation, concept, before)}]
    points[0]["mask_overlap"] = mean(overlap(a, b) for a, b in combinations(masks, 2))
    for policy in POLICIES:
        for count in trial.pruning:
            who = [int(peer) for peer in order(np.arange(trial.peers), trial.seed, "pruning", concept)[:count]]
            own = {peer: masks[peer] for peer in who}
            if policy == "server_mask":
                target, base = zip(*(heard[peer] for peer in sorted(who)), strict=True)
                own = dict.fromkeys(range(trial.peers), mask_from_activities(before, target, base, trial.work.eraser))
            points.append(_point(trial, federation, concept, own, policy, count))
            advance(1)
    set_feed_forward_weights(federation.denoiser.unet, before)
    return [{"concept": concept, "peers": trial.peers, **point} for point in points]


def _point(trial: Trial, federation: Federation, concept: int, masks: Mapping[int, Weights], policy: str, count: int) -> Point:
    """Return the point of ``count`` pruning peers; ``masks`` are given by peer (under ``server_mask``, the server's mask for each)."""
    replies = [
        Reply(f"peer {peer}", _outputs(federation, update), masks.get(peer, {})) for peer, update in enumerate(federation.updates)
    ]
    released = POLICIES[policy].aggregate(replies, Secret.of_run(trial.seed))
    point = {"policy": policy, "pruning": count, **_score(trial, federation, concept, released.weights)}
    point |= _what_is_left(federation, released, list(masks.values()))
    if count in trial.history:
        restored = subtract(History(released.weights, tuple(federation.releases))).weights
        scores = _score(trial, federation, concept, restored)
        point |= {"history_target": scores["target"], "history_others": scores["others"]}
    return point


def _what_is_left(federation: Federation, released: Aggregate, masks: list[Weights]) -> dict[str, float]:
    """Return the share of all cut entries that stay cut, and the median remaining share of entries that all pruning peers cut."""
    uncut = {name: torch.stack([_outputs(federation, update)[name] for update in federation.updates]).mean(0) for name in released.weights}
    kept = total = 0
    ratios = []
    for name, weight in released.weights.items():
        layers = torch.stack([mask[name] for mask in masks])
        union, agreed = layers.any(dim=0), layers.all(dim=0) & (uncut[name] != 0)
        held = (weight == 0) | released.frozen[name]
        kept, total = kept + int(held[union].sum()), total + int(union.sum())
        ratios.append((weight[agreed].double() / uncut[name][agreed].double()).flatten())
    return {"survival": kept / total, "residual": float(torch.cat(ratios).median())}


def _masks(trial: Trial, federation: Federation, concept: int) -> list[Weights]:
    """Return each peer's cut of its own tuned model, computed with its own start noise."""
    denoiser, together = federation.denoiser, _parameters(federation.denoiser)
    masks = []
    for peer, update in enumerate(federation.updates):
        _load(denoiser, update)
        subject = DenoiserSubject(denoiser, concept, (trial.seed, "mask", peer), sampling=trial.work.sampling)
        masks.append(trial.work.eraser.erase(subject, ()).masks)
    _load(denoiser, together)
    return masks


def _heard(trial: Trial, federation: Federation, concept: int) -> list[tuple[Activity, Activity]]:
    """Return each peer's activation statistics of the mean, computed with its own start noise."""
    keys = ((trial.seed, "mask", peer) for peer in range(trial.peers))
    subjects = (DenoiserSubject(federation.denoiser, concept, key, sampling=trial.work.sampling) for key in keys)
    return [trial.work.eraser.listen(subject) for subject in subjects]


def _score(trial: Trial, federation: Federation, concept: int, weights: Weights) -> dict[str, float]:
    set_feed_forward_weights(federation.denoiser.unet, weights)
    work, key = trial.work, (trial.seed, "samples")
    scores = metrics.score(federation.denoiser, work.judge, concept, key, budget=work.budget, sampling=work.sampling)
    return {"target": scores.target, "others": scores.others}


def _outputs(federation: Federation, update: Mapping[str, Tensor]) -> Weights:
    """Return an update's feed-forward output weights by layer name."""
    return {name: update[f"unet.{name}.weight"] for name in federation.releases[0]}


def _parameters(denoiser: Denoiser) -> dict[str, Tensor]:
    return {name: parameter.detach().to("cpu", copy=True) for name, parameter in trainable(denoiser, "concept").items()}


def _load(denoiser: Denoiser, parameters: Mapping[str, Tensor]) -> None:
    places = dict(denoiser.named_parameters())
    with torch.no_grad():
        for name, value in parameters.items():
            places[name].copy_(value)


def _mean(updates: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    arrays = [{name: tensor.numpy() for name, tensor in update.items()} for update in updates]
    return {name: torch.from_numpy(array) for name, array in weighted_mean(arrays, [1.0] * len(arrays)).items()}
