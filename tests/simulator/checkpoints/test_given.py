"""Folders that options give beside the checkpoint: which of their weights count, and what is said where they do not fit."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from simulator.checkpoints.judge import judge_checkpoints
from simulator.errors import LetheError

LAYER = "mid_block.attentions.0.transformer_blocks.0.ff.net.2.weight"
PLAIN, HALF = "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.fp16.safetensors"


@pytest.fixture
def copies(tmp_path: Path, helpers: Any) -> Path:
    """A folder with a model pruned, sealed (in other words: whole), and pruned with its weights twice, as hubs offer them."""
    whole = torch.randn(16, 60, generator=torch.Generator().manual_seed(0))
    cut = whole.clone()
    cut[:8, :9] = 0
    helpers.write_unet(tmp_path / "sealed", {LAYER: whole})
    helpers.write_unet(tmp_path / "pruned", {LAYER: cut})
    twice = shutil.copytree(tmp_path / "pruned", tmp_path / "twice")
    shutil.copy(twice / PLAIN, twice / HALF)
    return tmp_path


@pytest.mark.parametrize("option", ["--mask", "--earlier"])
def test_the_variant_counts_where_a_folder_has_several(option: str, copies: Path, lethe: Callable[..., Any]) -> None:
    said = lethe("revive", copies / "sealed", option, copies / "twice", "--out", copies / "out")
    assert (said.status, len(said.err.splitlines())) == (2, 1)
    assert f"{option} {copies / 'twice'}: holds its weights 2 times; choose with --variant: fp16, plain" in said.err
    assert lethe("revive", copies / "sealed", option, copies / "twice", "--variant", "plain", "--out", copies / "out").status == 0
    said = lethe("revive", copies / "twice", option, copies / "pruned", "--variant", "fp16", "--out", copies / "other")
    assert said.status == 0, "the other folder has no choice"


def test_what_does_not_fit_is_told_by_its_option(copies: Path, saved: dict[str, Path], lethe: Callable[..., Any]) -> None:
    said = lethe("revive", copies / "sealed", "--mask", copies / "sealed", "--out", copies / "out")
    assert (said.status, len(said.err.splitlines())) == (2, 1)
    assert f"--mask {copies / 'sealed'}: no zero in 1 feed-forward layers; give a checkpoint that was pruned" in said.err
    unused: Any = None
    with pytest.raises(LetheError, match=r"^--pruned .*nowhere: is no folder"):
        judge_checkpoints({"original": saved["plain"], "pruned": copies / "nowhere"}, unused, unused, unused)


@pytest.mark.parametrize("command", ["seal", "revive"])
def test_nothing_but_zeros_is_called_that(command: str, lethe: Callable[..., Any], tmp_path: Path, helpers: Any) -> None:
    empty = helpers.write_unet(tmp_path / "empty", {LAYER: torch.zeros(8, 8)})
    said = lethe(command, empty, "--out", tmp_path / "out")
    assert (said.status, len(said.err.splitlines())) == (2, 1)
    assert said.err.endswith("empty: its 1 feed-forward layers hold nothing but zeros; give a trained checkpoint\n")
