"""The whole story on a trained model: minutes of training, so not among the default tests."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from clients.diffusion.denoiser import Denoiser, build
from clients.diffusion.images import digits
from clients.diffusion.judges.svm import SvmJudge
from clients.diffusion.metrics import score
from clients.diffusion.spec import DIGITS, QUICK_BUDGET
from clients.diffusion.subject import DenoiserSubject
from clients.diffusion.training import train
from clients.unlearning.pruning.concept_prune import ConceptPrune
from clients.unlearning.pruning.controls import random_like
from clients.unlearning.pruning.layers import feed_forward_layers, feed_forward_weights, set_feed_forward_weights
from clients.unlearning.pruning.masks import density
from server.defences.detection import entry_auc
from server.defences.fills import Gaussian
from server.defences.secret import Secret
from server.revival import oracle
from server.revival.attack import Revival, revive
from server.revival.knowledge import WeightsOnly, WithDensity

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
CONCEPTS = (0, 3, 6)


@pytest.fixture(scope="module")
def denoiser() -> Denoiser:
    trained = build(DIGITS, (0, "denoiser"))
    train(trained, digits(), QUICK_BUDGET, (0, "denoiser"))
    return trained


@pytest.fixture(scope="module")
def judge() -> SvmJudge:
    return SvmJudge(digits())


def test_the_feed_forward_weights_carry_the_concepts(denoiser: Denoiser, judge: SvmJudge) -> None:
    original = feed_forward_weights(denoiser.unet)
    before = score(denoiser, judge, 3, ("story",))
    set_feed_forward_weights(denoiser.unet, {name: torch.zeros_like(weight) for name, weight in original.items()})
    without = score(denoiser, judge, 3, ("story",))
    set_feed_forward_weights(denoiser.unet, original)
    assert before.target > 0.85
    assert before.others > 0.9
    assert without.target < 0.35
    assert without.others < 0.25


def test_pruned_revived_and_hidden(denoiser: Denoiser, judge: SvmJudge) -> None:
    original = feed_forward_weights(denoiser.unet)
    settings, rows = Revival(), []
    for concept in CONCEPTS:
        masks = ConceptPrune().erase(DenoiserSubject(denoiser, concept, ("mask",)), ()).masks
        pruned = {name: weight.masked_fill(masks[name], 0.0) for name, weight in original.items()}
        attack = revive(WeightsOnly(pruned), settings)
        sealed = Gaussian(relative=1.0).seal(pruned, masks, Secret.of_run(concept)).weights
        variants: dict[str, dict[str, Tensor]] = {
            "original": original,
            "pruned": pruned,
            "revived": attack.weights,
            "random signs": oracle.random_signs(pruned, masks, settings, ("story", concept)),
            "random mask": {n: original[n].masked_fill(random_like(m, "layer", ("story", n)), 0.0) for n, m in masks.items()},
            "sealed": sealed,
            "adaptive": revive(WithDensity(sealed, density(masks)), settings).weights,
        }
        accuracies = {}
        for name, weights in variants.items():
            set_feed_forward_weights(denoiser.unet, weights)
            accuracies[name] = score(denoiser, judge, concept, ("story",)).target
        set_feed_forward_weights(denoiser.unet, original)
        rows.append(accuracies)
        signs = oracle.sign_accuracy(attack.guesses, masks, original)
        assert 0.6 < signs.overall < 0.8
        assert signs.top_fifth > 0.85
        assert abs(entry_auc(sealed, masks).value - 0.5) < 0.05
        assert len(masks) == len(feed_forward_layers(denoiser.unet))
    mean = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
    assert mean["pruned"] < 0.5 * mean["original"]
    assert mean["revived"] > 2 * mean["pruned"]
    assert mean["revived"] > mean["random signs"] + 0.2
    assert mean["random mask"] > 0.8 * mean["original"]
    assert mean["sealed"] < mean["pruned"] + 0.15
    assert mean["adaptive"] < 0.6 * mean["revived"]
