"""From a pipeline to a pruned, a revived and a sealed one: only what is meant to change changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from simulator.checkpoints.cut import zeros_of


@pytest.mark.parametrize("kind", [pytest.param("plain", marks=pytest.mark.slow), "fp16", "sharded"])
def test_round_trip(
    kind: str, saved: dict[str, Path], lethe: Callable[..., Any], pruning: tuple[object, ...], tmp_path: Path, helpers: Any
) -> None:
    from diffusers import DiffusionPipeline

    before = helpers.tree(saved[kind])
    for arguments in (
        ("prune", saved[kind], *pruning, "--out", tmp_path / "pruned"),
        ("revive", tmp_path / "pruned", "--out", tmp_path / "revived"),
        ("seal", tmp_path / "pruned", "--fill", "gaussian", "--out", tmp_path / "sealed"),
    ):
        said = lethe(*arguments)
        assert said.status == 0, said.err
        assert said.err == "", "nobody is looking, so no bar is drawn"
        assert said.out.splitlines()[-1] == str(arguments[-1])
    assert helpers.tree(saved[kind]) == before, "the input is never changed"
    original, *outputs = (
        helpers.unet_tensors(folder) for folder in (saved[kind], tmp_path / "pruned", tmp_path / "revived", tmp_path / "sealed")
    )
    pruned, revived, sealed = outputs
    for name, tensor in original.items():
        assert all(output[name].dtype == tensor.dtype == (torch.float16 if kind == "fp16" else torch.float32) for output in outputs)
        if not name.endswith(helpers.ending):
            assert all(torch.equal(output[name], tensor) for output in outputs)
            continue
        cut = pruned[name] == 0
        assert 0 < int(cut.sum()) < cut.numel() / 2
        assert all(torch.equal(output[name][~cut], tensor[~cut]) for output in outputs)
        assert int((revived[name][cut] != 0).sum()) == int(0.6 * int(cut.sum()) + 0.5)
        assert bool((sealed[name] != 0).all())
    for folder in ("pruned", "revived", "sealed"):
        after = helpers.tree(tmp_path / folder)
        assert after.keys() == before.keys()
        assert {name for name in after if after[name] != before[name]} <= {name for name in before if name.startswith("unet/diffusion")}
        variant = "fp16" if kind == "fp16" else None
        pipeline = DiffusionPipeline.from_pretrained(tmp_path / folder, variant=variant, dtype=torch.float32, low_cpu_mem_usage=False)
        pipeline.set_progress_bar_config(disable=True)
        latents = torch.ones(1, 4, 8, 8)
        image = pipeline(prompt="a room", num_inference_steps=2, latents=latents, output_type="latent").images
        assert bool(torch.isfinite(image).all())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pruned", "pruned.json", "revived", "revived.json", "sealed"]


def test_the_cut_is_what_a_plain_loop_over_prompts_finds(
    saved: dict[str, Path], lethe: Callable[..., Any], tmp_path: Path, helpers: Any
) -> None:
    """Prompts, start noise, guided halves and early stop are put together anew here, without the recorder."""
    from diffusers import DiffusionPipeline

    from clients.diffusion.sampling import start_noise

    said = lethe(
        *("prune", saved["plain"], "--concept", "golf ball", "--base", "a room", "--base", "a park", "--samples", 1),
        *("--calls", 2, "--steps", 4, "--share", 0.1, "--seed", 3, "--out", tmp_path / "pruned"),
    )
    assert said.status == 0, said.err
    pipeline = DiffusionPipeline.from_pretrained(saved["plain"], low_cpu_mem_usage=False)
    pipeline.set_progress_bar_config(disable=True)
    layers = {f"{name}.weight": module for name, module in pipeline.unet.named_modules() if name.endswith(".ff.net.2")}
    squares: dict[tuple[str, str], list[torch.Tensor]] = {}
    for which in ("concept", "base"):
        for index, scene in enumerate(("a room", "a park")):
            prompt = f"a golf ball in {scene}" if which == "concept" else scene
            heard: dict[str, list[torch.Tensor]] = {name: [] for name in layers}
            hooks = [
                layer.register_forward_hook(lambda _, inputs, __, calls=heard[name]: calls.append(inputs[0][1].double()))
                for name, layer in layers.items()
            ]
            noise = start_noise((4, 8, 8), [index], ("prune", 3))
            pipeline(prompt=prompt, num_inference_steps=4, guidance_scale=7.5, latents=noise, output_type="latent")
            for hook in hooks:
                hook.remove()
            for name, calls in heard.items():
                assert len(calls) == 4
                for t, hidden in enumerate(calls[:2]):
                    total = sum((row / row.norm()) ** 2 for row in hidden)
                    sums = squares.setdefault((which, name), [torch.zeros_like(total) for _ in range(2)])
                    sums[t] = sums[t] + total
    pruned = helpers.unet_tensors(tmp_path / "pruned")
    for name, layer in layers.items():
        weight = layer.weight.detach().double()
        expected = torch.zeros_like(weight, dtype=torch.bool)
        for t in range(2):
            concept, base = (squares[which, name][t].sqrt() for which in ("concept", "base"))
            for i, row in enumerate(weight.abs()):
                top = (row * concept).topk(int(0.1 * len(row) + 1e-9)).indices
                expected[i, top] |= (row * concept > row * base)[top]
        agreement = ((pruned[name] == 0) == expected).double().mean()
        assert agreement > 0.999, "ties within rounding apart"


def test_a_key_repeats_a_fill_and_no_trace_of_it_is_left(planted: Any, lethe: Callable[..., Any], tmp_path: Path, helpers: Any) -> None:
    key, other = tmp_path / "key", tmp_path / "other"
    key.write_bytes(bytes(range(100, 132)))
    other.write_bytes(bytes(range(32)))
    said = [
        lethe("seal", planted.folder, "--fill", "gaussian", "--out", tmp_path / name, *options)
        for name, options in {
            "a": ("--key", key),
            "b": ("--key", key),
            "c": ("--key", other),
            "d": (),
            "e": (),
            "quiet": ("--key", key, "--set", "relative=0.1"),
        }.items()
    ]
    assert all(one.status == 0 for one in said)
    trees = {name: helpers.tree(tmp_path / name)["diffusion_pytorch_model.safetensors"] for name in ("a", "b", "c", "d", "e")}
    assert trees["a"] == trees["b"]
    assert len(set(trees.values())) == 4
    written = b"".join(path.read_bytes() for path in sorted((tmp_path / "a").rglob("*"))) + said[0].out.encode()
    assert key.read_bytes() not in written
    assert key.read_bytes().hex().encode() not in written
    assert not (tmp_path / "a.json").exists()
    loud, quiet = (helpers.unet_tensors(tmp_path / name) for name in ("a", "quiet"))
    for name, weight in helpers.unet_tensors(planted.folder).items():
        if name.endswith(helpers.ending):
            cut = weight == 0
            assert float(loud[name][cut].std() / weight[~cut].std()) == pytest.approx(1, rel=0.05)
            assert float(quiet[name][cut].std() / weight[~cut].std()) == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize("fill", ["permuted", "decoys", "closed_columns", "contrary", "redrawn_columns"])
def test_every_fill_leaves_no_cut(fill: str, saved: dict[str, Path], lethe: Callable[..., Any], tmp_path: Path, helpers: Any) -> None:
    small = {name: tensor.clone() for name, tensor in helpers.unet_tensors(saved["fp16"]).items() if name.endswith(helpers.ending)}
    for weight in small.values():
        weight[::3, :10] = 0
    said = lethe("seal", helpers.write_unet(tmp_path / "cut", small), "--fill", fill, "--out", tmp_path / "sealed")
    assert said.status == 0, said.err
    for name, weight in helpers.unet_tensors(tmp_path / "sealed").items():
        assert not zeros_of(weight).cut, "more zeros than float16 underflow explains"
        assert weight.dtype == small[name].dtype == torch.float16


def test_other_weights_of_the_same_model_stay_behind_and_are_named(pipeline: Path, lethe: Callable[..., Any], tmp_path: Path) -> None:
    """A folder from a model hub often holds the same UNet again; copying it would give away what was cut."""
    for name in ("v1-5-pruned.ckpt", "v1-5-pruned.safetensors", "unet/diffusion_pytorch_model.bin", ".hidden"):
        (pipeline / name).write_bytes(b"all the weights again")
    (pipeline / "README.md").write_text("a model card")
    said = lethe("prune", pipeline, "--concept", "ball", "--calls", 1, "--steps", 2, "--samples", 1, "--out", tmp_path / "pruned")
    assert said.status == 0, said.err
    assert "not copied: v1-5-pruned.ckpt, v1-5-pruned.safetensors, unet/diffusion_pytorch_model.bin" in said.out
    copied = {path.name for path in (tmp_path / "pruned").rglob("*")}
    assert "README.md" in copied
    assert not copied & {"v1-5-pruned.ckpt", "v1-5-pruned.safetensors", "diffusion_pytorch_model.bin", ".hidden"}


def test_no_more_than_one_layer_is_held_at_a_time(
    planted: Any, lethe: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import weakref

    from simulator.checkpoints import tensors

    read, alive, most = tensors.read, [], []

    def counted(path: Path, name: str) -> torch.Tensor:
        tensor = read(path, name)
        alive.append(weakref.ref(tensor))
        most.append(sum(one() is not None for one in alive))
        return tensor

    monkeypatch.setattr(tensors, "read", counted)
    assert lethe("seal", planted.folder, "--fill", "gaussian", "--out", tmp_path / "sealed").status == 0
    assert len(most) == 10, "four are checked, and three layers looked at and filled"
    assert max(most) <= 2, "the one before may still be named when the next is read"
