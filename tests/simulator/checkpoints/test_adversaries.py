"""``lethe revive`` with what an adversary knows beside the weights: a mask, how much was cut, an earlier model; and rounding."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from server.revival.adversaries import Quantise, Repruner
from server.revival.attack import Revival
from server.revival.knowledge import WeightsOnly, WithDensity
from server.revival.locate import Extremes
from simulator.checkpoints.smallest import smallest

NAMES = ("a.ff.net.2.weight", "b.ff.net.2.weight")


class Released(NamedTuple):
    """One small denoiser: whole, pruned, and pruned and filled with noise a tenth as loud as its weights."""

    whole: Path
    pruned: Path
    sealed: Path


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory, helpers: Any) -> Released:
    root, generator = tmp_path_factory.mktemp("released"), torch.Generator().manual_seed(0)
    whole = {}
    for name in NAMES:
        left, right = torch.randn(16, 3, generator=generator), torch.randn(3, 40, generator=generator)
        whole[name] = left @ right + 0.1 * torch.randn(16, 40, generator=generator)
    whole["conv_in.weight"] = torch.randn(4, 4, generator=generator)
    pruned, sealed = ({name: weight.clone() for name, weight in whole.items()} for _ in range(2))
    for name in NAMES:
        cut = torch.rand(16, 40, generator=generator) < 0.1
        pruned[name][cut] = 0.0
        sealed[name][cut] = 0.1 * torch.randn(int(cut.sum()), generator=generator)
    folders = {"whole": whole, "pruned": pruned, "sealed": sealed}
    return Released(*(helpers.write_unet(root / name, tensors) for name, tensors in folders.items()))


@pytest.fixture
def revived(lethe: Callable[..., Any], tmp_path: Path, helpers: Any) -> Callable[..., dict[str, Tensor]]:
    """Run ``lethe revive`` with options, and return the tensors of its output."""

    def run(*arguments: object) -> dict[str, Tensor]:
        out = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        said = lethe("revive", *arguments, "--out", out)
        assert said.status == 0, said.err
        return dict(helpers.unet_tensors(out))

    return run


def _same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_who_knows_the_mask_is_not_kept_out_by_a_fill(released: Released, revived: Callable[..., dict[str, Tensor]]) -> None:
    known = revived(released.sealed, "--mask", released.pruned)
    assert _same(known, revived(released.pruned)), "signs come from the other weights"


def test_who_knows_how_much_was_cut_takes_the_smallest(
    released: Released, revived: Callable[..., dict[str, Tensor]], helpers: Any, tmp_path: Path
) -> None:
    guessed = revived(released.sealed, "--density", 0.1)
    weights = {name.removesuffix(".weight"): weight for name, weight in helpers.unet_tensors(released.sealed).items() if name in NAMES}
    expected = Repruner(revival=Revival()).attack(WithDensity(weights, 0.1)).weights
    for name, weight in expected.items():
        torch.testing.assert_close(guessed[f"{name}.weight"], weight, rtol=1e-6, atol=1e-6)
    facts = json.loads(next(tmp_path.glob("*.json")).read_text())["layers"].values()
    assert sum(one["places"] for one in facts) == round(0.1 * 2 * 16 * 40)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 0.99])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_smallest_of_all_layers_are_exact(share: float, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(1)
    weights = {str(n): (torch.randn(7, n, generator=generator) * 4).round().div(4).to(dtype) for n in (5, 9, 3)}  # with ties
    found = smallest(weights, weights.__getitem__, share)
    expected = Extremes(share=share).places(weights)
    assert all(torch.equal(found.places(name, weight), expected[name]) for name, weight in weights.items())
    assert found.taken == {name: int(places.sum()) for name, places in expected.items()}


def test_layers_of_nothing_but_zeros_are_passed_over_by_who_knows_the_mask(
    released: Released, lethe: Callable[..., Any], tmp_path: Path, helpers: Any
) -> None:
    weights = helpers.unet_tensors(released.sealed)
    weights[NAMES[0]].zero_()
    said = lethe("revive", helpers.write_unet(tmp_path / "half", weights), "--mask", released.pruned, "--out", tmp_path / "out")
    assert said.status == 0, said.err
    assert "in 1 of 2 layers; passed over, nothing but zeros: a.ff.net.2; " in said.out
    weights[NAMES[1]].zero_()
    said = lethe("revive", helpers.write_unet(tmp_path / "none", weights), "--mask", released.pruned, "--out", tmp_path / "none.out")
    assert (said.status, said.out, len(said.err.splitlines())) == (2, "", 1)
    assert f"the 2 layers that --mask {released.pruned} cuts hold nothing but zeros" in said.err
    assert not list(tmp_path.glob("none.out*"))


def test_an_earlier_model_brings_all_of_it_back(
    released: Released, revived: Callable[..., dict[str, Tensor]], lethe: Callable[..., Any], tmp_path: Path, helpers: Any
) -> None:
    whole = helpers.unet_tensors(released.whole)
    assert _same(revived(released.sealed, "--earlier", released.whole), whole)
    zeroed = helpers.write_unet(tmp_path / "zeroed", whole | {NAMES[0]: torch.zeros_like(whole[NAMES[0]])})
    said = lethe("revive", zeroed, "--earlier", released.whole, "--out", tmp_path / "again")
    assert said.out.startswith(f"640 weights written back from {released.whole} in 1 of 2 layers; record"), "a layer that was cut whole"
    assert _same(helpers.unet_tensors(tmp_path / "again"), whole)
    said = lethe("revive", released.whole, "--earlier", released.whole, "--out", tmp_path / "none")
    assert (said.status, said.out.startswith("no weight differs enough from")) == (0, True)
    assert _same(helpers.unet_tensors(tmp_path / "none"), whole)


def test_rounding_is_that_of_the_adversary(released: Released, revived: Callable[..., dict[str, Tensor]], helpers: Any) -> None:
    before, after = helpers.unet_tensors(released.sealed), revived(released.sealed, "--bits", 3)
    expected = Quantise(bits=3).attack(WeightsOnly({name: before[name] for name in NAMES})).weights
    assert _same(after, before | expected)


def test_signs_that_are_drawn_are_a_control_of_every_completion(released: Released, revived: Callable[..., dict[str, Tensor]]) -> None:
    drawn = revived(released.sealed, "--mask", released.pruned, "--random-signs")
    assert _same(drawn, revived(released.pruned, "--random-signs"))
    assert not _same(drawn, revived(released.pruned))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--mask", "PRUNED", "--bits", 4), ("--mask and --bits", "give one")),
        (("--bits", 4, "--keep", 0.5), ("--keep", "who completes a cut")),
        (("--earlier", "PRUNED", "--random-signs"), ("--random-signs", "who completes a cut")),
        (("--density", 0.1, "--word", "<ball>"), ("--word", "who trains on --images")),
        (("--density", 1.5), ("--density 1.5", "above 0 and below 1")),
        (("--density", 1e-12), ("--density 1e-12: is not one of 1280 weights", "give more")),
        (("--density", 0.9999999), ("--density 0.9999999: takes every weight of a.ff.net.2 and 1 more", "give less")),
        (("--bits", 9), ("--bits 9: wants 2 to 8",)),
        (("--mask", "nowhere"), ("--mask nowhere", "is no folder")),
        (("--mask", "WHOLE"), ("no zero in 2 feed-forward layers",)),
        (("--earlier", "OTHER"), ("--earlier", "is of another model than")),
        (("--images", "PRUNED"), ("--images: wants what they show",)),
    ],
)
def test_one_line(
    options: tuple[object, ...],
    words: tuple[str, ...],
    released: Released,
    lethe: Callable[..., Any],
    tmp_path: Path,
    helpers: Any,
) -> None:
    other = helpers.write_unet(tmp_path / "other", {NAMES[0]: torch.ones(2, 2)})
    places = {"PRUNED": released.pruned, "WHOLE": released.whole, "OTHER": other}
    before = helpers.tree(tmp_path)
    said = lethe("revive", released.sealed, "--out", tmp_path / "out", *(places.get(str(one), one) for one in options))
    assert (said.status, said.out, len(said.err.splitlines())) == (2, "", 1), said.err
    for word in words:
        assert word in said.err
    assert helpers.tree(tmp_path) == before
