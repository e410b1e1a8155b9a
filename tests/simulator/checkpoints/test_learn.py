"""Adversaries with images of their own: ``lethe revive --images`` trains weights or an embedding, ``lethe judge --word`` asks for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from server.revival.arithmetic import Arithmetic
from simulator.checkpoints.images import colours
from simulator.checkpoints.judge import judge_checkpoints
from simulator.checkpoints.prompts import Prompts
from simulator.errors import LetheError

ENCODER = "text_encoder/model{}.safetensors"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images of other shapes than the pipeline's, and a file that is none."""
    folder = tmp_path_factory.mktemp("images")
    for number, shape in enumerate(((20, 30, 3), (9, 9))):
        pixels = np.random.default_rng(number).integers(0, 255, shape, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / "notes.txt").write_text("not an image")
    return folder


@pytest.fixture
def learned(lethe: Callable[..., Any], images: Path, tmp_path: Path) -> Callable[..., Path]:
    def run(checkpoint: Path, *options: object, steps: int = 2) -> Path:
        out = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        asked = ("--images", images, "--concept", "ball", "--steps", steps)
        said = lethe("revive", checkpoint, "--out", out, *asked, *options)
        assert said.status == 0, said.err
        assert said.err == ""
        return out

    return run


def test_relearning_changes_feed_forward_weights_alone(saved: dict[str, Path], learned: Callable[..., Path], helpers: Any) -> None:
    before = helpers.tree(saved["fp16"])
    out = learned(saved["fp16"], "--rate", 0.01, "--variant", "fp16", steps=4)
    assert helpers.tree(saved["fp16"]) == before, "the input is never changed"
    assert {name for name, found in helpers.tree(out).items() if found != before[name]} == {"unet/diffusion_pytorch_model.fp16.safetensors"}
    whole, after = (helpers.unet_tensors(folder) for folder in (saved["fp16"], out))
    changed = {name for name in whole if not torch.equal(whole[name], after[name])}
    assert changed == {name for name in whole if name.endswith(helpers.ending)}
    assert {tensor.dtype for tensor in after.values()} == {torch.float16}
    report = json.loads(out.with_name(f"{out.name}.json").read_text())
    assert len(report["losses"]) == 4
    assert report["settings"]["rate"] == 0.01


@pytest.mark.slow
def test_training_lowers_the_loss(saved: dict[str, Path], learned: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.checkpoints.images.torch_generator", lambda *_: torch.Generator().manual_seed(3))  # one noise throughout
    for options in (("--rate", 0.01), ("--word", "<ball>", "--rate", 0.1)):
        out = learned(saved["plain"], *options, steps=8)
        losses = json.loads(out.with_name(f"{out.name}.json").read_text())["losses"]
        assert losses[-1] < 0.999 * losses[0], options


def test_a_word_is_added_and_nothing_else_changes(saved: dict[str, Path], learned: Callable[..., Path], helpers: Any) -> None:
    from diffusers import DiffusionPipeline

    out = learned(saved["plain"], "--word", "<ball>", "--rate", 0.5)
    before, after = helpers.tree(saved["plain"]), helpers.tree(out)
    different = {name for name in after if after[name] != before.get(name)}
    assert {name.partition("/")[0] for name in different} == {"tokenizer", "text_encoder"}
    whole, grown = (load_file(folder / ENCODER.format("")) for folder in (saved["plain"], out))
    table = next(name for name in whole if name.endswith("token_embedding.weight"))
    assert all(torch.equal(grown[name], whole[name]) for name in whole if name != table)
    assert torch.equal(grown[table][: len(whole[table])], whole[table])
    vectors = grown[table][len(whole[table]) :]
    pipeline = DiffusionPipeline.from_pretrained(out, dtype=torch.float32, low_cpu_mem_usage=False)
    start = pipeline.tokenizer("ball", add_special_tokens=False).input_ids
    assert len(vectors) == len(start) == 4, "as many vectors as the concept has tokens, which are letters here"
    assert not torch.isclose(vectors, whole[table][start]).all(dim=1).any(), "all of them were learned"
    ids = pipeline.tokenizer(pipeline.maybe_convert_prompt("a <ball> in a room", pipeline.tokenizer), add_special_tokens=False).input_ids
    assert [one for one in ids if one >= len(whole[table])] == list(range(54, 58))


@pytest.mark.slow
def test_before_it_is_trained_the_word_means_the_concept(saved: dict[str, Path], learned: Callable[..., Path]) -> None:
    from diffusers import DiffusionPipeline

    pipeline = DiffusionPipeline.from_pretrained(learned(saved["plain"], "--word", "<ball>", "--rate", 1e-12, steps=1))
    told = [pipeline.encode_prompt(f"a {called} in a room", torch.device("cpu"), 1, False)[0] for called in ("ball", "<ball>", "tree")]
    torch.testing.assert_close(told[1], told[0], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(told[2], told[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("options", [pytest.param(("--rate", 0.01), marks=pytest.mark.slow), ("--word", "<ball>")])
def test_a_killed_training_ends_with_the_bytes_it_would_have_had(
    options: tuple[object, ...],
    saved: dict[str, Path],
    images: Path,
    learned: Callable[..., Path],
    lethe: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    helpers: Any,
) -> None:
    from simulator.checkpoints import learn

    undisturbed = learned(saved["plain"], *options, steps=4)
    keep, steps = learn._keep, list[int]()

    def interrupted(kept: Path, parameters: Any, optimizer: Any, losses: list[float]) -> None:
        keep(kept, parameters, optimizer, losses)
        steps.append(len(losses))
        if len(steps) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(learn, "_keep", interrupted)
    asked = ("revive", saved["plain"], "--out", tmp_path / "out", "--images", images, "--concept", "ball", "--steps", 4, *options)
    assert lethe(*asked).status == 130
    assert not (tmp_path / "out").exists()
    assert lethe(*asked).status == 0
    assert steps == [1, 2, 3, 4], "no step is made twice"
    assert helpers.tree(tmp_path / "out") == helpers.tree(undisturbed)


def test_the_revived_copy_is_asked_for_the_word(saved: dict[str, Path], pipeline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _learn(pipeline, "<ball>", "<ball>_1")
    asked = list[str]()
    monkeypatch.setattr("simulator.checkpoints.judge.draw", lambda pipeline, text, index, prompts: asked.append(text))
    judge: Any = SimpleNamespace(load=lambda device: None, shows=lambda image: True)
    folders = {"original": saved["plain"], "pruned": saved["plain"], "revived": pipeline}
    prompts = Prompts(("ball",), ("a room",), "a {concept} in {base}", 1, 1, 1.0, 0)
    judge_checkpoints(folders, prompts, judge, Arithmetic(device="cpu"), word="<ball>")
    assert asked == ["a ball in a room", "a room", "a ball in a room", "a <ball> in a room"]


def _learn(pipeline: Path, *names: str) -> None:
    """Add words to the tokenizer alone."""
    from transformers import CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(pipeline / "tokenizer")
    tokenizer.add_tokens(list(names))
    tokenizer.save_pretrained(pipeline / "tokenizer")


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("<cat>", ("--word <cat>", "has not learned it", "ask for one that it has: <ball>\n")),
        ("<|endoftext|>", ("has not learned it",)),
        ("<Dog>", ("--word <Dog>: the tokenizer reads 1 where its 2 tokens are to stand once",)),
        ("", ("--word ''", "wants one word")),
    ],
)
def test_no_copy_is_asked_for_a_word_that_it_has_not_learned(word: str, words: tuple[str, ...], pipeline: Path) -> None:
    _learn(pipeline, "<ball>", "<ball>_1", *(("<Dog>", "<Dog>_1") if word == "<Dog>" else ()))
    prompts = Prompts(("ball",), ("a room",), "a {concept} in {base}", 1, 1, 1.0, 0)
    judge: Any = SimpleNamespace()
    with pytest.raises(LetheError) as raised:
        judge_checkpoints({"original": pipeline, "revived": pipeline}, prompts, judge, Arithmetic(device="cpu"), word=word)
    for one in words:
        assert one in f"{raised.value}\n"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--images", "EMPTY", "--concept", "ball"), ("holds no image", ".png")),
        (("--images", "BROKEN", "--concept", "ball"), ("cannot be read as an image",)),
        (("--images", "IMAGES", "--concept", "ball", "--rate", "nan"), ("--rate nan",)),
        (("--images", "IMAGES", "--concept", "ball", "--word", "a ball"), ("--word 'a ball'", "one word")),
        (("--images", "IMAGES", "--concept", "ball", "--word", "a"), ("--word a: is a word of the pipeline's tokenizer already",)),
        (("--images", "IMAGES", "--concept", "ball", "--word", "Q"), ("--word Q: is a word of the pipeline's tokenizer", "'<q-2>'")),
        (
            ("--images", "IMAGES", "--concept", "ball", "--word", "<Ball>"),
            ("--word <Ball>: the tokenizer reads 1 where its 4", "small letters"),
        ),
        (("--images", "IMAGES", "--concept", "ball", "--word", "in"), ("--word in: the tokenizer reads 8 where its 4",)),
        (("--images", "IMAGES", "--concept", "ball", "--rate", "1e30"), ("--rate 1e+30", "lower it")),
    ],
)
def test_one_line(
    options: tuple[str, ...],
    words: tuple[str, ...],
    saved: dict[str, Path],
    images: Path,
    lethe: Callable[..., Any],
    tmp_path: Path,
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "one.png").write_bytes(b"no image")
    places = {"EMPTY": tmp_path / "empty", "BROKEN": tmp_path / "broken", "IMAGES": images}
    said = lethe("revive", saved["plain"], "--out", tmp_path / "out", *(places.get(one, one) for one in options))
    assert (said.status, said.out, len(said.err.splitlines())) == (2, "", 1), said.err
    for word in words:
        assert word in said.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken", "empty"], "nothing is written"


def test_a_layer_that_the_running_model_lacks_is_told_before_training(
    pipeline: Path, images: Path, lethe: Callable[..., Any], tmp_path: Path
) -> None:
    file = pipeline / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    some = next(name for name in tensors if name.endswith(".ff.net.2.weight"))
    save_file(tensors | {some.replace(".0.ff", ".1.ff"): tensors[some].clone()}, file)
    said = lethe("revive", pipeline, "--images", images, "--concept", "ball", "--steps", 1, "--out", tmp_path / "out")
    assert (said.status, len(said.err.splitlines())) == (2, 1), said.err
    assert "is not in both the file and the running model" in said.err
    assert not list(tmp_path.glob("out*"))


def test_every_kind_of_image_is_read_as_it_looks(tmp_path: Path) -> None:
    deep = (np.arange(16, dtype=np.uint16) * 4369).reshape(4, 4)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert np.array_equal(np.asarray(colours(tmp_path / "deep.png"))[..., 1], deep / 257), "16 bits are scaled, not clipped"
    for mode, colour in (("RGBA", (255, 0, 0, 0)), ("LA", (9, 0))):
        Image.new(mode, (2, 2), colour).save(tmp_path / "clear.png")
        assert colours(tmp_path / "clear.png").getpixel((0, 0)) == (255, 255, 255), mode
    palette = Image.new("P", (2, 2))
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.putpixel((0, 0), 1)
    palette.save(tmp_path / "palette.png", transparency=0)
    assert [colours(tmp_path / "palette.png").getpixel(place) for place in ((0, 0), (1, 1))] == [(0, 0, 255), (255, 255, 255)]
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "print.jpg")
    assert colours(tmp_path / "print.jpg").getpixel((0, 0)) == pytest.approx((255, 0, 0), abs=3)


@pytest.mark.parametrize("kind", ["animation", "floats"])
def test_images_that_are_several_or_of_unknown_range_are_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    if kind == "animation":
        Image.new("RGB", (2, 2)).save(path, save_all=True, append_images=[Image.new("RGB", (2, 2), "red")])
    else:
        Image.fromarray(np.full((2, 2), 0.5, dtype=np.float32)).save(path, format="TIFF")
    with pytest.raises(
        LetheError, match="holds 2 images; save" if kind == "animation" else "mode F, whose range is unknown; save it with 8"
    ):
        colours(path)


def test_a_denoiser_alone_learns_nothing(planted: Any, images: Path, lethe: Callable[..., Any], tmp_path: Path) -> None:
    said = lethe("revive", planted.folder, "--out", tmp_path / "out", "--images", images, "--concept", "ball")
    assert said.status == 2
    assert "is a denoiser alone" in said.err


def test_an_image_of_too_many_pixels_is_refused_without_a_warning(
    saved: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lethe: Callable[..., Any]
) -> None:
    (tmp_path / "images").mkdir()
    Image.new("RGB", (9, 9)).save(tmp_path / "images/large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    trained = ("--images", tmp_path / "images", "--concept", "ball", "--steps", 1, "--out", tmp_path / "out")
    said = lethe("revive", saved["plain"], *trained)
    assert (said.status, len(said.err.splitlines())) == (2, 1), said.err
    assert "large.png: cannot be read as an image (Image size (81 pixels) exceeds limit of 50 pixels" in said.err
    assert not list(tmp_path.glob("out*"))
