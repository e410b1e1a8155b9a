"""What a person can mend is answered with one line, exit status 2, and nothing written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

WEIGHTS = "unet/diffusion_pytorch_model.safetensors"


def _pickle(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "unet/diffusion_pytorch_model.bin")


def _pickled_text_encoder(folder: Path) -> None:
    (folder / "text_encoder/model.safetensors").rename(folder / "text_encoder/pytorch_model.bin")


def _cut_short(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-100])


def _pointer(folder: Path) -> None:
    (folder / WEIGHTS).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")


def _no_feed_forward(folder: Path) -> None:
    save_file({"conv_in.weight": torch.ones(2, 2)}, folder / WEIGHTS)


def _renamed_layer(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    tensors["extra.ff.net.2.weight"] = torch.ones(2, 2)
    save_file(tensors, folder / WEIGHTS)


def _quantised(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    save_file({name: tensor.to(torch.int8) for name, tensor in tensors.items()}, folder / WEIGHTS)


def _twice(folder: Path) -> None:
    (folder / "unet/diffusion_pytorch_model.fp16.safetensors").write_bytes((folder / WEIGHTS).read_bytes())


def _index(folder: Path) -> None:
    table = {"weight_map": {"lost.ff.net.2.weight": "diffusion_pytorch_model.safetensors"}}
    (folder / "unet/diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(table))


def _lost_shard(folder: Path) -> None:
    table = {"weight_map": {"a.ff.net.2.weight": "../../elsewhere.safetensors"}}
    (folder / "unet/diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(table))


def _no_unet(folder: Path) -> None:
    (folder / "unet").rename(folder / "prior")


def _no_config(folder: Path) -> None:
    (folder / "model_index.json").unlink()


def _no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer").rename(folder.parent / "elsewhere")


def _not_finite(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    for name, tensor in tensors.items():
        if name.endswith(".ff.net.2.weight"):
            tensor[0, :5], tensor[1, 1] = 0.0, torch.nan
    save_file(tensors, folder / WEIGHTS)


def _nothing(folder: Path) -> None:
    pass


PRUNE = ("prune", "--concept", "ball", "--calls", "2", "--steps", "3", "--samples", "1")


@pytest.mark.parametrize(
    ("spoil", "arguments", "words"),
    [
        (_pickle, ("revive",), ("diffusion_pytorch_model.bin", "pickles", "save_pretrained")),
        (_pickled_text_encoder, PRUNE, ("pytorch_model.bin", "pickle", "save_pretrained")),
        (_cut_short, ("seal",), ("no complete safetensors file", "fetch it again")),
        (_pointer, ("seal",), ("no complete safetensors file", "pointer")),
        (_no_feed_forward, ("revive",), ("no tensor is named *.ff.net.2.weight",)),
        (_renamed_layer, PRUNE, ("layer extra.ff.net.2", "save_pretrained")),
        (_quantised, ("revive",), ("is I8", "quantised")),
        (_twice, ("revive",), ("2 times", "--variant", "fp16, plain")),
        (_twice, ("revive", "--variant", "bf16"), ("--variant bf16", "fp16, plain")),
        (_index, ("revive",), ("lost.ff.net.2.weight", "does not hold")),
        (_lost_shard, ("revive",), ("elsewhere.safetensors", "not beside it")),
        (_no_unet, ("revive",), ("no folder unet or transformer",)),
        (_no_config, ("revive",), ("neither model_index.json nor config.json",)),
        (_no_tokenizer, PRUNE, ("no folder tokenizer",)),
        (_not_finite, ("revive",), ("not finite", ".ff.net.2")),
        (_nothing, ("revive",), ("no zero in 7 feed-forward layers", "pruned")),
        (_nothing, ("seal",), ("no zero in 7 feed-forward layers", "pruned")),
        (_nothing, ("revive", "--completion", "publishd"), ("--completion publishd", "did you mean published?")),
        (_nothing, ("revive", "--completion", "published", "--precision", "tf32"), ("--completion published", "not run in TF32")),
        (_nothing, ("scan", "--precision", "tf23"), ("--precision tf23", "did you mean tf32?")),
        (_nothing, ("revive", "--keep", "1.5"), ("--keep 1.5", "less than or equal to 1")),
        (_nothing, ("seal", "--fill", "gauss"), ("--fill gauss", "did you mean gaussian?")),
        (_nothing, ("seal", "--set", "loud=3"), ("--set loud: redrawn_columns has no settings; leave it out",)),
        (_nothing, ("seal", "--fill", "gaussian", "--set", "relatve=1"), ("did you mean relative? known: absolute, relative",)),
        (_nothing, ("seal", "--key", "nowhere"), ("--key nowhere", "cannot be read")),
        *((_nothing, ("scan", "--held-out", share), (f"--held-out {float(share)}", "below 1")) for share in ("0", "1", "nan")),
        (_nothing, ("prune", "--concept", " "), ("--concept", "is empty")),
        (_nothing, ("prune", "--concept", "東京"), ("--concept '東京'", "knows none of it")),
        (_nothing, ("prune", "--concept", "ball", "--base", ""), ("--base", "is empty")),
        (_nothing, ("prune", "--concept", "ball", "--prompt", "a room"), ("--prompt 'a room'", "{concept}")),
        (_nothing, ("prune", "--concept", "ball", "--prompt", "{base} {concept}", "--base", "a" * 40), ("--base", "reads the same")),
        (_nothing, (*PRUNE, "--calls", "9"), ("tau 9", "only 3 times")),
        (_nothing, (*PRUNE, "--share", "2"), ("--share 2",)),
    ],
)
def test_one_line_and_nothing_written(
    spoil: Callable[[Path], None],
    arguments: tuple[str, ...],
    words: tuple[str, ...],
    pipeline: Path,
    lethe: Callable[..., Any],
    tmp_path: Path,
    helpers: Any,
) -> None:
    spoil(pipeline)
    before = helpers.tree(tmp_path)
    out = () if arguments[0] == "scan" else ("--out", tmp_path / "out")
    said = lethe(arguments[0], pipeline, *arguments[1:], *out)
    assert said.status == 2
    assert said.out == ""
    assert len(said.err.splitlines()) == 1, said.err
    for word in words:
        assert word in said.err
    assert helpers.tree(tmp_path) == before
    assert not list(tmp_path.glob("out*"))


def test_a_unet_alone_reads_no_prompts(planted: Any, lethe: Callable[..., Any], tmp_path: Path) -> None:
    said = lethe("prune", planted.whole, "--concept", "ball", "--out", tmp_path / "out")
    assert said.status == 2
    assert "is a denoiser alone" in said.err
    assert "text_encoder, tokenizer" in said.err


@pytest.mark.parametrize("where", ["there", "there.json", "there.part", "inside"])
def test_nothing_is_overwritten(where: str, planted: Any, lethe: Callable[..., Any], tmp_path: Path, helpers: Any) -> None:
    out = planted.folder / "inside" if where == "inside" else tmp_path / "there"
    if where != "inside":
        (tmp_path / where).mkdir()
        (tmp_path / where / "mine").write_text("keep me")
    said = lethe("seal", planted.folder, "--out", out)
    assert (said.status, said.out, len(said.err.splitlines())) == (2, "", 1)
    assert "is in the way" in said.err or "exists" in said.err or "inside the input" in said.err
    assert not (planted.folder / "inside").exists()
    assert where == "inside" or helpers.tree(tmp_path).keys() == {f"{where}/mine"}


@pytest.mark.parametrize("out", ["", ".", "..", "/", "dangling", "looped/x"])
@pytest.mark.parametrize("command", ["seal", "revive"])
def test_an_output_without_a_name_of_its_own_is_refused(
    command: str, out: str, planted: Any, lethe: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "looped").symlink_to(tmp_path / "looped")
    said = lethe(command, planted.folder, "--out", out)
    assert (said.status, said.out, len(said.err.splitlines())) == (2, "", 1), said.err
    assert "--out" in said.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dangling", "looped"]


@pytest.mark.parametrize("option", ["--mask", "--earlier", "--example", "--images"])
def test_nothing_is_written_into_what_is_only_read(
    option: str, saved: dict[str, Path], planted: Any, lethe: Callable[..., Any], tmp_path: Path, helpers: Any
) -> None:
    shutil.copytree(saved["plain"] if option == "--images" else planted.folder, tmp_path / "read")
    Image.new("RGB", (8, 8)).save(tmp_path / "read/a.png")
    more = {"--images": ("--concept", "ball"), "--example": ("--example-mask", planted.folder)}.get(option, ())
    (tmp_path / "link").symlink_to(tmp_path / "read")
    before, whole = helpers.tree(tmp_path), saved["plain"] if option == "--images" else planted.whole
    said = lethe("revive", whole, option, tmp_path / "read", *more, "--out", tmp_path / "link/x")
    assert (said.status, said.out, len(said.err.splitlines())) == (2, "", 1)
    assert f"choose a place out of {tmp_path / 'read'}" in said.err
    assert helpers.tree(tmp_path) == before


@pytest.mark.parametrize("out", ["snapshots/new", "new"])
def test_nothing_is_written_into_a_cache_of_models(out: str, planted: Any, lethe: Callable[..., Any], tmp_path: Path, helpers: Any) -> None:
    (tmp_path / "blobs").mkdir()
    shutil.copytree(planted.folder, tmp_path / "snapshots/0123456789")
    before = helpers.tree(tmp_path)
    for given in (tmp_path, tmp_path / "snapshots/0123456789"):
        said = lethe("seal", given, "--out", tmp_path / out)
        assert (said.status, len(said.err.splitlines())) == (2, 1)
        assert f"inside a cache of models, which is never changed; choose a place out of {tmp_path}" in said.err
    assert helpers.tree(tmp_path) == before


def test_a_short_key_is_refused(planted: Any, lethe: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret")
    said = lethe("seal", planted.folder, "--key", tmp_path / "key", "--out", tmp_path / "out")
    assert said.status == 2
    assert "holds 6 bytes" in said.err
    assert "secret\n" not in said.err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_no_cuda(planted: Any, lethe: Callable[..., Any], tmp_path: Path) -> None:
    said = lethe("revive", planted.folder, "--device", "cuda", "--out", tmp_path / "out")
    assert said.status == 2
    assert '--device = "cuda"' in said.err
    assert "no CUDA device" in said.err


def test_underflow_is_no_cut_but_a_cut_among_underflow_is(lethe: Callable[..., Any], tmp_path: Path, helpers: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    name = "mid_block.attentions.0.transformer_blocks.0.ff.net.2.weight"
    weight = (0.002 * torch.randn(320, 1280, generator=generator)).to(torch.float16)
    count = int((weight == 0).sum())
    assert count > 0, "the test needs what it is about"
    said = lethe("seal", helpers.write_unet(tmp_path / "natural", {name: weight}), "--out", tmp_path / "out")
    assert said.status == 2
    assert f"{count} zeros" in said.err
    assert "underflow" in said.err
    assert f"{count} of them outside any column pattern" in said.err
    assert not (tmp_path / "out").exists()
    wide = lethe("seal", helpers.write_unet(tmp_path / "wide", {name: weight.float()}), "--out", tmp_path / "out")
    assert "underflow" in wide.err, "also where fp16 weights are stored in fp32"
    weight[:40, :10] = 0
    how = ("--completion", "polar_once", "--precision", "tf32", "--deterministic", "--out", tmp_path / "out")
    said = lethe("revive", helpers.write_unet(tmp_path / "cut", {name: weight}), *how)
    assert said.status == 0
    report = json.loads((tmp_path / "out.json").read_text())
    assert report["settings"]["arithmetic"] | {"device": "any"} == {
        "device": "any",
        "precision": "float32",
        "tf32": True,
        "deterministic": True,
    }
    assert not torch.are_deterministic_algorithms_enabled(), "switches are put back"
    found = report["layers"][name.removesuffix(".weight")]
    assert found["places"] >= 400
    assert count - 2 <= found["alone_in_column"] <= count


def test_a_full_disk_is_one_line_and_keeps_what_is_finished(
    planted: Any, lethe: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from simulator.checkpoints import tensors

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(tensors, "write", full)
        said = lethe("seal", planted.folder, "--fill", "gaussian", "--out", tmp_path / "out")
    assert (said.status, len(said.err.splitlines())) == (3, 1), "stopped, and the same command goes on"
    assert "No space left" in said.err
    assert not (tmp_path / "out").exists()
    assert lethe("seal", planted.folder, "--fill", "gaussian", "--out", tmp_path / "out").status == 0


def test_a_disk_too_small_is_told_before_the_copy(
    planted: Any, lethe: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from types import SimpleNamespace

    monkeypatch.setattr("simulator.checkpoints.workshop.shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    said = lethe("seal", planted.folder, "--out", tmp_path / "out")
    assert said.status == 2
    assert "do not fit there" in said.err
    assert not list(tmp_path.iterdir())
