"""The measurements of ``roots``: one denoiser per training seed, and erasure, revival and defence of one of its concepts."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, equal

from clients.cache import configuration_hash, data_hash, load_or_train
from clients.compute import Compute
from clients.diffusion import metrics
from clients.diffusion.denoiser import Denoiser, build
from clients.diffusion.images import Images
from clients.diffusion.judges.svm import Judge
from clients.diffusion.sampling import sample
from clients.diffusion.spec import DenoiserSpec, DenoiserTraining, Sampling
from clients.diffusion.subject import DenoiserSubject
from clients.diffusion.training import Progress, train
from clients.streams import Field, bottom
from clients.unlearning.pruning.concept_prune import ConceptPrune
from clients.unlearning.pruning.controls import random_like
from clients.unlearning.pruning.layers import feed_forward_weights, set_feed_forward_weights
from clients.unlearning.pruning.masks import density
from server.defences.detection import column_auc, entry_auc
from server.defences.fills import Gaussian, RedrawnColumns
from server.defences.secret import Secret
from server.revival import oracle
from server.revival.adversaries import Quantise, Relearn
from server.revival.attack import Revival, revive
from server.revival.columns import Statistic
from server.revival.knowledge import Adaptive, OtherImages, OwnImages, WeightsOnly, WithMask
from server.revival.tuning import Tuner

VERSION = 3
"""Version of the measurements; increase it when the same settings give other numbers."""
PICTURED = ("original", "pruned", "revived", "random_signs", "defended", "adaptive")
"""Rows of the picture."""
STATISTICS: tuple[Statistic, ...] = ("std", "leading", "coherence")
RIVALS = (Quantise(), Relearn())
"""Other published attacks, on the unfilled cut."""
SAMPLES = 3
"""Samples per cell of the picture."""

Weights = dict[str, Tensor]
Pair = dict[str, Any]
"""Measurements of one concept of one denoiser, as plain values."""


@dataclass(frozen=True)
class Work:
    """Settings of training, images and measurements, without the training seed and the concept.

    Concepts are numbered as in ``spec.concepts``. If there are styles, the images have some, and ``style_judge`` classifies them.
    """

    images: Images
    judge: Judge
    spec: DenoiserSpec
    training: DenoiserTraining
    style_judge: Judge | None = None
    eraser: ConceptPrune = field(default_factory=ConceptPrune)
    revival: Revival = field(default_factory=Revival)
    sampling: Sampling = field(default_factory=Sampling)
    budget: metrics.Budget = field(default_factory=metrics.Budget)
    compute: Compute = field(default_factory=Compute)

    def model(self, seed: int) -> dict[str, Any]:
        """Return everything that determines the weights of a training seed, as plain values."""
        return {
            "denoiser": self.spec.model_dump(mode="json"),
            "training": self.training.model_dump(mode="json"),
            "images": data_hash(self.images.pixels, self.images.classes, self.images.styles),
            "key": [seed, "denoiser"],
            **({} if self.compute.device == "cpu" else {"compute": self.compute.model_dump(mode="json")}),
        }

    def pair(self, seed: int, concept: int) -> str:
        """Return the hash of everything that determines a pair's measurements."""
        measured = {
            "eraser": self.eraser.model_dump(mode="json"),
            "revival": self.revival.model_dump(mode="json"),
            "rivals": [rival.model_dump(mode="json") for rival in RIVALS],
            "sampling": self.sampling.model_dump(mode="json"),
            "budget": asdict(self.budget),
            "judge": self.judge.accuracy,
            "measurements": VERSION,
        }
        if self.style_judge is not None:
            measured["style_judge"] = self.style_judge.accuracy
        return configuration_hash({"model": self.model(seed), "concept": concept, **measured})

    def counts(self, styles: bool = False) -> dict[str, int]:
        """Return how many samples of one concept are judged, of the ``target`` and of all ``others`` on its axis: classes, or styles."""
        values = len(self.spec.styles) if styles else self.spec.classes
        return {"target": self.budget.target, "others": self.budget.others * (values - 1)}

    def score(self, denoiser: Denoiser, seed: int, concept: int) -> dict[str, float]:
        """Return accuracies of samples: of the concept, of the others on its axis, and on the other axis if there is one."""
        axis, target = self.spec.axis(concept)
        judges = self.judge, self.style_judge
        judge, other = judges if axis == "class" else judges[::-1]
        assert judge is not None
        scores = metrics.score(
            denoiser, judge, target, (seed, "samples"), axis=axis, cross_judge=other, budget=self.budget, sampling=self.sampling
        )
        told = {"target": scores.target, "others": scores.others}
        return told if scores.cross is None else told | {"cross": scores.cross}


def trained(work: Work, seed: int, cache: Path, progress: Progress | None = None) -> tuple[Denoiser, bool]:
    """Return the denoiser of a training seed, and whether it came from the cache."""
    key: tuple[Field, ...] = (seed, "denoiser")
    denoiser = build(work.spec, key).to(work.compute.place())
    with work.compute.active():
        found = load_or_train(cache, work.model(seed), denoiser, lambda model: train(denoiser, work.images, work.training, key, progress))
    return denoiser.eval(), found


def masks_of(work: Work, denoiser: Denoiser, seed: int, concept: int) -> dict[str, Tensor]:
    """Return which feed-forward output weights the eraser would cut from the denoiser, bool ``(m, n)`` by layer."""
    axis, target = work.spec.axis(concept)
    return work.eraser.erase(DenoiserSubject(denoiser, target, (seed, "mask"), axis=axis, sampling=work.sampling), ()).masks


@dataclass(frozen=True)
class Story:
    """The course of one concept: all versions of the weights by row, and the attacks' knowledge and guesses."""

    versions: dict[str, Weights]
    measured: dict[str, Any]


def tell(work: Work, denoiser: Denoiser, seed: int, concept: int) -> Story:
    """Erase, revive, hide, and attack again; the denoiser stays unchanged."""
    original, revival = feed_forward_weights(denoiser.unet), work.revival.settled(work.compute.device)
    masks = masks_of(work, denoiser, seed, concept)
    key: tuple[Field, ...] = (seed, "control", concept)
    pruned = {name: weight.masked_fill(masks[name], 0.0) for name, weight in original.items()}
    begin = time.process_time()
    attack = revive(WeightsOnly(pruned), revival)
    seconds = time.process_time() - begin
    secret = Secret.of_run(seed)
    defended = Gaussian(relative=1.0).seal(pruned, masks, secret).weights
    redrawn = RedrawnColumns().seal(pruned, masks, secret).weights
    share = density(masks)
    quantise, relearn = RIVALS
    versions = {
        "original": original,
        "pruned": pruned,
        "revived": attack.weights,
        "random_signs": oracle.random_signs(pruned, masks, revival, key),
        "true_signs": oracle.true_signs(pruned, masks, original, revival),
        "neuron_mean": oracle.neuron_mean(pruned, attack, revival),
        "random_mask": {n: original[n].masked_fill(random_like(m, "layer", (*key, "mask", n)), 0.0) for n, m in masks.items()},
        "defended": defended,
        "quantised": quantise.attack(WeightsOnly(pruned)).weights,
        "relearnt": relearn.attack(own_images(work, work.images, denoiser, seed, concept, pruned, relearn.images)).weights,
        "adaptive": revive(Adaptive(defended, share, 1.0), revival).weights,
        "mask_oracle": revive(WithMask(defended, masks), revival).weights,
        "redrawn": redrawn,
        "redrawn_oracle": revive(WithMask(redrawn, masks), revival).weights,
    }
    signs = oracle.sign_accuracy(attack.guesses, masks, original)
    where = {name: _told(versions[name], masks) for name in ("original", "pruned", "defended", "redrawn")}
    measured = {"sign_accuracy": signs.overall, "sign_accuracy_top_fifth": signs.top_fifth, "density": share, "seconds": seconds}
    return Story(versions, measured | {"where": where})


def own_images(
    work: Work, images: Images, denoiser: Denoiser, seed: int, concept: int, released: Weights, count: int, others: bool = False
) -> OwnImages:
    """Return the knowledge of who trains the released model further: ``count`` of the images that show the concept, or ``others``."""
    own = own_part(work, images, seed, concept, count, others)
    tuner = Tuner(denoiser, own, work.training.noise, (seed, "adversary", concept))
    return (OtherImages if others else OwnImages)(released, len(own), tuner)


def own_part(work: Work, images: Images, seed: int, concept: int, count: int, others: bool = False) -> Images:
    """Return ``count`` of the images that show the concept, or that show ``others``, chosen by key."""
    axis, target = work.spec.axis(concept)
    labels = images.classes if axis == "class" else images.styles
    assert labels is not None
    chosen = bottom(count, torch.nonzero((labels == target) != others)[:, 0].tolist(), seed, "own images")
    return images.select(torch.tensor(sorted(chosen)))


def _told(weights: Weights, masks: Mapping[str, Tensor]) -> dict[str, float]:
    """Return how well cut entries and columns are separated from the rest, as AUCs; 0.5 is chance."""
    areas = {statistic: column_auc(weights, masks, statistic).two_sided for statistic in STATISTICS}
    return {
        "location_auc": entry_auc(weights, masks).value,
        "column_auc": areas["coherence"],
        "column_auc_worst": max(areas.values()),
        "column_auc_rank_16": column_auc(weights, masks, "coherence", 16).two_sided,
    }


def measure(
    work: Work, denoiser: Denoiser, seed: int, concept: int, advance: Callable[[int], None] | None = None
) -> tuple[Pair, npt.NDArray[np.uint8]]:
    """Return a pair's measurements, and samples of the target for the picture.

    Parameters
    ----------
    advance : callable, optional
        Called with 1 for each version of the weights that was sampled.

    Returns
    -------
    Pair
    uint8 array, shape (6, samples, channels, size, size)
        The rows of ``PICTURED``, 0 .. 255.
    """
    story = tell(work, denoiser, seed, concept)
    original = story.versions["original"]
    rows: dict[str, dict[str, float]] = {}
    pictures = {}
    try:
        for name, weights in story.versions.items():
            if name == "mask_oracle" and _same(weights, story.versions["revived"]):
                rows[name] = rows["revived"]  # equal weights give equal samples
            else:
                set_feed_forward_weights(denoiser.unet, weights)
                rows[name] = work.score(denoiser, seed, concept)
                if name in PICTURED:
                    pictures[name] = _pictures(work, denoiser, seed, concept)
            if advance is not None:
                advance(1)
    finally:
        set_feed_forward_weights(denoiser.unet, original)
    called = work.spec.concepts[concept]
    pair = {"pair": work.pair(seed, concept), "seed": seed, "concept": called, "judge": work.judge.accuracy, "rows": rows}
    return pair | story.measured, np.stack([pictures[name] for name in PICTURED])


def _same(a: Weights, b: Weights) -> bool:
    return all(equal(weight, b[name]) for name, weight in a.items())


def _pictures(work: Work, denoiser: Denoiser, seed: int, concept: int) -> npt.NDArray[np.uint8]:
    """Return the first samples of the target among the judged ones."""
    axis, target = work.spec.axis(concept)
    asked, classes, styles = metrics.conditions(denoiser, target, axis, work.budget)
    first = int(np.flatnonzero(asked == target)[0])
    indices = range(first, first + min(SAMPLES, work.budget.target))
    where = list(indices)
    dressed = None if styles is None else styles[where]
    pixels = sample(denoiser, classes[where], (seed, "samples"), styles=dressed, indices=indices, sampling=work.sampling)
    return np.asarray(((pixels + 1) * 127.5).round().byte().numpy(), dtype=np.uint8)
