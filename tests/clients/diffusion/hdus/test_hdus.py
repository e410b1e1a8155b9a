"""The parts of HDUS for diffusion: seeds from noise, ensembles of noise, a main model that forgets."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch

from clients import wire
from clients.diffusion.denoiser import Denoiser, build
from clients.diffusion.hdus.distillation import distil
from clients.diffusion.hdus.ensemble import NoiseEnsemble, Voice, member_weights
from clients.diffusion.hdus.main import HISTORY, DenoiserMain
from clients.diffusion.hdus.spec import NoiseWeights, SeedDenoiser, SeedDistillation
from clients.diffusion.images import Images, digits
from clients.diffusion.sampling import sample
from clients.diffusion.spec import SMOKE, DenoiserTraining, NoiseSchedule, Sampling
from clients.diffusion.training import train_phase
from clients.unlearning.contract import UnlearningError

TRAINING = DenoiserTraining(backbone_steps=3, batch_size=8, warmup=2)
SEED = SeedDenoiser(learns="all", widths=(8,), condition_width=8, heads=2, groups=4)
SHORT = Sampling(steps=3)
PRUNE = {"kind": "concept_prune", "calls": 2}


@pytest.fixture(scope="module")
def images() -> Images:
    return digits()


@pytest.fixture(scope="module")
def reference(images: Images) -> Images:
    return images.select(torch.arange(60))


@pytest.fixture(scope="module")
def backbone(reference: Images) -> Denoiser:
    denoiser = build(SMOKE, ("public",))
    train_phase(denoiser, reference, TRAINING, "backbone", ("public",), total=3)
    return denoiser


def main_model(backbone: Denoiser, training: DenoiserTraining = TRAINING) -> DenoiserMain:
    return DenoiserMain(deepcopy(backbone), training, SHORT, rounds=3, steps=4, key=("peer",))


def begun(images: Images, backbone: Denoiser, rows: Sequence[int] = range(100, 160), training: DenoiserTraining = TRAINING) -> DenoiserMain:
    main = main_model(backbone, training)
    main.begin(np.asarray(rows), images.select(torch.tensor(list(rows), dtype=torch.int64)))
    return main


def blob(main: DenoiserMain) -> bytes:
    return wire.to_bytes(main.state())


def voice(owner: int, counts: list[int], key: str = "") -> Voice:
    spec = SMOKE.model_copy(update={"feed_forward_std": None, "classes": len(counts)})
    return Voice(owner, build(spec, (key or owner,)), np.asarray(counts))


def test_seed_is_a_pure_function_of_main_reference_and_key(images: Images, reference: Images, backbone: Denoiser) -> None:
    main = begun(images, backbone)
    main.advance()
    settings = SeedDistillation(steps=5, batch_size=8)

    def seed(key: str, teacher: Denoiser, public: Images) -> bytes:
        student = build(SEED.beside(SMOKE), ("seed",))
        assert distil(student, teacher, public, (key,), settings, NoiseSchedule(), "joint") == 5
        return wire.to_bytes({name: p.detach().numpy() for name, p in student.named_parameters()})

    first = seed("k", main.denoiser, reference)
    relabelled = Images(reference.pixels, (reference.classes + 1) % 10)
    assert seed("k", main.denoiser, relabelled) == first, "labels of the reference set are not used"
    assert seed("l", main.denoiser, reference) != first
    assert seed("k", main.denoiser, images.select(torch.arange(60, 120))) != first
    main.advance()
    assert seed("k", main.denoiser, reference) != first


def test_distillation_brings_the_seed_nearer_to_the_main_model(reference: Images) -> None:
    main = build(SMOKE.model_copy(update={"feed_forward_std": None}), ("main",))
    student = build(SEED.beside(SMOKE), ("seed",))
    generator = torch.Generator().manual_seed(0)
    noisy, time, classes = torch.randn(32, 1, 8, 8, generator=generator), torch.arange(32) * 12, torch.arange(32) % 11

    def gap() -> float:
        with torch.no_grad():
            return float((main(noisy, time, classes) - student(noisy, time, classes)).square().mean())

    before = gap()
    distil(student, main, reference, ("k",), SeedDistillation(steps=40, batch_size=8), NoiseSchedule(), "joint")
    assert gap() < before / 2


def test_seed_learns_what_it_may_and_nothing_else(reference: Images) -> None:
    main = build(SMOKE.model_copy(update={"feed_forward_std": None}), ("main",))
    student = build(SeedDenoiser().beside(SMOKE), ("seed",))
    before = {name: p.detach().clone() for name, p in student.named_parameters()}
    distil(student, main, reference, ("k",), SeedDistillation(steps=2, batch_size=8), NoiseSchedule())
    moved = {name for name, p in student.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {name for name in before if ".ff." in name}


def test_seed_has_the_images_and_conditions_of_the_main_model() -> None:
    main = SMOKE.model_copy(update={"channels": 3, "classes": 4, "styles": ("plain", "inverted")})
    spec = SEED.beside(main)
    assert (spec.size, spec.channels, spec.classes, spec.styles) == (8, 3, 4, ("plain", "inverted"))
    assert SeedDenoiser().beside(main) == main
    assert (spec.widths, spec.condition_width, spec.heads, spec.groups) == ((8,), 8, 2, 4)


@pytest.mark.parametrize("weights", ["uniform", "size", "class"])
@pytest.mark.parametrize("self_weight", ["share", 0.5])
def test_weights_sum_to_one_for_every_condition(weights: Any, self_weight: Any) -> None:
    own, seeds = voice(1, [3, 0, 0]), [voice(2, [0, 5, 0]), voice(0, [1, 1, 0])]
    table = member_weights(NoiseWeights(weights=weights, self_weight=self_weight), own, seeds)
    assert table.shape == (3, 4)
    np.testing.assert_allclose(table.sum(axis=0), 1)
    if self_weight == 0.5:
        np.testing.assert_array_equal(table[1], 0.5)


def test_class_weights_follow_who_has_the_class() -> None:
    table = member_weights(NoiseWeights(), voice(0, [30, 0, 0]), [voice(1, [0, 10, 0])])
    np.testing.assert_allclose(table[0], [30.1 / 30.2, 0.1 / 10.2, 0.5, 30.3 / 40.6])


def test_size_weights_are_the_same_for_every_condition() -> None:
    table = member_weights(NoiseWeights(weights="size"), voice(0, [30, 0]), [voice(1, [0, 10])])
    np.testing.assert_allclose(table[0], [30.2 / 40.4] * 3)


def test_ensemble_is_the_weighted_mean_of_the_noises_whatever_the_order() -> None:
    own, seeds = voice(1, [3, 0, 1]), [voice(2, [0, 5, 0]), voice(0, [1, 1, 0])]
    ensemble = NoiseEnsemble(NoiseWeights(), own, seeds)
    noisy, time, classes = torch.randn(4, 1, 8, 8), torch.tensor([0, 100, 200, 399]), torch.tensor([0, 1, 2, 3])
    with torch.no_grad():
        parts = torch.stack([member.denoiser(noisy, time, classes) for member in ensemble.members]).double()
        table = torch.from_numpy(member_weights(NoiseWeights(), own, seeds))
        expected = (table[:, classes][:, :, None, None, None] * parts).sum(dim=0)
        torch.testing.assert_close(ensemble(noisy, time, classes).double(), expected, atol=1e-5, rtol=0)
        turned = NoiseEnsemble(NoiseWeights(), own, seeds[::-1])
        assert torch.equal(turned(noisy, time, classes), ensemble(noisy, time, classes))


def test_with_styles_weights_follow_who_has_the_class_in_that_style() -> None:
    spec = SMOKE.model_copy(update={"feed_forward_std": None, "classes": 2, "styles": ("plain", "inverted")})
    counts = np.array([[30, 0], [0, 0]]), np.array([[0, 10], [0, 0]])
    own, other = (Voice(owner, build(spec, (owner,)), held) for owner, held in enumerate(counts))
    table = member_weights(NoiseWeights(), own, [other])
    np.testing.assert_allclose(table.sum(axis=0), np.ones((3, 3)))
    expected = [[30.1 / 30.2, 0.1 / 10.2, 30.2 / 40.4], [0.5, 0.5, 0.5], [30.2 / 30.4, 0.2 / 10.4, 30.4 / 40.8]]
    np.testing.assert_allclose(table[0], expected)
    by_size, half = (member_weights(NoiseWeights(**rule), own, [other]) for rule in ({"weights": "size"}, {"self_weight": 0.5}))
    np.testing.assert_allclose(by_size[0], np.full((3, 3), 30.4 / 40.8))
    np.testing.assert_array_equal(half, np.full((2, 3, 3), 0.5))
    ensemble = NoiseEnsemble(NoiseWeights(), own, [other])
    noisy, time, classes, styles = (
        torch.randn(4, 1, 8, 8),
        torch.tensor([0, 100, 200, 399]),
        torch.tensor([0, 0, 1, 2]),
        torch.arange(4) % 3,
    )
    with torch.no_grad():
        for asked in (styles, None):
            parts = torch.stack([member.denoiser(noisy, time, classes, asked) for member in ensemble.members]).double()
            places = table[:, classes, 2 if asked is None else styles]
            wanted = (torch.from_numpy(places)[:, :, None, None, None] * parts).sum(dim=0)
            torch.testing.assert_close(ensemble(noisy, time, classes, asked).double(), wanted, atol=1e-5, rtol=0)


def test_alone_the_ensemble_is_the_main_model_also_for_the_sampler() -> None:
    own = voice(1, [3, 0, 1])
    alone, both = NoiseEnsemble(NoiseWeights(self_weight=0.3), own, []), NoiseEnsemble(NoiseWeights(), own, [voice(2, [9, 9, 9])])
    classes = torch.arange(3)
    drawn = sample(own.denoiser, classes, ("k",), sampling=SHORT)
    assert torch.equal(sample(alone, classes, ("k",), sampling=SHORT), drawn)
    assert not torch.equal(sample(both, classes, ("k",), sampling=SHORT), drawn)


def test_training_starts_from_the_backbone_and_changes_feed_forward_weights_only(images: Images, backbone: Denoiser) -> None:
    main = begun(images, backbone)
    public = {name: p.detach().clone() for name, p in main.denoiser.named_parameters()}
    assert main.advance() == 4
    moved = {name for name, p in main.denoiser.named_parameters() if not torch.equal(p, public[name])}
    assert moved == {name for name in public if ".ff." in name} == set(main.state()) - {HISTORY}


@pytest.mark.parametrize("design", ["two_phase", "low_rank", "joint"])
def test_forgotten_images_were_never_there(design: Any, images: Images, backbone: Denoiser) -> None:
    training = TRAINING.model_copy(update={"design": design, "rank": 2})
    main = begun(images, backbone, training=training)
    kept = [row for row in range(100, 160) if row not in (103, 140)]
    never = begun(images, backbone, kept, training)
    for _ in range(2):
        main.advance()
        never.advance()
    assert blob(main) != blob(never)
    assert main.forget(np.asarray([140, 103])).cost.gradient_steps == 8
    assert blob(main) == blob(never)
    main.advance()
    never.advance()
    assert blob(main) == blob(never)


@pytest.mark.parametrize("design", ["two_phase", "low_rank"])
def test_forgetting_keeps_what_was_erased_and_equals_the_run_without_the_images(design: Any, images: Images, backbone: Denoiser) -> None:
    training = TRAINING.model_copy(update={"design": design, "rank": 2})
    main, never = (begun(images, backbone, rows, training) for rows in (range(100, 160), range(100, 150)))
    for one in (main, never):
        one.advance()
        one.erase(0, 3, PRUNE)
        assert 0 < sum(int(mask.sum()) for mask in one.masks.values()) < sum(mask.numel() for mask in one.masks.values())
        one.advance()
    assert blob(main) != blob(never)
    main.forget(np.arange(150, 160))
    assert blob(main) == blob(never)
    assert main.masks


def test_what_is_cut_stays_cut(images: Images, backbone: Denoiser) -> None:
    main = begun(images, backbone)
    main.advance()
    main.erase(0, 3, PRUNE)
    main.advance()
    assert main.masks
    for name, mask in main.masks.items():
        weight = main.denoiser.unet.get_parameter(f"{name}.weight")
        assert mask.any()
        assert not weight[mask].any()
        assert weight[~mask].any()


def test_an_eraser_changes_nothing_that_a_state_lacks(images: Images, backbone: Denoiser) -> None:
    main, other = begun(images, backbone), main_model(backbone)
    main.erase(0, 3, {"kind": "salun", "steps": 1, "batches": 1, "batch_size": 4, "scope": "all"})
    other.restore(wire.from_bytes(blob(main)), main.ids, main.images)
    assert all(torch.equal(a, b) for a, b in zip(main.denoiser.parameters(), other.denoiser.parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(main.denoiser.parameters(), backbone.parameters(), strict=True))


def test_restored_model_goes_on_as_the_first(images: Images, backbone: Denoiser) -> None:
    main = begun(images, backbone)
    main.advance()
    main.erase(0, 3, PRUNE)
    other = main_model(backbone)
    other.restore(wire.from_bytes(blob(main)), main.ids, main.images)
    assert blob(other) == blob(main)
    main.advance()
    other.advance()
    assert blob(other) == blob(main)


def test_without_images_rounds_pass_and_nothing_is_learned(images: Images, backbone: Denoiser) -> None:
    main = begun(images, backbone, range(100, 103))
    start = main.state()
    main.advance()
    main.forget(np.arange(100, 103))
    assert main.advance() == 0
    assert main.progress == 2
    assert all(np.array_equal(start[name], value) for name, value in main.state().items() if name != HISTORY)


def test_unknown_image_is_refused_and_nothing_changes(images: Images, backbone: Denoiser) -> None:
    main = begun(images, backbone)
    main.advance()
    before = blob(main)
    with pytest.raises(UnlearningError, match="row 99 is not held"):
        main.forget(np.asarray([100, 99]))
    assert blob(main) == before


def test_concept_that_cannot_be_cut_is_refused(images: Images, backbone: Denoiser) -> None:
    main = begun(images, backbone)
    with pytest.raises(UnlearningError, match="concept 12"):
        main.erase(0, 12, PRUNE)
