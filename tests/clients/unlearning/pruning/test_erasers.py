from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from clients import wire
from clients.diffusion.denoiser import Denoiser
from clients.diffusion.images import Images
from clients.diffusion.spec import Sampling
from clients.diffusion.subject import DenoiserSubject
from clients.unlearning.contract import UnlearningError
from clients.unlearning.pruning import ERASERS
from clients.unlearning.pruning.axes import RelearningAxes
from clients.unlearning.pruning.concept_prune import ConceptPrune
from clients.unlearning.pruning.contract import EraserSpec
from clients.unlearning.pruning.controls import AllZero, RandomMask, random_like
from clients.unlearning.pruning.discriminative import ClassDiscriminative, tf_idf
from clients.unlearning.pruning.esd import Esd
from clients.unlearning.pruning.gradients import largest_share
from clients.unlearning.pruning.layers import feed_forward_layers
from clients.unlearning.pruning.masks import apply_masks, density, overlap, pack_masks, unpack_masks
from clients.unlearning.pruning.resistant import Resistant
from clients.unlearning.pruning.salun import SalUn
from clients.unlearning.pruning.scissorhands import Scissorhands, projected
from clients.unlearning.pruning.ssd import Ssd
from clients.unlearning.pruning.uce import Uce

PRUNE = ConceptPrune(calls=2)
ERASER_SPECS: list[EraserSpec] = [
    PRUNE,
    RandomMask(like=PRUNE),
    RandomMask(like=PRUNE, within="columns"),
    AllZero(),
    ClassDiscriminative(calls=2),
    SalUn(steps=3, batches=2, batch_size=8),
    Ssd(batches=3),
    Scissorhands(steps=3, batches=2, batch_size=8),
    RelearningAxes(cut=PRUNE, rounds=2, rank=2, keep=1, steps=2, batch_size=8),
    Resistant(steps=2, batch_size=8, relearning=2),
    Uce(),
    Esd(steps=3, batch_size=8),
    Esd(steps=3, batch_size=8, scope="all_but_cross_attention"),
]


def subject(denoiser: Denoiser, images: Images | None, target: int = 3) -> DenoiserSubject:
    return DenoiserSubject(denoiser, target, ("test",), images=images, count=9, sampling=Sampling(steps=2))


def test_every_kind_is_tried_here() -> None:
    assert {type(spec) for spec in ERASER_SPECS} == set(ERASERS.specs())


@pytest.mark.parametrize("spec", ERASER_SPECS, ids=lambda spec: spec.kind)
def test_every_eraser_keeps_the_contract(spec: EraserSpec, denoiser: Denoiser, images: Images) -> None:
    before = {name: p.detach().clone() for name, p in denoiser.named_parameters()}
    cut = spec.erase(subject(denoiser, images), ("key",))
    assert all(torch.equal(p, before[name]) for name, p in denoiser.named_parameters())
    assert all(p.requires_grad and p.grad is None for p in denoiser.parameters())
    assert not any(module._forward_pre_hooks for module in denoiser.modules())
    again = spec.erase(subject(denoiser, images), ("key",))
    assert all(torch.equal(again.weights[name], value) for name, value in cut.weights.items())
    cut.apply(denoiser.unet)
    changed = {n.removeprefix("unet.") for n, p in denoiser.named_parameters() if not torch.equal(p, before[n])}
    assert changed
    assert changed <= set(cut.weights)
    for name, mask in cut.masks.items():
        assert not denoiser.unet.get_parameter(f"{name}.weight")[mask].any()
    assert spec.summary
    assert spec.source


def test_the_target_is_not_redirected_to_what_was_erased_earlier(denoiser: Denoiser, images: Images) -> None:
    asked: list[set[int]] = []

    def noted(module: Any, args: tuple[Any, ...]) -> None:
        asked.append(set(args[2].tolist()))

    handle = denoiser.register_forward_pre_hook(noted)
    try:
        late = DenoiserSubject(denoiser, 5, ("test",), images=images, erased=[number for number in range(10) if number not in (5, 7)])
        late.redirection(0, 4)
    finally:
        handle.remove()
    assert asked == [{7}, {5}]
    last = DenoiserSubject(denoiser, 5, ("test",), images=images, erased=range(10))
    with pytest.raises(UnlearningError, match="concept 5: every other class has been erased, so none is left to redirect it to"):
        last.redirection(0, 4)


def test_random_masks_have_the_size_of_their_model(denoiser: Denoiser) -> None:
    model = PRUNE.erase(subject(denoiser, None), ())
    anywhere = RandomMask(like=PRUNE).erase(subject(denoiser, None), ("key",))
    in_columns = RandomMask(like=PRUNE, within="columns").erase(subject(denoiser, None), ("key",))
    assert any(bool(mask.any()) for mask in model.masks.values())
    for name, mask in model.masks.items():
        assert int(anywhere.masks[name].sum()) == int(mask.sum())
        assert torch.equal(in_columns.masks[name].sum(dim=0), mask.sum(dim=0))
        assert not torch.equal(in_columns.masks[name], mask)
    other = RandomMask(like=PRUNE).erase(subject(denoiser, None), ("another key",))
    assert overlap(anywhere.masks, other.masks) < 0.5


def test_random_masks_do_not_prefer_a_place() -> None:
    mask = torch.zeros(4, 6, dtype=torch.bool)
    mask[:2, :3] = True
    for within in ("layer", "columns"):
        hits = sum(random_like(mask, within, ("fair", i)).double() for i in range(600)) / 600  # type: ignore[arg-type]
        expected = torch.full((4, 6), 0.25) if within == "layer" else 0.5 * mask.any(dim=0).double().expand(4, 6)
        assert float((hits - expected).abs().max()) < 0.08


def test_unmasked_weights_of_salun_keep_their_bits(denoiser: Denoiser, images: Images) -> None:
    cut = SalUn(share=0.2, steps=3, batches=2, batch_size=8).erase(subject(denoiser, images), ())
    moved = total = 0
    for name, value in cut.weights.items():
        salient, old = cut.statistics[f"salient.{name}"], denoiser.unet.get_parameter(name)
        assert torch.equal(value[~salient], old[~salient])
        moved, total = moved + int((value != old)[salient].sum()), total + int(salient.sum())
    assert moved > 0.9 * total
    assert total == pytest.approx(0.2 * sum(v.numel() for v in cut.weights.values()), abs=1)


def test_dampening_only_shrinks_and_only_where_the_concept_matters(denoiser: Denoiser, images: Images) -> None:
    cut = Ssd(batches=3, alpha=2.0).erase(subject(denoiser, images), ())
    dampened = sum(int(where.sum()) for where in cut.statistics.values())
    assert 0 < dampened < sum(value.numel() for value in cut.weights.values())
    for name, value in cut.weights.items():
        where, old = cut.statistics[f"dampened.{name}"], denoiser.unet.get_parameter(name)
        assert torch.equal(value[~where], old[~where])
        assert bool((value[where].abs() <= old[where].abs() / 2 + 1e-12).all())


def test_scissorhands_draws_anew_exactly_the_share(denoiser: Denoiser, images: Images) -> None:
    cut = Scissorhands(share=0.1, steps=0, batches=2, batch_size=8).erase(subject(denoiser, images), ())
    count = sum(int(value.sum()) for value in cut.statistics.values())
    assert count == int(0.1 * sum(v.numel() for v in cut.weights.values()) + 0.5)
    for name, value in cut.weights.items():
        trimmed, old = cut.statistics[f"trimmed.{name}"], denoiser.unet.get_parameter(name)
        assert torch.equal(value[~trimmed], old[~trimmed])
        assert bool((value[trimmed].abs() <= 0.04 + 1e-6).all())


def test_projection_never_lowers_the_forget_loss() -> None:
    ascent = {"w": torch.tensor([1.0, 0.0])}
    kept = projected({"w": torch.tensor([2.0, 1.0])}, ascent)
    assert kept["w"].tolist() == [2.0, 1.0]
    turned = projected({"w": torch.tensor([-2.0, 1.0])}, ascent)
    assert turned["w"].tolist() == [0.0, 1.0]
    nudged = projected({"w": torch.tensor([-0.1, 1.0])}, ascent)
    assert float((nudged["w"] * ascent["w"]).sum()) >= 0


def test_largest_share_looks_at_all_tensors_together() -> None:
    chosen = largest_share({"a": torch.tensor([1.0, 5.0]), "b": torch.tensor([[4.0, 0.0, 3.0]])}, 0.4)
    assert chosen["a"].tolist() == [False, True]
    assert chosen["b"].tolist() == [[True, False, False]]
    assert largest_share({"a": torch.ones(2, device="meta")}, 0.5)["a"].device.type == "meta", "where the weights are"


def test_tf_idf_prefers_neurons_of_one_class() -> None:
    means = torch.tensor([[9.0, 0.0, 0.0], [9.0, 9.0, 9.0], [0.0, 1.0, 1.0]])
    score = tf_idf(means)
    assert int(score[:, 0].argmax()) == 0
    present = 1  # of neuron 0: only the first class reaches its mean there
    assert float(score[0, 0]) == pytest.approx(0.5 * np.log((1 + 3) / (1 + present)))


def test_discriminative_pruning_cuts_whole_columns(denoiser: Denoiser) -> None:
    cut = ClassDiscriminative(share=0.1, calls=1).erase(subject(denoiser, None), ())
    assert any(bool(mask.any()) for mask in cut.masks.values())
    for mask in cut.masks.values():
        assert bool((mask.all(dim=0) == mask.any(dim=0)).all())
        assert int(mask.any(dim=0).sum()) == int(0.1 * mask.shape[1])


def test_masks_survive_the_wire_as_bits(denoiser: Denoiser) -> None:
    masks = PRUNE.erase(subject(denoiser, None), ()).masks
    packed = pack_masks(masks)
    assert sum(a.nbytes for n, a in packed.items() if "#" not in n) == sum(-(-m.numel() // 8) for m in masks.values())
    back = unpack_masks(wire.from_bytes(wire.to_bytes(packed)))
    assert set(back) == set(masks)
    assert all(torch.equal(back[name], mask) for name, mask in masks.items())
    odd = {"x": torch.tensor([[True, False, True]])}
    assert torch.equal(unpack_masks(pack_masks(odd))["x"], odd["x"])
    name = next(iter(masks))
    with pytest.raises(ValueError, match="shape is missing"):
        unpack_masks({name: packed[name]})
    with pytest.raises(ValueError, match="cannot hold"):
        unpack_masks({name: packed[name][:-1], f"{name}#shape": packed[f"{name}#shape"]})


def test_masks_are_compared_and_applied_by_name(denoiser: Denoiser) -> None:
    a: dict[str, Tensor] = {"x": torch.tensor([[True, True, False]]), "y": torch.tensor([[True]])}
    b = {"y": torch.tensor([[True]]), "x": torch.tensor([[True, False, True]])}
    assert overlap(a, b) == pytest.approx(2 / 4)
    assert overlap(a, a) == 1.0
    assert density(a) == 0.75
    with pytest.raises(KeyError, match="another model"):
        apply_masks(denoiser.unet, a)
    name, layer = next(iter(feed_forward_layers(denoiser.unet).items()))
    apply_masks(denoiser.unet, {name: torch.ones_like(layer.weight, dtype=torch.bool)})
    assert not layer.weight.any()


def test_bad_concepts_are_answered(denoiser: Denoiser, images: Images) -> None:
    with pytest.raises(UnlearningError, match=r"values 0 \.\. 9"):
        subject(denoiser, None, target=10)
    with pytest.raises(UnlearningError, match="give the peer's images"):
        Ssd(batches=1).erase(subject(denoiser, None), ())
    with pytest.raises(UnlearningError, match="no image to forget"):
        Ssd(batches=1).erase(subject(denoiser, images.select(images.classes != 3)), ())
    with pytest.raises(UnlearningError, match="style axis"):
        DenoiserSubject(denoiser, 0, (), axis="style")
