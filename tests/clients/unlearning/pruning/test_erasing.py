"""Every eraser on a trained model of digits: the concept really goes. Minutes, and longer where the model is not in the cache yet."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from statistics import mean

import pytest

from clients import cache
from clients.diffusion.denoiser import Denoiser, build
from clients.diffusion.images import digits
from clients.diffusion.judges.svm import SvmJudge
from clients.diffusion.metrics import Budget, Scores, score
from clients.diffusion.spec import DIGITS, FULL_BUDGET
from clients.diffusion.subject import DenoiserSubject
from clients.diffusion.training import train
from clients.unlearning.pruning.concept_prune import ConceptPrune
from clients.unlearning.pruning.contract import EraserSpec
from clients.unlearning.pruning.controls import RandomMask
from clients.unlearning.pruning.discriminative import ClassDiscriminative
from clients.unlearning.pruning.salun import SalUn
from clients.unlearning.pruning.scissorhands import Scissorhands
from clients.unlearning.pruning.ssd import Ssd
from clients.unlearning.pruning.uce import Uce

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]

SEED = 1
CONCEPTS = (2, 5, 8)
Measure = Callable[[EraserSpec | None], tuple[float, float]]


@pytest.fixture(scope="module")
def denoiser() -> Denoiser:
    images, key = digits(), (SEED, "denoiser")
    configuration = {
        "denoiser": DIGITS.model_dump(mode="json"),
        "training": FULL_BUDGET.model_dump(mode="json"),
        "images": cache.data_hash(images.pixels, images.classes),
        "key": list(key),
    }
    model = build(DIGITS, key)
    cache.load_or_train(cache.folder(), configuration, model, lambda one: train(model, images, FULL_BUDGET, key))
    return model.eval()


@pytest.fixture(scope="module")
def measure(denoiser: Denoiser) -> Measure:
    """What measures an eraser: accuracy of the erased class and of the others, means over the concepts."""
    images = digits()
    judge = SvmJudge(images)

    def after(eraser: EraserSpec | None, concept: int) -> Scores:
        model = deepcopy(denoiser)
        if eraser is not None:
            subject = DenoiserSubject(model, concept, (SEED, "mask"), images=images)
            eraser.erase(subject, (SEED, "erase", concept)).apply(model.unet)
        return score(model, judge, concept, (SEED, "erased"), budget=Budget(target=40, others=8))

    def measured(eraser: EraserSpec | None) -> tuple[float, float]:
        scores = [after(eraser, concept) for concept in CONCEPTS]
        return mean(one.target for one in scores), mean(one.others for one in scores)

    return measured


@pytest.fixture(scope="module")
def original(measure: Measure) -> tuple[float, float]:
    return measure(None)


@pytest.mark.parametrize("eraser", [ConceptPrune(), ClassDiscriminative(), SalUn(), Ssd(), Scissorhands(), Uce()], ids=lambda one: one.kind)
def test_the_erased_class_is_no_longer_drawn(measure: Measure, original: tuple[float, float], eraser: EraserSpec) -> None:
    target, others = measure(eraser)
    print(f"{eraser.kind}: target {target:.3f}, others {others:.3f}; before {original[0]:.3f}, {original[1]:.3f}")
    assert target < 0.5 * original[0]
    assert others > 0.5 * original[1]
    assert others > target + 0.3, "it is about this class"


def test_the_control_erases_nothing(measure: Measure, original: tuple[float, float]) -> None:
    target, others = measure(RandomMask(like=ConceptPrune()))
    print(f"random_mask: target {target:.3f}, others {others:.3f}; before {original[0]:.3f}, {original[1]:.3f}")
    assert target > 0.8 * original[0]
