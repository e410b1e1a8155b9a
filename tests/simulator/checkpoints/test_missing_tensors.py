"""Weights that lack a tensor, which the libraries would draw at random: refused by name, before anything is drawn."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from server.revival.arithmetic import Arithmetic
from simulator.checkpoints.folder import find
from simulator.checkpoints.judge import judge_checkpoints
from simulator.checkpoints.parts import load_models
from simulator.checkpoints.prompts import Prompts
from simulator.errors import LetheError

PRUNE = ("--concept", "ball", "--calls", 1, "--steps", 1, "--samples", 1)
RENAMED = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
"""Names of attention in the VAE, and those that the releases of Stable Diffusion 1 still have."""


def rewrite(folder: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> None:
    """Change the tensors of every file of a part, and its index."""
    for path in folder.glob("*.safetensors"):
        save_file(change(load_file(path)), path, metadata={"format": "pt"})
    for path in folder.glob("*.index*.json"):
        table = json.loads(path.read_text())
        path.write_text(json.dumps(table | {"weight_map": change(table["weight_map"])}))


def without(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda tensors: {one: tensor for one, tensor in tensors.items() if one != name}


@pytest.mark.parametrize(
    ("version", "part", "name"),
    [
        ("plain", "unet", "conv_out.bias"),
        ("sharded", "unet", "conv_out.bias"),
        ("fp16", "vae", "decoder.conv_out.weight"),
        ("plain", "text_encoder", "final_layer_norm.weight"),
    ],
)
def test_a_tensor_that_is_missing_is_named(version: str, part: str, name: str, saved: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(saved[version], tmp_path / "pipeline")
    stored = {one for path in (folder / part).glob("*.safetensors") for one in load_file(path)}
    dropped = next(one for one in stored if one.endswith(name))
    load_models(find(folder), torch.float32)
    rewrite(folder / part, without(dropped))
    with pytest.raises(LetheError) as raised:
        load_models(find(folder), torch.float32)
    assert f"{folder / part}: its weights lack " in str(raised.value)
    assert name in str(raised.value)


def test_nothing_is_written(pipeline: Path, lethe: Callable[..., Any], tmp_path: Path) -> None:
    rewrite(pipeline / "unet", lambda tensors: {one: tensor for one, tensor in tensors.items() if not one.startswith("conv_out")})
    said = lethe("prune", pipeline, *PRUNE, "--out", tmp_path / "out")
    assert (said.status, said.out, len(said.err.splitlines())) == (2, "", 1)
    assert "lack conv_out.bias and 1 more" in said.err
    assert not list(tmp_path.glob("out*"))


def test_a_copy_is_told_of_before_the_first_sample(saved: dict[str, Path], pipeline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rewrite(pipeline / "vae", without("decoder.conv_out.bias"))
    monkeypatch.setattr("simulator.checkpoints.judge.draw", lambda *_: pytest.fail("a sample was drawn"))
    judge: Any = SimpleNamespace(load=lambda device: None)
    prompts = Prompts(("ball",), ("a room",), "a {concept} in {base}", 1, 1, 1.0, 0)
    with pytest.raises(LetheError, match=r"vae: its weights lack decoder\.conv_out\.bias"):
        judge_checkpoints({"original": saved["plain"], "sealed": pipeline}, prompts, judge, Arithmetic(device="cpu"))


def test_old_names_and_tied_weights_lack_nothing(pipeline: Path) -> None:
    from transformers import T5Config, T5EncoderModel

    def old(tensors: dict[str, Any]) -> dict[str, Any]:
        for new, name in RENAMED.items():
            tensors = {one.replace(f".{new}.", f".{name}."): tensor for one, tensor in tensors.items()}
        return tensors

    rewrite(pipeline / "vae", old)
    tied = T5EncoderModel(T5Config(vocab_size=8, d_model=4, d_kv=2, d_ff=4, num_layers=1, num_heads=2))
    tied.save_pretrained(pipeline / "text_encoder_3")
    index = json.loads((pipeline / "model_index.json").read_text())
    (pipeline / "model_index.json").write_text(json.dumps(index | {"text_encoder_3": ["transformers", "T5EncoderModel"]}))
    assert set(load_models(find(pipeline), torch.float32)) == {"unet", "vae", "text_encoder", "text_encoder_3"}
    rewrite(pipeline / "vae", without("decoder.mid_block.attentions.0.query.weight"))
    with pytest.raises(LetheError, match=r"lack decoder\.mid_block\.attentions\.0\.to_q\.weight"):
        load_models(find(pipeline), torch.float32)
