"""Layers of which more is zero than not, fills that leave zeros, and values whose sum no float holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

LAYER = "mid_block.attentions.0.transformer_blocks.0.ff.net.2.weight"


@pytest.fixture
def sparse() -> Tensor:
    """A layer with two columns of three cut as a whole, of which the rest is untouched."""
    weight = torch.randn(16, 60, generator=torch.Generator().manual_seed(0))
    weight[:, :40] = 0
    return weight


def test_zeros_say_nothing_of_the_number_grid(sparse: Tensor, lethe: Callable[..., Any], tmp_path: Path, helpers: Any) -> None:
    said = lethe("scan", helpers.write_unet(tmp_path / "whole", {LAYER: sparse}))
    assert said.status == 0
    assert "number grid" not in said.out
    coarse = sparse.bfloat16().float()
    coarse[:3, 50] += 1e-5
    said = lethe("scan", helpers.write_unet(tmp_path / "edited", {LAYER: coarse}))
    assert "3 weights lie off the number grid of all others" in said.out


def test_columns_cut_as_a_whole_are_redrawn_too(sparse: Tensor, lethe: Callable[..., Any], tmp_path: Path, helpers: Any) -> None:
    said = lethe("seal", helpers.write_unet(tmp_path / "cut", {LAYER: sparse}), "--out", tmp_path / "out")
    assert (said.status, said.err) == (0, "")
    assert said.out.startswith("640 zeros filled in 1 of 1 layers")
    sealed = helpers.unet_tensors(tmp_path / "out")[LAYER]
    assert 0.5 < float(sealed[:, :40].std() / sparse[:, 40:].std()) < 2


def test_a_fill_that_vanishes_is_refused_and_zeros_left_are_counted(
    sparse: Tensor, lethe: Callable[..., Any], tmp_path: Path, helpers: Any
) -> None:
    cut = helpers.write_unet(tmp_path / "cut", {LAYER: sparse.half()})
    for relative, status in ((1e-9, 2), (5e-8, 0)):
        said = lethe("seal", cut, "--fill", "gaussian", "--set", f"relative={relative}", "--out", tmp_path / f"out{status}")
        assert said.status == status
        if status:
            assert "640 of 640 values of the fill would be zero in float16; give a larger fill" in said.err
            assert not list(tmp_path.glob("out2*"))
    left = int((helpers.unet_tensors(tmp_path / "out0")[LAYER] == 0).sum())
    assert 0 < left < 320
    assert f"{640 - left} of 640 zeros filled" in said.out


def test_finite_weights_pass_though_their_sum_is_not(sparse: Tensor, lethe: Callable[..., Any], tmp_path: Path, helpers: Any) -> None:
    weights = {LAYER: sparse, "conv_in.weight": torch.full((3,), 3e38)}
    assert lethe("scan", helpers.write_unet(tmp_path / "large", weights)).status == 0
    weights["conv_in.weight"][1] = torch.inf
    said = lethe("scan", helpers.write_unet(tmp_path / "infinite", weights))
    assert "conv_in.weight holds 1 values that are not finite" in said.err
