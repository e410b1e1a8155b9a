"""Whatever the libraries raise while a pipeline runs: one line, exit status 2, and nothing left that refuses a corrected command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from simulator.checkpoints.images import Lessons
from simulator.checkpoints.judge import draw
from simulator.checkpoints.prompts import Prompts
from simulator.errors import LetheError

PRUNE = ("--concept", "ball", "--calls", 1, "--samples", 1, "--share", 0.3)


def setting(folder: Path, file: str, **values: object) -> None:
    (folder / file).write_text(json.dumps(json.loads((folder / file).read_text()) | values))


def test_too_many_steps_leave_room_for_the_corrected_command(pipeline: Path, lethe: Callable[..., Any], tmp_path: Path) -> None:
    said = lethe("prune", pipeline, *PRUNE, "--steps", 5000, "--out", tmp_path / "out")
    assert (said.status, said.out, len(said.err.splitlines())) == (2, "", 1)
    assert "StableDiffusionPipeline: cannot run as it is set (ValueError: `num_inference_steps`: 5000" in said.err
    assert "lower --steps" in said.err
    assert not list(tmp_path.glob("out*"))
    assert lethe("prune", pipeline, *PRUNE, "--steps", 2, "--out", tmp_path / "out").status == 0


@pytest.mark.parametrize("error", [MemoryError("host"), torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate")])
def test_a_lack_of_memory_loses_nothing(
    error: Exception, pipeline: Path, lethe: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("simulator.checkpoints.prompts.record", fails)
        said = lethe("prune", pipeline, *PRUNE, "--steps", 2, "--out", tmp_path / "out")
    assert (said.status, said.out, len(said.err.splitlines())) == (3, "", 1)
    assert "no memory is left (" in said.err
    assert (tmp_path / "out.part").is_dir()
    assert lethe("prune", pipeline, *PRUNE, "--steps", 2, "--out", tmp_path / "out").status == 0


@pytest.mark.parametrize(
    ("file", "values"),
    [
        ("scheduler/scheduler_config.json", {"num_train_timesteps": 1}),
        ("tokenizer/tokenizer_config.json", {"model_max_length": 77}),
    ],
)
def test_settings_that_do_not_fit_are_one_line(
    file: str, values: dict[str, Any], pipeline: Path, lethe: Callable[..., Any], tmp_path: Path
) -> None:
    setting(pipeline, file, **values)
    said = lethe("name", pipeline, "--concept", "ball", "--concept", "dog", "--steps", 2, "--calls", 1, "--samples", 1)
    assert (said.status, said.out, len(said.err.splitlines())) == (2, "", 1)
    assert "StableDiffusionPipeline: cannot run as it is set (" in said.err


def test_a_scheduler_that_clips_nothing_is_taken(pipeline: Path, lethe: Callable[..., Any], tmp_path: Path) -> None:
    from diffusers import DPMSolverMultistepScheduler

    DPMSolverMultistepScheduler(steps_offset=1).save_pretrained(pipeline / "scheduler")  # with "lambda_min_clipped": -Infinity
    setting(pipeline, "model_index.json", scheduler=["diffusers", "DPMSolverMultistepScheduler"])
    asked = ("prune", pipeline, *PRUNE, "--steps", 2, "--out", tmp_path / "out")
    assert lethe(*asked).status == 0
    setting(pipeline, "scheduler/scheduler_config.json", lambda_min_clipped=float("inf"))
    assert "lambda_min_clipped = inf is beyond" in lethe(*asked[:-1], tmp_path / "again").err


def test_a_vae_without_a_factor_is_one_line(pipeline: Path, lethe: Callable[..., Any], tmp_path: Path) -> None:
    setting(pipeline, "vae/config.json", scaling_factor=None)
    (tmp_path / "images").mkdir()
    Image.fromarray(np.zeros((8, 8, 3), dtype=np.uint8)).save(tmp_path / "images/0.png")
    said = lethe("revive", pipeline, "--images", tmp_path / "images", "--concept", "ball", "--steps", 1, "--out", tmp_path / "out")
    assert (said.status, said.out, len(said.err.splitlines())) == (2, "", 1)
    assert "cannot run as it is set (TypeError: " in said.err
    assert "vae" in said.err
    assert not list(tmp_path.glob("out*"))


def test_what_is_raised_in_drawing_and_reading_is_one_line() -> None:
    class Broken:
        """A pipeline that has no denoiser's noise, and reads nothing."""

        def encode_prompt(self, *_: object) -> object:
            raise RuntimeError("first\nsecond")

    broken: Any = Broken()
    with pytest.raises(LetheError, match=r"Broken: cannot run as it is set \(StopIteration"):
        draw(broken, "a ball", 0, Prompts(("ball",), ("a room",), "a {concept} in {base}", 1, 1, 1.0, 0))
    latent: Any = type("Latent", (), {"device": "cpu"})()
    with pytest.raises(LetheError, match=r"RuntimeError: first second"):
        Lessons(broken, [latent], ["a ball"], 0).hidden("a ball")
