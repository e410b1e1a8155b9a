"""Seeds folded to a release: a step from their public start, with cuts joined by the policy, and defences in force."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clients.diffusion.local import parameter_of
from server.defences.fills import Gaussian
from server.defences.secret import Secret
from server.diffusion.hdus.folding import SCALES, Folding
from server.diffusion.release.policies import Mean, PolicySpec, UnionNoise, UnionZero, Vote
from server.diffusion.release.update import DenoiserUpdate

LAYER, SHAPE = "block.ff.net.2", (12, 40)
NAME, BIAS = parameter_of(LAYER), "unet.block.ff.net.0.proj.bias"
DRAW = np.random.default_rng(3)
START = {NAME: DRAW.normal(size=SHAPE).astype(np.float32), BIAS: DRAW.normal(size=5).astype(np.float32)}


def folding(policy: PolicySpec) -> Folding:
    return Folding(START, (LAYER,), policy, Secret(b"a secret of enough bytes"))


def seed(peer: int, count: int = 10, cut: torch.Tensor | None = None) -> DenoiserUpdate:
    draw = np.random.default_rng(peer)
    weights = {name: (array + draw.normal(size=array.shape)).astype(np.float32) for name, array in START.items()}
    if cut is not None:
        weights[NAME][cut.numpy()] = 0
    return DenoiserUpdate(peer, weights, {} if cut is None else {LAYER: cut}, count, {})


def rows(*numbers: int) -> torch.Tensor:
    mask = torch.zeros(SHAPE, dtype=torch.bool)
    mask[list(numbers)] = True
    return mask


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_uncut_seeds_are_the_start_moved_on_towards_their_mean_by_images(scale: float) -> None:
    one, other = seed(0, 30), seed(1, 10)
    made = folding(Vote()).release([one, other], scale)
    for name, start in START.items():
        mean = 0.75 * one.weights[name].astype(np.float64) + 0.25 * other.weights[name]
        np.testing.assert_allclose(made.weights[name], start + scale * (mean - start), atol=1e-5)
    assert not made.cut[LAYER].any()


def test_masks_come_from_what_was_sent_and_scaled_zeros_stay_zeros() -> None:
    seeds = [seed(0, cut=rows(0)), seed(1, cut=rows(0, 1)), seed(2)]
    made = folding(Vote(threshold=0.5)).release(seeds, 2.0)
    assert (made.weights[NAME][0] == 0).all()
    assert made.weights[NAME][1].all(), "one of three is no half"
    kept = (seeds[0].weights[NAME][1].astype(np.float64) + seeds[2].weights[NAME][1]) / 2
    np.testing.assert_allclose(made.weights[NAME][1], START[NAME][1] + 2 * (kept - START[NAME][1]), atol=1e-5)
    assert torch.equal(made.cut[LAYER], rows(0))
    diluted = folding(Mean()).release(seeds, 2.0)
    assert diluted.weights[NAME][0].all(), "the control: a mean keeps no cut"
    assert torch.equal(diluted.cut[LAYER], rows(0, 1))
    assert not diluted.frozen[LAYER].any()


def test_who_has_left_leaves_no_trace_and_without_seeds_it_is_the_start() -> None:
    seeds = [seed(0, cut=rows(0)), seed(1, cut=rows(3)), seed(2)]
    fold = folding(UnionZero())
    never = fold.release([seeds[0], seeds[2]], 2.0, [Gaussian(relative=1.0)])
    after = fold.release([one for one in seeds if one.peer != 1], 2.0, [Gaussian(relative=1.0)])
    assert all(np.array_equal(never.weights[name], array) for name, array in after.weights.items())
    assert not np.array_equal(fold.release(seeds, 2.0).weights[NAME], after.weights[NAME])
    alone = fold.release([], 2.0)
    assert all(np.array_equal(alone.weights[name], array) for name, array in START.items())


def test_defences_fill_each_release_from_the_same_secret() -> None:
    fold, fill = folding(UnionZero()), [Gaussian(relative=1.0)]
    one = fold.release([seed(0, cut=rows(0)), seed(1)], 2.0, fill)
    again = fold.release([seed(0, cut=rows(0)), seed(5)], 2.0, fill)
    assert one.weights[NAME][0].all()
    ratio = one.weights[NAME][0] / again.weights[NAME][0]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-4)  # the same noise, at the size of the layer
    assert not np.array_equal(one.weights[NAME][1], again.weights[NAME][1])


@pytest.mark.parametrize(("policy", "fills"), [(Vote(), [Gaussian(relative=1.0)]), (UnionNoise(budget=1.0), [])])
def test_a_layer_that_is_cut_whole_stays_zero_where_others_are_filled(policy: PolicySpec, fills: list[Gaussian]) -> None:
    other = "other.ff.net.2"
    start = {**START, parameter_of(other): START[NAME]}
    weights = {NAME: np.zeros_like(START[NAME]), parameter_of(other): np.where(rows(0).numpy(), 0, START[NAME]), BIAS: START[BIAS]}
    cut = DenoiserUpdate(0, weights, {LAYER: rows(*range(SHAPE[0])), other: rows(0)}, 10, {})
    made = Folding(start, (LAYER, other), policy, Secret(b"a secret of enough bytes")).release([cut], 1.0, fills)
    assert not made.weights[NAME].any()
    assert made.weights[parameter_of(other)].all()
    assert made.frozen[LAYER].all()


def test_the_scale_with_the_smallest_error_is_chosen() -> None:
    fold, seeds = folding(Vote()), [seed(0), seed(1)]
    wanted = fold.release(seeds, 2.5).weights[NAME]
    assert fold.chosen(seeds, lambda weights: float(np.abs(weights[NAME] - wanted).sum())) == 2.5
    assert fold.chosen(seeds, lambda _: 1.0) == SCALES[0]


def test_seeds_that_do_not_fit_are_not_folded() -> None:
    broken = seed(1)
    broken.weights[BIAS][0] = np.nan
    greedy, empty = seed(2, cut=rows(*range(6))), seed(3, count=0)
    fold = folding(UnionZero(budget=0.2))
    assert [one.peer for one in fold.acceptable([seed(0), broken, greedy, empty])] == [0]
    assert "not finite" in str(fold.refusal(broken))
    assert "its mask cuts 50.0% of layer" in str(fold.refusal(greedy))
