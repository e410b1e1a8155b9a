"""Pipelines around a transformer, caches above their snapshots, and folders that are nearly a checkpoint."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

WEIGHTS = "transformer/diffusion_pytorch_model.safetensors"


def make_pipeline(folder: Path, tokenizer: Any) -> Any:
    """Return a text-to-image pipeline of the classes of Stable Diffusion 3, without its third text encoder, which it may lack."""
    from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    text = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 24}
    config = CLIPTextConfig(vocab_size=54, bos_token_id=52, eos_token_id=53, pad_token_id=53, projection_dim=16, **text)
    size = {"sample_size": 8, "patch_size": 2, "in_channels": 4, "out_channels": 4, "num_layers": 2, "pos_embed_max_size": 8}
    inner = {"attention_head_dim": 8, "num_attention_heads": 2, "joint_attention_dim": 32, "caption_projection_dim": 16}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return StableDiffusion3Pipeline(
            transformer=SD3Transformer2DModel(**size, **inner, pooled_projection_dim=32),
            scheduler=FlowMatchEulerDiscreteScheduler(),
            vae=AutoencoderKL(block_out_channels=(8,), norm_num_groups=4, latent_channels=4),
            text_encoder=CLIPTextModelWithProjection(config),
            tokenizer=tokenizer,
            text_encoder_2=CLIPTextModelWithProjection(config),
            tokenizer_2=tokenizer,
            text_encoder_3=None,
            tokenizer_3=None,
        )


@pytest.fixture(scope="module")
def transformer(saved: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline around a transformer as save_pretrained writes it; read it, never change it."""
    from transformers import CLIPTokenizer

    folder = tmp_path_factory.mktemp("transformers")
    make_pipeline(folder, CLIPTokenizer.from_pretrained(saved["plain"] / "tokenizer")).save_pretrained(folder / "sd3")
    return folder / "sd3"


def test_round_trip(transformer: Path, lethe: Callable[..., Any], pruning: tuple[object, ...], tmp_path: Path, helpers: Any) -> None:
    from diffusers import DiffusionPipeline

    before = helpers.tree(transformer)
    for arguments in (
        ("prune", transformer, *pruning, "--out", tmp_path / "pruned"),
        ("revive", tmp_path / "pruned", "--out", tmp_path / "revived"),
        ("seal", tmp_path / "pruned", "--fill", "gaussian", "--out", tmp_path / "sealed"),
    ):
        said = lethe(*arguments)
        assert said.status == 0, said.err
    assert "can be located exactly" in lethe("scan", tmp_path / "pruned").out
    assert helpers.tree(transformer) == before, "the input is never changed"
    folders = (transformer, *(tmp_path / name for name in ("pruned", "revived", "sealed")))
    original, pruned, revived, sealed = (load_file(folder / WEIGHTS) for folder in folders)
    names = [name for name in original if name.endswith(helpers.ending)]
    assert len(names) == 2
    for name, tensor in original.items():
        if name not in names:
            assert all(torch.equal(output[name], tensor) for output in (pruned, revived, sealed))
            continue
        cut = pruned[name] == 0
        assert 0 < int(cut.sum()) < cut.numel() / 2
        assert int((revived[name][cut] != 0).sum()) == int(0.6 * int(cut.sum()) + 0.5)
        assert bool((sealed[name] != 0).all())
        assert all(torch.equal(output[name][~cut], tensor[~cut]) for output in (pruned, revived, sealed))
    without = {"text_encoder_3": None, "tokenizer_3": None}
    pipeline = DiffusionPipeline.from_pretrained(tmp_path / "sealed", dtype=torch.float32, low_cpu_mem_usage=False, **without)
    pipeline.set_progress_bar_config(disable=True)
    image = pipeline(prompt="a room", num_inference_steps=2, latents=torch.ones(1, 4, 8, 8), output_type="latent").images
    assert bool(torch.isfinite(image).all())


@pytest.mark.parametrize(
    ("part", "name"),
    [("transformer", "norm_out.linear.bias"), ("text_encoder_2", "text_projection.weight"), ("vae", "decoder.conv_in.bias")],
)
def test_a_tensor_that_is_missing_is_named(part: str, name: str, transformer: Path, lethe: Callable[..., Any], tmp_path: Path) -> None:
    folder = shutil.copytree(transformer, tmp_path / "sd3")
    (path,) = (folder / part).glob("*.safetensors")
    save_file({one: tensor for one, tensor in load_file(path).items() if one != name}, path, metadata={"format": "pt"})
    said = lethe("name", folder, "--concept", "ball", "--concept", "dog", "--steps", 1, "--calls", 1, "--samples", 1)
    assert (said.status, said.out, len(said.err.splitlines())) == (2, "", 1)
    assert f"{folder / part}: its weights lack {name}, which" in said.err


def models() -> dict[str, Any]:
    """Return small transformers of the configuration classes of real releases."""
    from diffusers import DiTTransformer2DModel, FluxTransformer2DModel, PixArtTransformer2DModel

    heads = {"num_attention_heads": 2, "attention_head_dim": 8}
    small = {**heads, "num_layers": 1, "sample_size": 8, "in_channels": 4, "out_channels": 8, "norm_num_groups": 4}
    flux = {"in_channels": 4, "num_layers": 1, "num_single_layers": 1, "joint_attention_dim": 16, "pooled_projection_dim": 16}
    return {
        "dit": DiTTransformer2DModel(**small, num_embeds_ada_norm=10),
        "pixart": PixArtTransformer2DModel(**small, cross_attention_dim=16, caption_channels=16),
        "flux": FluxTransformer2DModel(**flux, **heads, axes_dims_rope=(2, 2, 4)),
    }


@pytest.mark.parametrize("kind", ["dit", "pixart", "flux"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_transformers_alone_are_scanned_revived_and_sealed(
    kind: str, dtype: torch.dtype, lethe: Callable[..., Any], tmp_path: Path, helpers: Any
) -> None:
    model = models()[kind].to(dtype)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(helpers.ending):
                weight[::2, ::4] = 0
    model.save_pretrained(tmp_path / "cut")
    assert "can be located exactly" in lethe("scan", tmp_path / "cut").out
    before = helpers.unet_tensors(tmp_path / "cut")
    for command in ("revive", "seal"):
        said = lethe(command, tmp_path / "cut", "--out", tmp_path / command)
        assert said.status == 0, said.err
        after = helpers.unet_tensors(tmp_path / command)
        changed = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
        assert changed == {name for name in before if name.endswith(helpers.ending)}
        assert all(after[name].dtype == dtype for name in changed)
        assert type(model).from_pretrained(tmp_path / command, low_cpu_mem_usage=False) is not None


@pytest.fixture
def cache(planted: Any, tmp_path: Path) -> Path:
    """A model in the layout of a Hugging Face cache: files are links into a store."""
    root = tmp_path / "models--some--one"
    (root / "blobs").mkdir(parents=True)
    (root / "refs").mkdir()
    for revision in ("0123abc", "4567def"):
        (root / "snapshots" / revision).mkdir(parents=True)
        for path in planted.folder.iterdir():
            blob = root / "blobs" / path.name.encode().hex()[:40]
            shutil.copyfile(path, blob)
            (root / "snapshots" / revision / path.name).symlink_to(Path("../../blobs") / blob.name)
    (root / "refs" / "main").write_text("4567def\n")
    return root


def test_of_a_cache_the_snapshot_that_main_names_is_taken(cache: Path, lethe: Callable[..., Any]) -> None:
    found = json.loads(lethe("scan", cache, "--json").out)
    assert found["checkpoint"] == str(cache / "snapshots" / "4567def")
    (cache / "refs" / "main").unlink()
    said = lethe("scan", cache)
    assert (said.status, said.err.count("\n")) == (2, 1)
    assert "has 2 snapshots; give the folder of one: 0123abc, 4567def" in said.err
    shutil.rmtree(cache / "snapshots" / "4567def")
    assert json.loads(lethe("scan", cache, "--json").out)["checkpoint"].endswith("0123abc")


@pytest.mark.parametrize("named", ["89abcdef", "../../elsewhere", "", "4567def/../0123abc"])
def test_a_snapshot_that_is_not_there_or_elsewhere_is_refused(named: str, cache: Path, lethe: Callable[..., Any]) -> None:
    (cache / "refs" / "main").write_text(named)
    said = lethe("scan", cache)
    assert (said.status, said.err.count("\n")) == (2, 1)
    assert "which is not among the snapshots" in said.err


def _lora(folder: Path) -> None:
    save_file({"unet.down.0.ff.net.2.lora_A.weight": torch.ones(2, 2)}, folder / "pytorch_lora_weights.safetensors")


def _adapter(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")


def _pickled(folder: Path) -> None:
    (folder / "pytorch_lora_weights.bin").write_bytes(b"")


def _lycoris(folder: Path) -> None:
    save_file({"lora_unet_down.hada_w1_a": torch.ones(2, 2)}, folder / "style.safetensors")


def _oft(folder: Path) -> None:
    save_file({"unet.down.0.oft_blocks": torch.ones(2, 2)}, folder / "style.safetensors")


def _lora_in_a_model(folder: Path) -> None:
    (folder / "config.json").write_text("{}")
    save_file({"unet_lora.up.weight": torch.ones(2, 2)}, folder / "diffusion_pytorch_model.safetensors")


ADAPTERS = (_lora, _adapter, _pickled, _lycoris, _oft, _lora_in_a_model)


def _fused(folder: Path) -> None:
    (folder / "config.json").write_text("{}")
    save_file({"single_blocks.0.linear2.weight": torch.ones(2, 2)}, folder / "diffusion_pytorch_model.safetensors")


def _cache_of_many(folder: Path) -> None:
    (folder / "models--a--b").mkdir()
    (folder / "models--c--d").mkdir()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        *((make, ("an adapter (LoRA, LyCORIS, OFT)", "fuse_lora")) for make in ADAPTERS),
        (_fused, ("fused into one matrix", "save_pretrained")),
        (_cache_of_many, ("a cache of models (2)", "models--a--b")),
    ],
)
def test_what_is_nearly_a_checkpoint_is_answered_with_the_cure(
    make: Callable[[Path], None], words: tuple[str, ...], lethe: Callable[..., Any], tmp_path: Path
) -> None:
    make(tmp_path)
    said = lethe("scan", tmp_path)
    assert (said.status, said.out, said.err.count("\n")) == (2, "", 1)
    assert all(word in said.err for word in words), said.err


@pytest.mark.slow
def test_layers_of_zeros_are_passed_over_and_named(planted: Any, lethe: Callable[..., Any], tmp_path: Path, helpers: Any) -> None:
    tensors = helpers.unet_tensors(planted.folder)
    empty = next(name for name in tensors if name.endswith(helpers.ending))
    folder = helpers.write_unet(tmp_path / "untrained", {**tensors, empty: torch.zeros_like(tensors[empty])})
    passed = f"passed over, nothing but zeros: {empty.removesuffix('.weight')}"
    assert f"in 2 of 3 layers can be located exactly; {passed}" in lethe("scan", folder).out
    for command in ("revive", "seal"):
        said = lethe(command, folder, "--out", tmp_path / command)
        assert said.status == 0, said.err
        assert passed in said.out
        after = helpers.unet_tensors(tmp_path / command)
        assert not bool(after[empty].any())
        assert bool((after[next(name for name in reversed(tensors) if name.endswith(helpers.ending))] != 0).any())
    alone = helpers.write_unet(tmp_path / "alone", {empty: torch.zeros(4, 8)})
    said = lethe("seal", alone, "--out", tmp_path / "none")
    assert (said.status, said.err.count("\n")) == (2, 1)
    assert passed in said.err


def make_pixart() -> Any:
    """Return a text-to-image pipeline of PixArt's classes with its usual scheduler, whose settings hold minus infinity."""
    from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, PixArtAlphaPipeline, PixArtTransformer2DModel
    from tokenizers import Tokenizer, pre_tokenizers
    from tokenizers.models import Unigram
    from transformers import T5Config, T5EncoderModel, T5TokenizerFast

    words = [(token, 0.0) for token in ("<pad>", "</s>", "<unk>")] + [(letter, -1.0) for letter in "▁abcdefghijklmnopqrstuvwxyz"]
    tokens = Tokenizer(Unigram(words, unk_id=2))
    tokens.pre_tokenizer = pre_tokenizers.Metaspace()
    size = {"num_attention_heads": 2, "attention_head_dim": 8, "num_layers": 2, "sample_size": 32, "in_channels": 4, "out_channels": 8}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return PixArtAlphaPipeline(
            tokenizer=T5TokenizerFast(tokenizer_object=tokens, extra_ids=0, model_max_length=24),
            text_encoder=T5EncoderModel(T5Config(vocab_size=len(words), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)),
            vae=AutoencoderKL(
                down_block_types=("DownEncoderBlock2D",) * 4,
                up_block_types=("UpDecoderBlock2D",) * 4,
                block_out_channels=(8,) * 4,
                norm_num_groups=4,
            ),
            transformer=PixArtTransformer2DModel(**size, norm_num_groups=4, cross_attention_dim=16, caption_channels=16),
            scheduler=DPMSolverMultistepScheduler(),
        )


@pytest.mark.slow
def test_a_pixart_pipeline_is_pruned(lethe: Callable[..., Any], pruning: tuple[object, ...], tmp_path: Path, helpers: Any) -> None:
    make_pixart().save_pretrained(tmp_path / "pixart")
    said = lethe("prune", tmp_path / "pixart", *pruning, "--out", tmp_path / "pruned")
    assert said.status == 0, said.err
    original, pruned = (load_file(tmp_path / name / WEIGHTS) for name in ("pixart", "pruned"))
    changed = {name for name, tensor in original.items() if not torch.equal(tensor, pruned[name])}
    assert changed == {name for name in original if name.endswith(helpers.ending)}
    said = lethe("name", tmp_path / "pruned", "--concept", "golf ball", "--concept", "dog", "--steps", 2, "--calls", 1, "--samples", 1)
    assert said.status == 0, said.err
