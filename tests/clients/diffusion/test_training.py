from __future__ import annotations

import pytest
import torch
from torch import Tensor

from clients.diffusion.denoiser import Denoiser, build
from clients.diffusion.images import Images, digits, draw_styles
from clients.diffusion.spec import FULL_BUDGET, SMOKE, SMOKE_BUDGET, DenoiserTraining
from clients.diffusion.training import Phase, denoising_loss, learning_rate, scheduler, train, train_phase, trainable
from clients.streams import torch_generator
from clients.unlearning.pruning.layers import feed_forward_weights

TINY = DenoiserTraining(backbone_steps=3, concept_steps=3, batch_size=8)


@pytest.fixture(scope="module")
def images() -> Images:
    return digits()


def weights(denoiser: Denoiser) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in denoiser.named_parameters()}


def changed(a: dict[str, Tensor], b: dict[str, Tensor]) -> set[str]:
    return {name for name in a if not torch.equal(a[name], b[name])}


@pytest.mark.parametrize("phase", ["backbone", "concept", "joint"])
def test_a_phase_changes_what_it_may_and_nothing_else(phase: Phase, images: Images) -> None:
    denoiser = build(SMOKE, ("k",))
    before = weights(denoiser)
    train_phase(denoiser, images, TINY, phase, ("t",), total=3)
    moved = changed(before, weights(denoiser))
    assert moved == set(trainable(denoiser, phase))
    assert all(p.requires_grad for p in denoiser.parameters())
    in_ff = {name for name in before if ".ff." in name}
    frozen = {name for name in before if ".attn2." in name or name.startswith("conditions.")}
    expected = {"backbone": set(before) - in_ff - frozen, "concept": in_ff, "joint": set(before)}
    assert moved == expected[phase]


def test_the_backbone_cannot_know_the_class(images: Images) -> None:
    shuffled = Images(images.pixels, (images.classes + 3) % 10)
    results = []
    for data in (images, shuffled):
        denoiser = build(SMOKE, ("k",))
        train_phase(denoiser, data, TINY, "backbone", ("t",), total=3)
        results.append(weights(denoiser))
    assert not changed(*results)
    knowing = []
    for data in (images, shuffled):
        denoiser = build(SMOKE, ("k",))
        train_phase(denoiser, data, TINY, "concept", ("t",), total=3)
        knowing.append(weights(denoiser))
    assert changed(*knowing)


def test_same_key_same_weights_other_key_other_weights(images: Images) -> None:
    results = []
    for key in ("a", "a", "b"):
        denoiser = build(SMOKE, ("k",))
        state = torch.random.get_rng_state()
        train(denoiser, images, TINY, (key,))
        assert torch.equal(torch.random.get_rng_state(), state)
        results.append(weights(denoiser))
    assert not changed(results[0], results[1])
    assert changed(results[0], results[2])


def test_training_learns(images: Images) -> None:
    denoiser = build(SMOKE, ("k",))
    noise = scheduler(SMOKE_BUDGET.noise)

    def loss() -> float:
        with torch.no_grad():
            return float(denoising_loss(denoiser, images, noise, torch_generator("eval"), 256))

    before = loss()
    seen: list[tuple[str, int, int]] = []
    budget = SMOKE_BUDGET.model_copy(update={"batch_size": 16, "backbone_steps": 40, "concept_steps": 10, "warmup": 5, "ema": 0.8})
    train(denoiser, images, budget, ("t",), lambda *at: seen.append(at))
    assert loss() < 0.8 * before
    assert seen[0] == ("backbone", 1, 40)
    assert seen[-1] == ("concept", 10, 10)


@pytest.mark.parametrize("design", ["two_phase", "low_rank"])
def test_fixed_entries_survive_momentum_and_decay(design: str, images: Images) -> None:
    denoiser = build(SMOKE, ("k",))
    fixed, held = {}, {}
    for i, (name, weight) in enumerate(feed_forward_weights(denoiser.unet).items()):
        fixed[name] = torch.rand(weight.shape, generator=torch_generator("mask", name)) < 0.3
        value = 0.0 if i % 2 else 0.05  # a cut, or a fill
        denoiser.unet.get_parameter(f"{name}.weight").data[fixed[name]] = value
        held[name] = value
    settings = TINY.model_copy(update={"weight_decay": 0.5, "design": design})
    train_phase(denoiser, images, settings, "concept", ("t",), total=5, fixed=fixed)
    assert set(held.values()) == {0.0, 0.05}
    for name, weight in feed_forward_weights(denoiser.unet).items():
        assert bool((weight[fixed[name]] == held[name]).all())
        assert not bool((weight[~fixed[name]] == held[name]).any())


def test_low_rank_design_moves_the_output_by_a_low_rank_matrix(images: Images) -> None:
    denoiser = build(SMOKE, ("k",))
    before = feed_forward_weights(denoiser.unet)
    names = set(weights(denoiser))
    settings = TINY.model_copy(update={"design": "low_rank", "rank": 2})
    train(denoiser, images, settings, ("t",))
    assert set(weights(denoiser)) == names
    assert before
    for name, weight in feed_forward_weights(denoiser.unet).items():
        singular = torch.linalg.svdvals((weight - before[name]).double())
        assert float(singular[1]) > 0
        assert float(singular[2] / singular[0]) < 1e-4


def test_low_rank_windows_move_the_output_along_different_directions(images: Images) -> None:
    moved = []
    for window in ((0, 1), (1, 2)):
        denoiser = build(SMOKE, ("k",))
        before = feed_forward_weights(denoiser.unet)
        settings = TINY.model_copy(update={"design": "low_rank", "rank": 1})
        train_phase(denoiser, images, settings, "concept", ("t",), total=2, window=window)
        moved.append({name: weight - before[name] for name, weight in feed_forward_weights(denoiser.unet).items()})
    assert moved[0]
    for name, step in moved[0].items():
        singular = torch.linalg.svdvals(torch.cat([step, moved[1][name]]).double())
        assert float(singular[1] / singular[0]) > 1e-2


def test_average_and_rate_follow_their_formulas(images: Images) -> None:
    assert learning_rate(0, 1000, FULL_BUDGET) == pytest.approx(2e-3 / 100 + 1e-5)
    assert learning_rate(500, 1000, FULL_BUDGET) == pytest.approx(1e-3 + 1e-5)
    assert learning_rate(999, 1000, FULL_BUDGET) < 1.1e-5
    ends = []
    for ema in (0.998, 0.0):
        denoiser = build(SMOKE, ("k",))
        train_phase(denoiser, images, TINY.model_copy(update={"ema": ema}), "concept", ("t",), total=1)
        ends.append(weights(denoiser))
    start = weights(build(SMOKE, ("k",)))
    for name in trainable(denoiser, "concept"):
        averaged = 0.1 * start[name] + 0.9 * ends[1][name]  # d = min(0.998, 1 / 10) at the first step
        torch.testing.assert_close(ends[0][name], averaged)


def test_windows_draw_what_the_whole_phase_would(images: Images) -> None:
    plain = TINY.model_copy(update={"ema": 0.0})
    first, second = build(SMOKE, ("k",)), build(SMOKE, ("k",))
    train_phase(first, images, plain, "concept", ("t",), total=4, window=(2, 3))
    train_phase(second, images, plain, "concept", ("t",), total=4, window=(3, 4))
    assert changed(weights(first), weights(second))


def test_styles_are_learned_too(images: Images) -> None:
    spec = SMOKE.model_copy(update={"styles": ("plain", "inverted")})
    styled = draw_styles(images, spec.styles, ("s",))
    denoiser = build(spec, ("k",))
    before = weights(denoiser)
    train_phase(denoiser, styled, TINY, "joint", ("t",), total=2)
    assert "conditions.style_table.weight" in changed(before, weights(denoiser))
