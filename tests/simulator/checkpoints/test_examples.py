"""``lethe revive --example``: who has pruned and sealed pipelines of the kind itself learns from them where a release was edited."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from clients.streams import torch_generator
from server.revival.knowledge import OwnReleases
from server.revival.reading import Read

NAMES = ("a.ff.net.2", "b.ff.net.2")
Layers = dict[str, Tensor]


def made(model: int, wrong: bool = False, spared: bool = False) -> tuple[Layers, Layers, Layers]:
    """A small denoiser as it is released, pruned alone, and the cut; if ``wrong``, the second and third are of another cut of it.

    If a layer is ``spared``, nothing is cut from the second one.
    """
    sealed, pruned, masks = {}, {}, {}
    for name in NAMES:
        generator = torch_generator("examples", model, name)
        weight = torch.randn(16, 3, generator=generator) @ torch.randn(3, 120, generator=generator)
        weight += 0.1 * torch.randn(16, 120, generator=generator)
        cut = (torch.rand(120, generator=generator) < 0.4) & (torch.rand(16, 120, generator=generator) < 0.3)
        cut &= not (spared and name == NAMES[1])
        sealed[name] = torch.where(cut, 0.1 * torch.randn(16, 120, generator=generator), weight)
        masks[name] = cut[:, torch.randperm(120, generator=generator)] if wrong else cut
        pruned[name] = weight.masked_fill(masks[name], 0.0)
    return sealed, pruned, masks


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, helpers: Any) -> dict[str, Path]:
    """Two examples, one with wrong masks, one of which a layer was spared, and a release, each with its pruned copy."""
    root, found = tmp_path_factory.mktemp("examples"), {}
    cases = {"one": made(1), "two": made(2), "wrong": made(2, wrong=True), "spared": made(2, spared=True), "released": made(3)}
    for label, case in cases.items():
        for kind, layers in zip(("", "-pruned"), case, strict=False):
            tensors = {f"{name}.weight": layer for name, layer in layers.items()}
            found[label + kind] = helpers.write_unet(root / (label + kind), tensors)
    return found


def given(folders: dict[str, Path], *labels: str) -> list[object]:
    return [option for one in labels for option in ("--example", folders[one], "--example-mask", folders[f"{one}-pruned"])]


def test_it_completes_what_the_adversary_reads_and_says_what_it_learned_from(
    folders: dict[str, Path], lethe: Callable[..., Any], tmp_path: Path, helpers: Any
) -> None:
    out, (sealed, _, masks) = tmp_path / "out", made(3)
    said = lethe("revive", folders["released"], "--out", out, *given(folders, "one", "two"))
    assert said.status == 0, said.err
    examples = tuple((weights, cut) for weights, _, cut in map(made, (1, 2)))
    read = Read().attack(OwnReleases(sealed, examples))
    for name, weight in helpers.unet_tensors(out).items():
        torch.testing.assert_close(weight, read.weights[name.removesuffix(".weight")], rtol=1e-6, atol=1e-6)
    hits = sum(int((read.places[name] & masks[name]).sum()) for name in NAMES) / sum(int(place.sum()) for place in read.places.values())
    assert hits > 0.7
    record = json.loads((tmp_path / "out.json").read_text())
    assert [Path(one["mask"]).name for one in record["settings"]["examples"]] == ["one-pruned", "two-pruned"]
    assert sum(one["places"] for one in record["layers"].values()) == sum(int(place.sum()) for place in read.places.values())
    assert "cannot be said of a release whose cut is not known" in record["note"]


def test_layers_of_which_nothing_was_cut_teach_as_well(
    folders: dict[str, Path], lethe: Callable[..., Any], tmp_path: Path, helpers: Any
) -> None:
    (sealed, _, _), (example, _, cut) = made(3), made(2, spared=True)
    assert lethe("revive", folders["released"], "--out", tmp_path / "out", *given(folders, "spared")).status == 0
    read = Read().attack(OwnReleases(sealed, ((example, cut),)))
    for name, weight in helpers.unet_tensors(tmp_path / "out").items():
        torch.testing.assert_close(weight, read.weights[name.removesuffix(".weight")], rtol=1e-6, atol=1e-6)
    record = json.loads((tmp_path / "out.json").read_text())
    assert sum(one["places"] for one in record["layers"].values()) == sum(int(place.sum()) for place in read.places.values())


def test_the_control_wrong_masks_teach_nothing(folders: dict[str, Path], lethe: Callable[..., Any], tmp_path: Path, helpers: Any) -> None:
    out, (sealed, _, masks) = tmp_path / "out", made(3)
    assert lethe("revive", folders["released"], "--out", out, *given(folders, "wrong")).status == 0
    changed = {name: helpers.unet_tensors(out)[f"{name}.weight"] != sealed[name] for name in NAMES}
    hits = sum(int((changed[name] & masks[name]).sum()) for name in NAMES) / sum(int(change.sum()) for change in changed.values())
    assert hits < 0.5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--example", "one"), ("--example: 1 given, and 0 times --example-mask", "give for each its cut")),
        (("--example-mask", "one"), ("--example-mask: is for one who learns from --example",)),
        (("--example", "one", "--example-mask", "one"), ("no zero in 2 feed-forward layers",)),
        (
            ("--example", "one", "--example-mask", "two-pruned"),
            ("--example", "is no copy of --example-mask", "give both of the same pipeline"),
        ),
        (("--example", "nowhere", "--example-mask", "one-pruned"), ("--example nowhere", "is no folder")),
        (("--example", "one", "--example-mask", "one-pruned", "--bits", 4), ("--example and --bits", "give one")),
    ],
)
def test_one_line(
    options: tuple[object, ...], words: tuple[str, ...], folders: dict[str, Path], lethe: Callable[..., Any], tmp_path: Path
) -> None:
    said = lethe("revive", folders["released"], "--out", tmp_path / "out", *(folders.get(str(one), one) for one in options))
    assert (said.status, said.out, len(said.err.splitlines())) == (2, "", 1), said.err
    for word in words:
        assert word in said.err
    assert list(tmp_path.iterdir()) == []
