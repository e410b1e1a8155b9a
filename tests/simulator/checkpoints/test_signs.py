"""What a cut gives away on layers of Stable Diffusion's shapes, with controls that must find nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor


def right_signs(folder: Path, planted: Any, helpers: Any) -> tuple[float, int]:
    """Return the share of right signs among refilled entries, and their number."""
    right = total = 0
    cut = helpers.unet_tensors(planted.folder)
    for name, weight in helpers.unet_tensors(folder).items():
        if name.endswith(helpers.ending):
            refilled = (cut[name] == 0) & (weight != 0)
            right += int((weight.sign() == planted.original[name].sign())[refilled].sum())
            total += int(refilled.sum())
    return right / total, total


def test_completion_finds_signs_and_drawing_them_does_not(planted: Any, lethe: Callable[..., Any], tmp_path: Path, helpers: Any) -> None:
    assert lethe("revive", planted.folder, "--out", tmp_path / "revived").status == 0
    assert lethe("revive", planted.folder, "--random-signs", "--out", tmp_path / "drawn").status == 0
    right, total = right_signs(tmp_path / "revived", planted, helpers)
    chance, count = right_signs(tmp_path / "drawn", planted, helpers)
    assert total == count > 10_000
    assert right > 0.95
    assert abs(chance - 0.5) < 4 * (0.25 / count) ** 0.5
    report = json.loads((tmp_path / "revived.json").read_text())
    assert len(report["layers"]) == 3
    for one in report["layers"].values():
        quantiles = [one["confidence"][q] for q in ("0.0", "0.25", "0.5", "0.75", "0.9", "1.0")]
        assert quantiles == sorted(quantiles)
        assert quantiles[2] > 0


def test_a_scan_foretells_the_signs_without_the_original(planted: Any, lethe: Callable[..., Any], tmp_path: Path, helpers: Any) -> None:
    found = scanned(lethe, planted.folder)
    for part in ("signs", "signs_top_fifth"):
        low, high = found[f"{part}_interval"]
        assert 0.5 < low < found[part] <= high <= 1
        assert f"{found[part]:.1%} ({low:.1%} to {high:.1%})" in found["verdicts"][-1]
    zeros = sum(int((t == 0).sum()) for n, t in helpers.unet_tensors(planted.folder).items() if n.endswith(helpers.ending))
    assert found["cut"] == zeros
    lethe("revive", planted.folder, "--keep", 1.0, "--out", tmp_path / "revived")
    right, _ = right_signs(tmp_path / "revived", planted, helpers)
    assert abs(found["signs"] - right) < 0.02, "what was held out stands for what was lost"
    assert found["signs_top_fifth"] > found["signs"] > 0.85
    assert "can be located exactly" in found["verdicts"][0]
    assert all(0.5 < layer["column_auc"] <= 1 for layer in found["layers"].values()), "zeros disturb the columns they lie in"


def test_a_scan_of_an_uncut_model_says_so(planted: Any, lethe: Callable[..., Any]) -> None:
    said = lethe("scan", planted.whole)
    assert said.status == 0
    assert "no cut located by its zeros: no zero in 3 feed-forward layers" in said.out
    assert "what would be cut from here could be guessed as well" in said.out


def test_random_weights_predict_no_signs(lethe: Callable[..., Any], tmp_path: Path, helpers: Any) -> None:
    weight = torch.randn(320, 1280, generator=torch.Generator().manual_seed(2))
    weight[:, ::4] = weight[:, ::4].masked_fill(torch.rand(320, 320, generator=torch.Generator().manual_seed(3)) < 0.1, 0.0)
    found = scanned(lethe, helpers.write_unet(tmp_path / "random", {"mid_block.ff.net.2.weight": weight}))
    assert found["cut"] == int((weight == 0).sum())
    assert abs(found["signs"] - 0.5) < 4 * (0.25 / found["held_out"]) ** 0.5
    assert "at chance" in found["verdicts"][2]


@pytest.mark.slow
def test_a_seal_keeps_the_number_grid_and_careless_noise_does_not(
    planted: Any, lethe: Callable[..., Any], tmp_path: Path, helpers: Any
) -> None:
    """Weights trained in sixteen bits and stored in thirty-two."""
    name = max(planted.original)
    cut = helpers.unet_tensors(planted.folder)[name].to(torch.float16).float()
    places = cut == 0
    noise = 0.02 * torch.randn(cut.shape, generator=torch.Generator().manual_seed(4))
    careless = helpers.write_unet(tmp_path / "careless", {name: torch.where(places, noise, cut)})
    assert lethe("seal", helpers.write_unet(tmp_path / "cut", {name: cut}), "--fill", "gaussian", "--out", tmp_path / "sealed").status == 0
    assert off_grid(scanned(lethe, careless)) > 0.99 * int(places.sum())
    sealed = scanned(lethe, tmp_path / "sealed")
    assert off_grid(sealed) == 0
    assert sealed["cut"] == 0
    assert "no cut located" in sealed["verdicts"][0]


def scanned(lethe: Callable[..., Any], folder: Path) -> dict[str, Any]:
    said = lethe("scan", folder, "--json", "--completion", "soft_impute")
    assert said.status == 0, said.err
    found: dict[str, Any] = json.loads(said.out)
    return found


def off_grid(found: dict[str, Any]) -> int:
    return sum(layer["off_grid"] for layer in found["layers"].values())


def test_an_entry_keeps_its_size_where_only_signs_are_drawn(planted: Any, lethe: Callable[..., Any], tmp_path: Path, helpers: Any) -> None:
    """The control differs from the attack in signs and in which places it fills, never in how bold it is."""
    assert lethe("revive", planted.folder, "--random-signs", "--keep", 1, "--out", tmp_path / "drawn").status == 0
    cut = helpers.unet_tensors(planted.folder)
    for name, weight in helpers.unet_tensors(tmp_path / "drawn").items():
        if name.endswith(helpers.ending):
            bold: Tensor = cut[name].abs().amax(dim=1, keepdim=True).expand_as(weight)[cut[name] == 0]
            assert torch.allclose(weight[cut[name] == 0].abs(), bold)
