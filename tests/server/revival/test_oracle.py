"""The rows that take signs and sizes apart keep exactly what they say, and the size error has a scale."""

from __future__ import annotations

import math

import pytest
import torch

from server.revival import oracle

DRAW = torch.Generator().manual_seed(3)
ORIGINAL = {"a": torch.randn(16, 40, generator=DRAW), "b": 5 * torch.randn(8, 24, generator=DRAW)}
MASK = {name: torch.rand(weight.shape, generator=DRAW) < 0.3 for name, weight in ORIGINAL.items()}
PRUNED = {name: weight.masked_fill(MASK[name], 0.0) for name, weight in ORIGINAL.items()}


def test_swapped_sizes_keep_signs_and_swapped_signs_keep_sizes() -> None:
    sizes, signs = (swap(PRUNED, MASK, ORIGINAL, ("test",)) for swap in (oracle.swapped_sizes, oracle.swapped_signs))
    for name, place in MASK.items():
        true = ORIGINAL[name][place]
        assert torch.equal(sizes[name][place].sign(), true.sign())
        assert torch.equal(sizes[name][place].abs().sort().values, true.abs().sort().values), "the same sizes, elsewhere"
        assert not torch.equal(sizes[name][place].abs(), true.abs())
        assert torch.equal(signs[name][place].abs(), true.abs())
        agree = float((signs[name][place].sign() == true.sign()).double().mean())
        assert abs(agree - 0.5) < 4 * (0.25 / len(true)) ** 0.5
        for filled in (sizes, signs):
            assert torch.equal(filled[name][~place], ORIGINAL[name][~place])
    assert not MASK["a"].all()


def test_the_size_error_is_none_for_the_truth_and_one_for_zero() -> None:
    assert oracle.size_error(ORIGINAL, MASK, ORIGINAL) == 0.0
    assert oracle.size_error({name: -weight for name, weight in ORIGINAL.items()}, MASK, ORIGINAL) == 0.0, "signs do not count"
    assert oracle.size_error({name: weight * 0 for name, weight in ORIGINAL.items()}, MASK, ORIGINAL) == 1.0
    assert oracle.size_error({name: weight * 1.5 for name, weight in ORIGINAL.items()}, MASK, ORIGINAL) == pytest.approx(0.5)
    assert math.isnan(oracle.size_error(ORIGINAL, {name: mask & False for name, mask in MASK.items()}, ORIGINAL)), "nothing was lost"
