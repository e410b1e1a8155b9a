"""A single .safetensors file, under diffusers' names or those of Stable Diffusion's own releases, in place of a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from simulator.checkpoints.scan import _short

LAYER = "transformer_blocks.0.ff.net.2.weight"
NAMES = {
    "diffusers": f"down_blocks.0.attentions.0.{LAYER}",
    "original": f"model.diffusion_model.input_blocks.1.1.{LAYER}",
}


def tensors(layout: str) -> dict[str, Tensor]:
    """Return a cut layer of low rank, and a text encoder's layer beside it, which no command may touch."""
    draw = torch.Generator().manual_seed(5)
    weight = torch.randn(32, 4, generator=draw) @ torch.randn(4, 128, generator=draw)
    weight[:, ::4] = weight[:, ::4].masked_fill(torch.rand(32, 32, generator=draw) < 0.2, 0.0)
    return {NAMES[layout]: weight, "cond_stage_model.transformer.layers.0.mlp.fc2.weight": torch.zeros(4, 4)}


@pytest.fixture(params=list(NAMES))
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    save_file(tensors(request.param), tmp_path / "model.safetensors", metadata={"format": "pt"})
    return tmp_path / "model.safetensors"


def test_a_file_is_scanned_revived_and_sealed_to_a_file(file: Path, lethe: Callable[..., Any], tmp_path: Path) -> None:
    assert "in 1 of 1 layers can be located exactly" in lethe("scan", file).out
    before, given = load_file(file), file.read_bytes()
    for command in ("revive", "seal"):
        out = tmp_path / f"{command}.safetensors"
        said = lethe(command, file, "--out", out)
        assert said.status == 0, said.err
        assert out.is_file()
        after = load_file(out)
        changed = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
        assert changed == {name for name in before if name.endswith(LAYER)}
        assert after.keys() == before.keys()
        assert "not copied" not in said.out, "what lies beside the file is not its own"
    assert file.read_bytes() == given
    assert "no cut located" in lethe("scan", tmp_path / "seal.safetensors").out
    names = {"model.safetensors", "revive.safetensors", "revive.safetensors.json", "seal.safetensors"}
    assert {path.name for path in tmp_path.iterdir()} == names


def test_a_killed_job_on_a_file_goes_on(file: Path, lethe: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from simulator.checkpoints import tensors

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(tensors, "write", full)
        assert lethe("revive", file, "--out", tmp_path / "out").status == 3
    assert not (tmp_path / "out").exists()
    assert lethe("revive", file, "--out", tmp_path / "out").status == 0
    assert (tmp_path / "out").is_file()
    assert not (tmp_path / "out.part").exists()


def _pickled(file: Path) -> Path:
    return file.rename(file.with_suffix(".ckpt"))


def _shard(file: Path) -> Path:
    return file.rename(file.with_name("model-00001-of-00002.safetensors"))


def _twice(file: Path) -> Path:
    save_file({**load_file(file), "model_ema.diffusion_modelinput_blocks11transformer_blocks0ffnet2weight": torch.ones(2, 2)}, file)
    return file


def _adapter(file: Path) -> Path:
    save_file({"lora_unet_down_blocks_0_ff_net_2.lora_up.weight": torch.ones(2, 2)}, file)
    return file


def _torn(file: Path) -> Path:
    file.write_bytes(file.read_bytes()[:-10])
    return file


@pytest.mark.parametrize(
    ("spoil", "more", "says"),
    [
        (_pickled, (), "pickles can run code"),
        (_shard, (), "give their folder"),
        (_twice, (), "holds its weights twice"),
        (_adapter, (), "fuse it into its pipeline"),
        (_torn, (), "no complete safetensors file"),
        (lambda file: file, ("--variant", "fp16"), "is a single file; leave the option out"),
        (lambda file: file.with_name("nowhere"), (), "is no folder and no file"),
    ],
)
def test_other_files_are_answered_in_one_line(
    spoil: Callable[[Path], Path], more: tuple[str, ...], says: str, lethe: Callable[..., Any], tmp_path: Path
) -> None:
    save_file(tensors("original"), tmp_path / "model.safetensors")
    given = spoil(tmp_path / "model.safetensors")
    said = lethe("seal", given, *more, "--out", tmp_path / "out")
    assert (said.status, said.out, said.err.count("\n")) == (2, "", 1)
    assert says in said.err
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_is_no_pipeline_to_prune(file: Path, lethe: Callable[..., Any], tmp_path: Path) -> None:
    said = lethe("prune", file, "--concept", "ball", "--out", tmp_path / "out")
    assert (said.status, said.err.count("\n")) == (2, 1)
    assert "from_single_file" in said.err


def test_names_of_releases_are_as_short_in_a_scan() -> None:
    assert _short("model.diffusion_model.input_blocks.1.1.transformer_blocks.0.ff.net.2") == "input.1.1.0"
    assert _short("down_blocks.0.attentions.1.transformer_blocks.0.ff.net.2") == "down.0.1.0"
