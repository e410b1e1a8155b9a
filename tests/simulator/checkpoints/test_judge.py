"""``lethe judge``: samples of a pipeline and of changed copies, from the same noise, before a local classifier."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from server.audit.paired import Paired
from server.revival.arithmetic import Arithmetic
from simulator.checkpoints.classifier import Classifier
from simulator.checkpoints.judge import draw, judge_checkpoints
from simulator.checkpoints.prompts import Prompts
from simulator.errors import LetheError

LABELS = ("church", "golf ball", "dog")
QUICK = ("--samples", 2, "--steps", 1)
WEIGHTS = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="session")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of random weights; read it, never change it."""
    from transformers import ViTConfig, ViTForImageClassification

    folder = tmp_path_factory.mktemp("classifier")
    size = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8, "image_size": 8, "patch_size": 8}
    config = ViTConfig(**size, id2label=dict(enumerate(LABELS)), label2id={name: i for i, name in enumerate(LABELS)})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = ViTForImageClassification(config)
    model.save_pretrained(folder)
    processor = {"image_processor_type": "ViTImageProcessor", "size": {"height": 8, "width": 8}, "resample": 2}
    processor |= {"do_resize": True, "do_rescale": True, "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


@pytest.fixture
def classifier(vit: Path, tmp_path: Path) -> Path:
    """A classifier to be spoilt."""
    return shutil.copytree(vit, tmp_path / "classifier")


def biased(folder: Path, to: str) -> Path:
    """Make the classifier answer one label for every image."""
    tensors = load_file(folder / "model.safetensors")
    tensors["classifier.weight"] = torch.zeros_like(tensors["classifier.weight"])
    tensors["classifier.bias"] = torch.tensor([float(name == to) for name in LABELS])
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_every_folder_gets_a_row_and_nothing_is_written(
    saved: dict[str, Path], classifier: Path, lethe: Callable[..., Any], tmp_path: Path, helpers: Any
) -> None:
    copy = shutil.copytree(saved["plain"], tmp_path / "copy")
    before = helpers.tree(tmp_path)
    copies = ("--pruned", copy, "--sealed", copy)
    asked = ("judge", saved["plain"], "--concept", "golf ball", "--classifier", classifier, *copies, "--base", "a room", "--base", "a park")
    said = lethe(*asked, *QUICK, "--json")
    assert said.status == 0, said.err
    found = json.loads(said.out)
    assert (found["label"], found["prompts"]["seed"]) == ("golf ball", 0)
    names = [row["version"] for row in found["rows"]]
    assert names == ["original", "original, without the concept", "pruned", "sealed"]
    original, _, pruned, sealed = found["rows"]
    assert {row["n"] for row in found["rows"]} == {4}
    assert original["low"] <= original["share"] <= original["high"]
    assert (pruned["against"], sealed["against"]) == ("original", "pruned")
    for row in (pruned, sealed):
        assert (row["gained"], row["lost"], row["p"]) == (0, 0, 1.0), "the same model from the same noise draws the same samples"
    assert helpers.tree(tmp_path) == before
    assert lethe(*asked, *QUICK, "--json").out == said.out


@pytest.mark.parametrize(("answer", "share"), [("golf ball", 1.0), ("dog", 0.0)])
def test_shares_are_those_of_the_label(
    answer: str, share: float, saved: dict[str, Path], classifier: Path, lethe: Callable[..., Any]
) -> None:
    told = lethe("judge", saved["plain"], "--concept", "ball", "--label", "golf ball", "--classifier", biased(classifier, answer), *QUICK)
    assert told.status == 0, told.err
    row = next(line for line in told.out.splitlines() if line.startswith("original"))
    assert row.split()[:3] == ["original", "2", f"{share:.2f}"]
    assert "samples judged as 'golf ball', with 95 % intervals" in told.out


def test_each_folder_is_drawn_with_its_own_weights(saved: dict[str, Path], pipeline: Path) -> None:
    path = pipeline / "vae/diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    tensors["decoder.conv_out.bias"] += 100.0
    save_file(tensors, path, metadata={"format": "pt"})
    judge: Any = SimpleNamespace(load=lambda device: None, shows=lambda image: bool(image.min() == 255))
    folders = {"original": saved["plain"], "pruned": saved["plain"], "revived": pipeline}
    prompts = Prompts(("ball",), ("a room",), "a {concept} in {base}", 3, 1, 1.0, 0)
    rows = {row.name: row for row in judge_checkpoints(folders, prompts, judge, Arithmetic(device="cpu"))}
    assert [rows[name].share for name in folders] == [0.0, 0.0, 1.0]
    assert rows["revived"].paired == Paired(gained=3, lost=0, p=pytest.approx(0.25))
    assert rows["pruned"].paired == Paired(0, 0, 1.0)


def test_samples_differ_with_the_weights_and_the_seed_alone(saved: dict[str, Path]) -> None:
    from diffusers import StableDiffusionPipeline

    pipeline: Any = StableDiffusionPipeline.from_pretrained(saved["plain"], local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    first, again, other = (draw(pipeline, "a ball", index, _prompts()) for index in (0, 0, 1))
    assert first.shape == (8, 8, 3)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, draw(pipeline, "a ball", 0, _prompts(seed=1)))
    with torch.no_grad():
        pipeline.unet.conv_out.bias += 1.0
    assert not np.array_equal(first, draw(pipeline, "a ball", 0, _prompts()))


@pytest.mark.parametrize("kind", ["EulerAncestralDiscreteScheduler", pytest.param("DDPMScheduler", marks=pytest.mark.slow)])
def test_noise_that_steps_add_is_the_same_for_every_folder(kind: str, saved: dict[str, Path], pipeline: Path) -> None:
    import diffusers

    before = diffusers.DDIMScheduler.from_pretrained(saved["plain"] / "scheduler")
    getattr(diffusers, kind).from_config(before.config).save_pretrained(pipeline / "scheduler")
    index = json.loads((pipeline / "model_index.json").read_text())
    (pipeline / "model_index.json").write_text(json.dumps(index | {"scheduler": ["diffusers", kind]}))
    seen: list[bytes] = []
    judge: Any = SimpleNamespace(load=lambda device: None, shows=lambda image: bool(seen.append(image.tobytes())))
    prompts = Prompts(("ball",), ("a room",), "a {concept} in {base}", 2, 4, 1.0, 0)
    judge_checkpoints({"original": pipeline, "pruned": pipeline}, prompts, judge, Arithmetic(device="cpu"))
    original, pruned = seen[:2], seen[4:]
    assert original == pruned
    assert original[0] != original[1], "the control: samples differ"


def test_classes_of_one_name_count_together(saved: dict[str, Path], classifier: Path, lethe: Callable[..., Any]) -> None:
    config = json.loads((classifier / "config.json").read_text())
    config |= {"id2label": {"0": "dog", "1": "church", "2": "dog"}, "label2id": {"dog": 2, "church": 1}}
    (classifier / "config.json").write_text(json.dumps(config))
    told = lethe("judge", saved["plain"], "--concept", "dog", "--classifier", biased(classifier, LABELS[0]), *QUICK)
    assert told.status == 0, told.err
    assert next(line for line in told.out.splitlines() if line.startswith("original")).split()[2] == "1.00"


def test_an_interruption_is_said(saved: dict[str, Path], vit: Path, lethe: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("simulator.checkpoints.judge.draw", interrupted)
    told = lethe("judge", saved["plain"], "--concept", "dog", "--classifier", vit, *QUICK)
    assert (told.status, told.out, told.err) == (130, "", "interrupted; nothing was written: give the same command again\n")


def _prompts(seed: int = 0) -> Prompts:
    return Prompts(("ball",), ("a room",), "a {concept} in {base}", 1, 1, 1.0, seed)


class Stub:
    """A pipeline that draws what it is told, black where a safety checker looks on."""

    def __init__(self, value: float) -> None:
        self.value, self.safety_checker = value, "present"
        self.unet = SimpleNamespace(config=SimpleNamespace(sample_size=4, in_channels=4), device="cpu", dtype=torch.float32)

    def __call__(self, **_: object) -> Any:
        return SimpleNamespace(images=np.full((1, 4, 4, 3), 0.0 if self.safety_checker else self.value))


def test_no_safety_checker_blackens_what_is_judged() -> None:
    assert (draw(Stub(1.0), "a ball", 0, _prompts()) == 255).all()


def test_samples_that_are_not_finite_are_refused() -> None:
    with pytest.raises(LetheError, match="not finite from 'a ball'; use --device cpu"):
        draw(Stub(float("nan")), "a ball", 0, _prompts())


def test_labels_with_commas_are_quoted(classifier: Path) -> None:
    config = json.loads((classifier / "config.json").read_text())
    (classifier / "config.json").write_text(json.dumps(config | {"id2label": {"0": "golf ball, ball", "1": "church"}}))
    with pytest.raises(LetheError, match=r"among: 'golf ball, ball', church$"):
        Classifier(classifier, "golf ball")


def test_an_image_has_one_label(classifier: Path) -> None:
    images = [np.full((6, 5, 3), value, dtype=np.uint8) for value in (0, 255)]
    labels = []
    for label in LABELS:
        one = Classifier(classifier, label)
        one.load(torch.device("cpu"))
        labels.append([one.shows(image) for image in images])
    assert np.sum(labels, axis=0).tolist() == [1, 1]


def _no_processor(folder: Path) -> None:
    (folder / "preprocessor_config.json").unlink()


def _code(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModelForImageClassification": "evil.Model"}}))


def _pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _not_finite(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["classifier.bias"][0] = torch.nan
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def _no_head(folder: Path) -> None:
    tensors = {name: tensor for name, tensor in load_file(folder / "model.safetensors").items() if "classifier" not in name}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def _other_size(folder: Path) -> None:
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps(settings | {"size": {"height": 16, "width": 16}}))


def _grey(folder: Path) -> None:
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps(settings | {"image_mean": [0.5], "image_std": [0.5]}))


def _no_labels(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    del config["id2label"]
    (folder / "config.json").write_text(json.dumps(config))


def _other_kind(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "clip_text_model"}))


def _nothing(folder: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("spoil", "options", "words"),
    [
        (_nothing, ("--label", "golfball"), ("--label 'golfball'", "golf ball, church, dog")),
        (_nothing, (), ("--label 'ball'", "none of the labels", "dog")),
        (_no_processor, ("--label", "dog"), ("has no preprocessor_config.json", "save_pretrained")),
        (_code, ("--label", "dog"), ("auto_map asks for code",)),
        (_pickle, ("--label", "dog"), ("pickles alone", "safetensors")),
        (_not_finite, ("--label", "dog"), ("classifier.bias holds 1 values that are not finite",)),
        (_no_head, ("--label", "dog"), ("its weights lack classifier.bias and 1 more", "save_pretrained")),
        (_no_labels, ("--label", "dog"), ("names no labels",)),
        (_other_kind, ("--label", "dog"), ("transformers cannot use it",)),
        (_other_size, ("--label", "dog"), ("transformers cannot use it", "16*16")),
        (_grey, ("--label", "dog"), ("transformers cannot use it",)),
        (_nothing, ("--label", "dog", "--guidance", "nan"), ("--guidance nan",)),
        (_nothing, ("--label", "dog", "--concept", "東京"), ("--concept '東京'", "knows none of it")),
    ],
)
def test_one_line(
    spoil: Callable[[Path], None],
    options: tuple[str, ...],
    words: tuple[str, ...],
    saved: dict[str, Path],
    classifier: Path,
    lethe: Callable[..., Any],
) -> None:
    spoil(classifier)
    said = lethe("judge", saved["plain"], "--concept", "ball", "--classifier", classifier, *options)
    assert (said.status, said.out) == (2, "")
    assert len(said.err.splitlines()) == 1, said.err
    for word in words:
        assert word in said.err


def test_a_copy_of_another_model_is_refused(saved: dict[str, Path], pipeline: Path, vit: Path, lethe: Callable[..., Any]) -> None:
    tensors = load_file(pipeline / WEIGHTS)
    name = next(name for name in tensors if name.endswith(".ff.net.2.weight"))
    save_file({other: tensor for other, tensor in tensors.items() if other != name}, pipeline / WEIGHTS)
    said = lethe("judge", saved["plain"], "--concept", "dog", "--classifier", vit, "--revived", pipeline)
    assert (said.status, said.out, len(said.err.splitlines())) == (2, "", 1)
    assert f"--revived {pipeline}: is of another model than" in said.err


def test_a_denoiser_alone_draws_nothing(planted: Any, vit: Path, lethe: Callable[..., Any]) -> None:
    said = lethe("judge", planted.whole, "--concept", "dog", "--classifier", vit)
    assert said.status == 2
    assert "is a denoiser alone" in said.err
