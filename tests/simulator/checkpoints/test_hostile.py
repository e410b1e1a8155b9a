"""Checkpoints made to harm: one line, exit status 2, nothing written outside the output (here: nowhere), nothing executed."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

WEIGHTS = "unet/diffusion_pytorch_model.safetensors"
INDEX = "unet/diffusion_pytorch_model.safetensors.index.json"
MARK = "LETHE_TEST_MARK"
PRUNE = ("prune", "--concept", "ball", "--calls", "2", "--steps", "3", "--samples", "1")


class Bomb:
    """An object whose pickle writes a file when it is opened."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch ${MARK}",)


CODE = f"import os, pathlib\npathlib.Path(os.environ[{MARK!r}]).touch()\n"


def part(name: str, entry: object) -> Callable[[Path], None]:
    """Return what adds an entry to model_index.json."""

    def spoil(folder: Path) -> None:
        table = json.loads((folder / "model_index.json").read_text())
        (folder / "model_index.json").write_text(json.dumps(table | {name: entry}))

    return spoil


def setting(file: str, **values: object) -> Callable[[Path], None]:
    """Return what changes a table in a JSON file."""

    def spoil(folder: Path) -> None:
        (folder / file).write_text(json.dumps(json.loads((folder / file).read_text()) | values))

    return spoil


def text(file: str, content: str) -> Callable[[Path], None]:
    """Return what replaces a file."""

    def spoil(folder: Path) -> None:
        (folder / file).write_text(content)

    return spoil


def linked(name: str, target: str) -> Callable[[Path], None]:
    """Return what puts a link in the place of a file or folder, whose content is first moved to where the link leads."""

    def spoil(folder: Path) -> None:
        place, there = folder / name, folder / target
        if place.exists():
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(place, there)
        place.symlink_to(os.path.relpath(there, place.parent))

    return spoil


def header(change: Callable[[dict[str, Any], str], None], file: str = WEIGHTS) -> Callable[[Path], None]:
    """Return what changes the header of a weight file; the change is given the table and the name of a layer."""

    def spoil(folder: Path) -> None:
        raw = (folder / file).read_bytes()
        (length,) = struct.unpack("<Q", raw[:8])
        table = json.loads(raw[8 : 8 + length])
        change(table, next(name for name in table if name.endswith(".weight" if "vae" in file else ".ff.net.2.weight")))
        new = json.dumps(table).encode()
        (folder / file).write_bytes(struct.pack("<Q", len(new)) + new + raw[8 + length :])

    return spoil


def _larger(table: dict[str, Any], name: str) -> None:
    table[name]["shape"] = [1 << 20, 1 << 20]


def _overflowing(table: dict[str, Any], name: str) -> None:
    table[name]["shape"] = [1 << 62, 1 << 62]


def _negative(table: dict[str, Any], name: str) -> None:
    table[name]["shape"] = [-16, -64]


def _wider(table: dict[str, Any], name: str) -> None:
    table[name]["dtype"] = "F64"


def _unknown_type(table: dict[str, Any], name: str) -> None:
    table[name]["dtype"] = "PICKLE"


def _beyond(table: dict[str, Any], name: str) -> None:
    first, after = table[name]["data_offsets"]
    table[name]["data_offsets"] = [first + (1 << 40), after + (1 << 40)]


def _overlapping(table: dict[str, Any], name: str) -> None:
    first, after = table[name]["data_offsets"]
    other = next(one for one in table if one not in (name, "__metadata__") and table[one]["data_offsets"][0] >= after)
    table[other]["data_offsets"] = [first, first + table[other]["data_offsets"][1] - table[other]["data_offsets"][0]]


def _control_characters(table: dict[str, Any], name: str) -> None:
    table["\x1b[2J\nrm -rf.ff.net.2.weight"] = table.pop(name)


def _empty(table: dict[str, Any], name: str) -> None:
    table["none.ff.net.2.weight"] = {"dtype": "F32", "shape": [0, 4], "data_offsets": table[name]["data_offsets"][:1] * 2}


def _long_header(folder: Path) -> None:
    raw = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(struct.pack("<Q", 1 << 62) + raw[8:])


def _deep_header(folder: Path) -> None:
    deep = b'{"a":' * 50_000 + b"{}" + b"}" * 50_000
    (folder / WEIGHTS).write_bytes(struct.pack("<Q", len(deep)) + deep)


def values(value: float, where: str = ".ff.net.2.weight", file: str = WEIGHTS) -> Callable[[Path], None]:
    """Return what puts a value into a weight."""

    def spoil(folder: Path) -> None:
        tensors = load_file(folder / file)
        name = next(name for name, tensor in tensors.items() if where in name and tensor.is_floating_point())
        tensors[name].view(-1)[-1] = value
        save_file(tensors, folder / file, metadata={"format": "pt"})

    return spoil


def _pickled(name: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        safe = next((folder / name).parent.glob("*.safetensors"))
        safe.unlink()
        (folder / name).write_bytes(pickle.dumps(Bomb()))

    return spoil


def _own_pipeline(folder: Path) -> None:
    (folder / "pipeline.py").write_text(CODE)
    part("_class_name", ["pipeline", "Own"])(folder)


def _own_unet(folder: Path) -> None:
    (folder / "unet/own.py").write_text(CODE)
    part("unet", ["own", "Own"])(folder)


def _own_tokenizer(folder: Path) -> None:
    (folder / "tokenizer/own.py").write_text(CODE)
    setting("tokenizer/tokenizer_config.json", auto_map={"AutoTokenizer": ["own.Own", None]})(folder)


def _outside_shard(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder.parent / "outside/x.safetensors")
    table = {"weight_map": dict.fromkeys(load_file(folder.parent / "outside/x.safetensors"), "../../outside/x.safetensors")}
    (folder / INDEX).write_text(json.dumps(table))


def _twice(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    for name in ("a.safetensors", "b.safetensors"):
        save_file(tensors, folder / "unet" / name)
    (folder / INDEX).write_text(json.dumps({"weight_map": {n: "ab"[i % 2] + ".safetensors" for i, n in enumerate(tensors)}}))


def _weights_behind_another_name(folder: Path) -> None:
    (folder / "vae/copy.safetensors").symlink_to("../" + WEIGHTS)


def _loop(folder: Path) -> None:
    (folder / "vae/again.json").symlink_to("again.json")
    (folder / "loop.json").symlink_to("loop.json")
    (folder / "model_index.json").unlink()
    (folder / "model_index.json").symlink_to("model_index.json")


def _far_snapshot(folder: Path) -> None:
    """Look like a Hugging Face cache, with a link that leaves its store."""
    secret = folder.parent / "outside/victim"
    (folder / "vae/notes.txt").symlink_to(secret)


def _many_layers(folder: Path) -> None:
    setting("text_encoder/config.json", num_hidden_layers=2_000_000_000)(folder)


HOSTILE: list[tuple[Callable[[Path], None], tuple[str, ...], str]] = [
    # names in model_index.json
    (part("../../.ssh", ["diffusers", "AutoencoderKL"]), ("seal",), "parts are plain folders"),
    (part("/etc", ["diffusers", "AutoencoderKL"]), ("seal",), "parts are plain folders"),
    (part("..", ["diffusers", "AutoencoderKL"]), ("seal",), "parts are plain folders"),
    (part(".", ["diffusers", "AutoencoderKL"]), ("seal",), "parts are plain folders"),
    (part("", ["diffusers", "AutoencoderKL"]), ("seal",), "parts are plain folders"),
    (part("vae/../../outside", ["diffusers", "AutoencoderKL"]), ("seal",), "parts are plain folders"),
    (part("..\\outside", ["diffusers", "AutoencoderKL"]), ("seal",), "parts are plain folders"),
    (part("vae\0", ["diffusers", "AutoencoderKL"]), ("seal",), "parts are plain folders"),
    (part("a\nb\x1b[2J", ["diffusers", "AutoencoderKL"]), ("seal",), "parts are plain folders"),
    (part("x" * 5000, ["diffusers", "AutoencoderKL"]), ("seal",), "parts are plain folders"),
    # classes of unknown code
    (_own_pipeline, PRUNE, "code of its own is not run"),
    (_own_unet, PRUNE, "only classes of diffusers and transformers"),
    (part("vae", ["os", "system"]), PRUNE, "only classes of diffusers and transformers"),
    (part("vae", ["subprocess", "Popen"]), ("revive",), "only classes of diffusers and transformers"),
    (part("vae", ["diffusers", "__import__('os')"]), ("seal",), "only classes of diffusers and transformers"),
    (part("vae", []), ("seal",), "wants a library and a class"),
    (part("vae", [{}, []]), ("seal",), "wants a library and a class"),
    (_own_tokenizer, PRUNE, "auto_map asks for code"),
    (setting("text_encoder/config.json", auto_map={"AutoModel": "own.Own"}), PRUNE, "auto_map asks for code"),
    # pickles
    (_pickled("unet/diffusion_pytorch_model.bin"), ("seal",), "pickles can run code"),
    (_pickled("text_encoder/pytorch_model.bin"), PRUNE, "is a pickle and is not opened"),
    (_pickled("vae/diffusion_pytorch_model.pt"), PRUNE, "is a pickle and is not opened"),
    # links
    (linked("vae", "../outside/vae"), ("seal",), "leads out of it"),
    (linked("unet", "../outside/unet"), ("seal",), "leads out of it"),
    (linked(WEIGHTS, "../outside/weights"), ("seal",), "leads out of it"),
    (linked("unet/config.json", "../outside/config.json"), ("seal",), "leads out of it"),
    (linked("model_index.json", "../outside/model_index.json"), ("seal",), "leads out of it"),
    (linked("vae/config.json", "../outside/config.json"), ("seal",), "leads out of it"),
    (linked("README.md", "../outside/victim"), ("seal",), "leads out of it"),
    (linked("text_encoder/notes.txt", "../outside/victim"), PRUNE, "leads out of it"),
    (_far_snapshot, ("revive",), "leads out of it"),
    (_weights_behind_another_name, ("seal",), "changed in one place only"),
    (_loop, ("scan",), "holds"),
    # indices
    (_outside_shard, ("seal",), "not beside it"),
    (_twice, ("seal",), "too; fetch"),
    (text(INDEX, json.dumps({"weight_map": {"a": ["diffusion_pytorch_model.safetensors"]}})), ("seal",), "not beside it"),
    (text(INDEX, json.dumps({"weight_map": {"a": "config.json"}})), ("seal",), "not beside it"),
    (text(INDEX, '{"a":' * 50_000 + "1" + "}" * 50_000), ("seal",), "no JSON table"),
    (text("model_index.json", '{"a": ' + "9" * 5000 + "}"), ("seal",), "no JSON table"),
    (text("model_index.json", "[" * 50_000), ("seal",), "no JSON table"),
    (text("unet/config.json", "null"), ("seal",), "no JSON table"),
    # headers
    (header(_larger), ("scan",), "does not fill its"),
    (header(_overflowing), ("scan",), "does not fill its"),
    (header(_negative), ("scan",), "the shape (-16, -64)"),
    (header(_wider), ("seal",), "does not fill its"),
    (header(_unknown_type), ("seal",), "which is not known"),
    (header(_beyond), ("revive",), "no complete safetensors file"),
    (header(_overlapping), ("revive",), "overlaps another tensor"),
    (header(_control_characters), ("scan",), "names are printable"),
    (header(_empty), ("scan",), "wants a matrix"),
    (_long_header, ("scan",), "no complete safetensors file"),
    (_deep_header, ("scan",), "no complete safetensors file"),
    (header(_larger, "vae/diffusion_pytorch_model.safetensors"), PRUNE, "does not fill its"),
    # values
    (values(float("nan")), ("seal",), "not finite"),
    (values(float("inf")), ("scan",), "not finite"),
    (values(float("-inf")), ("revive",), "not finite"),
    (values(float("nan"), "conv_in"), ("seal",), "not finite"),
    (values(float("nan"), "conv_in"), PRUNE, "not finite"),
    (values(float("inf"), "", "text_encoder/model.safetensors"), PRUNE, "not finite"),
    # models larger than their weights
    (setting("unet/config.json", block_out_channels=[1_000_000, 2_000_000]), PRUNE, "describes a model of"),
    (setting("vae/config.json", latent_channels=9_000_000), PRUNE, "describes a model of"),
    (setting("text_encoder/config.json", hidden_size=10**12), PRUNE, "is beyond"),
    (_many_layers, PRUNE, "is beyond"),
    (setting("scheduler/scheduler_config.json", num_train_timesteps=10**12), PRUNE, "is beyond"),
    (setting("unet/config.json", down_block_types="rm -rf"), PRUNE, "cannot build"),
]


@pytest.fixture
def victim(pipeline: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pipeline with a cut, something beside it that is not to be touched, and a mark that code would leave."""
    monkeypatch.setenv(MARK, str(pipeline.parent / "mark"))
    monkeypatch.setenv("HOME", str(pipeline.parent / "home"))
    (pipeline.parent / "outside").mkdir()
    (pipeline.parent / "outside/victim").write_text("keep me")
    tensors = load_file(pipeline / WEIGHTS)
    for name, tensor in tensors.items():
        if name.endswith(".ff.net.2.weight"):
            tensor[:, :4] = 0.0
    save_file(tensors, pipeline / WEIGHTS, metadata={"format": "pt"})
    return pipeline


@pytest.mark.parametrize(("spoil", "arguments", "words"), HOSTILE, ids=[f"{i}-{words[:20]}" for i, (_, _, words) in enumerate(HOSTILE)])
def test_a_hostile_checkpoint_is_one_line_and_touches_nothing(
    spoil: Callable[[Path], None], arguments: tuple[str, ...], words: str, victim: Path, lethe: Callable[..., Any], helpers: Any
) -> None:
    spoil(victim)
    before = helpers.tree(victim.parent)
    out = () if arguments[0] == "scan" else ("--out", victim.parent / "results" / "out")
    said = lethe(arguments[0], victim, *arguments[1:], *out)
    assert said.status == 2, said
    assert said.out == ""
    assert len(said.err.splitlines()) == 1, said.err
    assert all(character.isprintable() for character in said.err.rstrip("\n"))
    assert len(said.err) < 1000
    assert words in said.err
    assert helpers.tree(victim.parent) == before
    assert not (victim.parent / "results" / "out").exists()


@pytest.mark.parametrize("arguments", [("seal",), ("revive",), PRUNE], ids=lambda one: one[0])
def test_without_what_is_hostile_the_same_checkpoint_is_taken(
    arguments: tuple[str, ...], victim: Path, lethe: Callable[..., Any], helpers: Any
) -> None:
    before = helpers.tree(victim.parent)
    said = lethe(arguments[0], victim, *arguments[1:], "--out", victim.parent / "out")
    assert said.status == 0, said.err
    after = helpers.tree(victim.parent)
    assert {name: after[name] for name in before} == before
    assert all(name.startswith(("out/", "out.json")) for name in after.keys() - before.keys())


def test_links_that_stay_inside_are_followed(victim: Path, lethe: Callable[..., Any]) -> None:
    (victim / "vae/notes.txt").symlink_to("../model_index.json")
    assert lethe("seal", victim, "--out", victim.parent / "out").status == 0
    assert not (victim.parent / "out/vae/notes.txt").is_symlink()


def test_a_snapshot_of_a_hugging_face_cache_is_taken_and_a_link_out_of_its_store_is_not(victim: Path, lethe: Callable[..., Any]) -> None:
    cache = victim.parent / "models--somebody--model"
    shutil.copytree(victim, cache / "snapshots/0123abcd")
    (cache / "blobs").mkdir()
    for number, path in enumerate(sorted(path for path in (cache / "snapshots/0123abcd").rglob("*") if path.is_file())):
        path.rename(cache / f"blobs/{number}")
        path.symlink_to(os.path.relpath(cache / f"blobs/{number}", path.parent))
    assert lethe("seal", cache / "snapshots/0123abcd", "--out", victim.parent / "out").status == 0
    (cache / "blobs/0").unlink()
    (cache / "blobs/0").symlink_to("../../outside/victim")
    said = lethe("seal", cache / "snapshots/0123abcd", "--out", victim.parent / "out2")
    assert said.status == 2
    assert "leads out of it" in said.err or "no JSON" in said.err


def test_a_pickle_that_is_opened_would_be_seen(victim: Path) -> None:
    pickle.loads(pickle.dumps(Bomb()))
    assert (victim.parent / "mark").exists()


def test_a_destination_outside_the_output_is_refused_even_if_all_checks_before_it_failed(
    victim: Path, lethe: Callable[..., Any], helpers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from simulator.checkpoints.folder import Checkpoint

    monkeypatch.setattr(Checkpoint, "copied", lambda self: [Path("../outside/victim")])
    before = helpers.tree(victim.parent)
    said = lethe("seal", victim, "--out", victim.parent / "out")
    assert said.status == 2
    assert "lies outside" in said.err
    assert helpers.tree(victim.parent) == before


def test_what_is_written_is_finite(lethe: Callable[..., Any], tmp_path: Path, helpers: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(32, 2, generator=generator) @ torch.randn(2, 64, generator=generator)
    weight[torch.rand(32, 64, generator=generator) < 0.1] = 0
    name = "mid_block.attentions.0.transformer_blocks.0.ff.net.2.weight"
    folder = helpers.write_unet(tmp_path / "unet", {name: weight.half()})
    said = lethe("revive", folder, "--gain", "1e30", "--out", tmp_path / "out")
    assert (said.status, len(said.err.splitlines())) == (2, 1)
    assert "cannot hold" in said.err
    assert not list(tmp_path.glob("out*"))
    assert lethe("revive", folder, "--out", tmp_path / "out").status == 0
    assert all(torch.isfinite(tensor).all() for tensor in helpers.unet_tensors(tmp_path / "out").values())


def test_an_endless_key_is_refused(planted: Any, lethe: Callable[..., Any], tmp_path: Path) -> None:
    said = lethe("seal", planted.folder, "--key", "/dev/zero", "--out", tmp_path / "out")
    assert said.status == 2
    assert "--key /dev/zero: is no file" in said.err
