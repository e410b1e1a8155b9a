from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

LETTERS = "abcdefghijklmnopqrstuvwxyz"
ENDING = ".ff.net.2.weight"
SD_LAYERS = {
    "down_blocks.0.attentions.0.transformer_blocks.0.ff.net.2.weight": (320, 1280),
    "down_blocks.0.attentions.1.transformer_blocks.0.ff.net.2.weight": (320, 1280),
    "up_blocks.2.attentions.0.transformer_blocks.0.ff.net.2.weight": (640, 2560),
}
"""Names and shapes as in Stable Diffusion 1.5."""


def make_pipeline(folder: Path) -> Any:
    """Return a text-to-image pipeline of the real classes, with a vocabulary of single letters."""
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    vocabulary = [*LETTERS, *(letter + "</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=24)
    text = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 24}
    unet = {
        "down_block_types": ("CrossAttnDownBlock2D",) * 2,
        "up_block_types": ("CrossAttnUpBlock2D",) * 2,
        "block_out_channels": (16, 32),
    }
    unet |= {"sample_size": 8, "layers_per_block": 1, "cross_attention_dim": 16, "attention_head_dim": 2, "norm_num_groups": 8}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return StableDiffusionPipeline(
            vae=AutoencoderKL(block_out_channels=(8,), norm_num_groups=4, latent_channels=4),
            text_encoder=CLIPTextModel(CLIPTextConfig(vocab_size=54, bos_token_id=52, eos_token_id=53, pad_token_id=53, **text)),
            tokenizer=tokenizer,
            unet=UNet2DConditionModel(**unet),
            scheduler=DDIMScheduler(clip_sample=False, steps_offset=1),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pipelines as save_pretrained writes them; read them, never change them."""
    folder = tmp_path_factory.mktemp("pipelines")
    pipeline = make_pipeline(folder)
    pipeline.save_pretrained(folder / "plain")
    pipeline.save_pretrained(folder / "sharded", max_shard_size="100KB")
    pipeline.to(dtype=torch.float16)
    pipeline.save_pretrained(folder / "fp16", variant="fp16")
    return {name: folder / name for name in ("plain", "sharded", "fp16")}


@pytest.fixture
def pipeline(saved: dict[str, Path], tmp_path: Path) -> Path:
    """A pipeline to be spoilt."""
    return shutil.copytree(saved["plain"], tmp_path / "pipeline")


class Planted(NamedTuple):
    """A UNet alone with layers of Stable Diffusion's shapes: low rank plus noise, cut as ConceptPrune cuts, and what it was before."""

    folder: Path
    whole: Path
    original: dict[str, Tensor]


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    root = tmp_path_factory.mktemp("planted")
    generator = torch.Generator().manual_seed(1)
    original = {}
    for name, (m, n) in SD_LAYERS.items():
        left, right = torch.randn(m, 12, generator=generator), torch.randn(12, n, generator=generator)
        original[name] = 0.02 * (left @ right / 12**0.5 + 0.3 * torch.randn(m, n, generator=generator))
    original["conv_in.weight"] = torch.randn(8, 4, 3, 3, generator=generator)
    cut = {name: weight.clone() for name, weight in original.items()}
    for name, (m, n) in SD_LAYERS.items():
        columns = torch.randperm(n, generator=generator)[: n // 5]
        chosen = torch.zeros(m, n, dtype=torch.bool)
        chosen[:, columns] = torch.rand(m, len(columns), generator=generator) < 0.1
        cut[name][chosen] = 0.0
    for folder, tensors in (("cut", cut), ("whole", original)):
        write_unet(root / folder, tensors)
    return Planted(root / "cut", root / "whole", original)


def write_unet(folder: Path, tensors: dict[str, Tensor]) -> Path:
    """Write tensors as a UNet alone."""
    folder.mkdir()
    (folder / "config.json").write_text('{"_class_name": "UNet2DConditionModel"}')
    save_file(tensors, folder / "diffusion_pytorch_model.safetensors", metadata={"format": "pt"})
    return folder


def unet_tensors(folder: Path) -> dict[str, Tensor]:
    """Return all tensors of a UNet alone or in a pipeline."""
    unet = folder / "unet" if (folder / "unet").is_dir() else folder
    return {name: tensor for path in sorted(unet.glob("*.safetensors")) for name, tensor in load_file(path).items()}


def tree(folder: Path) -> dict[str, str]:
    """Return a hash of every file below a folder."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


@pytest.fixture(scope="session")
def helpers() -> Any:
    """The functions of this file: test modules are not importable from one another."""
    from types import SimpleNamespace

    return SimpleNamespace(tree=tree, unet_tensors=unet_tensors, write_unet=write_unet, ending=ENDING)


PRUNING = ("--concept", "golf ball", "--calls", 2, "--steps", 4, "--samples", 2, "--share", 0.1)


@pytest.fixture(scope="session")
def pruning() -> tuple[object, ...]:
    """Options of a quick ``lethe prune``."""
    return PRUNING
