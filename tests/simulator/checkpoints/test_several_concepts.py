"""A repeated --concept cuts the union of what each alone would cut."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


def test_the_cut_of_two_concepts_is_the_union(saved: dict[str, Path], lethe: Callable[..., Any], tmp_path: Path, helpers: Any) -> None:
    how = ("--calls", 2, "--steps", 4, "--samples", 1, "--share", 0.1, "--base", "a room", "--base", "a park")
    for name, concepts in {"a": ("golf ball",), "b": ("church",), "both": ("golf ball", "church")}.items():
        named = [word for concept in concepts for word in ("--concept", concept)]
        said = lethe("prune", saved["plain"], *named, *how, "--out", tmp_path / name)
        assert said.status == 0, said.err
    first, second, both = (helpers.unet_tensors(tmp_path / name) for name in ("a", "b", "both"))
    layers = [name for name in both if name.endswith(helpers.ending)]
    for name in layers:
        assert torch.equal(both[name] == 0, (first[name] == 0) | (second[name] == 0))
    assert any(bool(((second[name] == 0) & (first[name] != 0)).any()) for name in layers), "the control: the second adds something"
    report = json.loads((tmp_path / "both.json").read_text())
    assert report["settings"]["prompts"]["concepts"] == ["golf ball", "church"]
    for name in layers:
        alone = report["layers"][name.removesuffix(".weight")]["cut_for"]
        assert alone == {"golf ball": int((first[name] == 0).sum()), "church": int((second[name] == 0).sum())}


def test_a_concept_named_twice_is_refused(saved: dict[str, Path], lethe: Callable[..., Any], tmp_path: Path) -> None:
    said = lethe("prune", saved["plain"], "--concept", "ball", "--concept", "ball", "--out", tmp_path / "out")
    assert (said.status, said.err.count("\n")) == (2, 1)
    assert "names one twice" in said.err
