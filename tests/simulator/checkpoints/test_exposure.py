"""What is still seen after a fill: told where it is so, and not where it is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from server.defences.fills import Gaussian, RedrawnColumns
from server.defences.secret import Secret
from simulator.checkpoints.exposure import exposure, warnings

SECRET = Secret(b"sixteen bytes at the least")


def low_rank() -> tuple[Tensor, Tensor]:
    """Return a layer with structure, and a cut within a fifth of its columns."""
    draw = torch.Generator().manual_seed(6)
    weight = torch.randn(48, 8, generator=draw) @ torch.randn(8, 256, generator=draw) / 8**0.5 + 0.4 * torch.randn(48, 256, generator=draw)
    mask = torch.zeros(48, 256, dtype=torch.bool)
    mask[:, ::5] = torch.rand(48, 52, generator=draw) < 0.5
    return weight.masked_fill(mask, 0.0), mask


def test_loud_noise_hides_entries_and_not_columns_which_redrawing_hides() -> None:
    weight, mask = low_rank()
    seen = {
        fill.kind: exposure(fill.seal({"a": weight}, {"a": mask}, SECRET).weights["a"], mask)
        for fill in (Gaussian(relative=1.0), RedrawnColumns())
    }
    assert seen["gaussian"]["columns"] > 0.8
    assert "edited columns fit" in warnings({"a": seen["gaussian"]})
    assert warnings({"a": seen["redrawn_columns"]}) == ""


def test_faint_noise_and_noise_off_the_grid_are_seen() -> None:
    weight, mask = low_rank()
    faint = exposure(Gaussian(relative=0.1).seal({"a": weight}, {"a": mask}, SECRET).weights["a"], mask)
    assert faint["entries"] > 0.9
    coarse = weight.half().float()
    noise = torch.randn(mask.shape, generator=torch.Generator().manual_seed(7))
    assert exposure(torch.where(mask, noise, coarse), mask)["grid"] > 0.9
    assert "grid" not in exposure(torch.where(mask, noise.half().float(), coarse), mask), "the control"
    assert exposure(weight, mask)["zeros"] == int(mask.sum()), "nothing filled"
    said = warnings({"a": faint, "b": {"zeros": 3.0}, "c": {"zeros": 0.0}})
    assert "differ in size from the others in 1 of 3 layers (worst a: area 0.9" in said
    assert "zeros that a scan takes for a cut in 1 of 3 layers (worst b: 3)" in said


def test_a_sample_of_a_large_layer_tells_what_all_its_entries_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    weight, mask = low_rank()
    faint = Gaussian(relative=0.5).seal({"a": weight}, {"a": mask}, SECRET).weights["a"]
    whole = exposure(faint, mask)
    monkeypatch.setattr("simulator.checkpoints.exposure.MOST", 4000)
    sampled = exposure(faint, mask)
    assert sampled != whole, "the control: a sample was drawn"
    assert sampled["entries"] == pytest.approx(whole["entries"], abs=0.04)
    assert sampled["columns"] == whole["columns"], "of columns all are looked at"


def test_seal_hides_best_unless_told_and_warns(lethe: Callable[..., Any], tmp_path: Path, helpers: Any) -> None:
    weight, _ = low_rank()
    folder = helpers.write_unet(tmp_path / "cut", {"mid_block.ff.net.2.weight": weight})
    usual, told = (lethe("seal", folder, *how, "--out", tmp_path / str(len(how))) for how in ((), ("--fill", "gaussian")))
    assert (usual.status, told.status) == (0, 0)
    assert "(redrawn_columns)" in usual.out
    assert "warning" not in usual.out
    assert "warning: still seen: edited columns" in told.out
    assert told.out.splitlines()[-1] == str(tmp_path / "2"), "the folder comes last"


@pytest.mark.parametrize("scale", ["relative=0", "absolute=0.0"])
def test_noise_of_no_size_is_refused(scale: str, lethe: Callable[..., Any], tmp_path: Path, helpers: Any) -> None:
    folder = helpers.write_unet(tmp_path / "cut", {"mid_block.ff.net.2.weight": low_rank()[0]})
    said = lethe("seal", folder, "--fill", "gaussian", "--set", scale, "--out", tmp_path / "out")
    assert (said.status, said.err.count("\n")) == (2, 1)
    assert "greater than 0" in said.err
    assert not (tmp_path / "out").exists()
