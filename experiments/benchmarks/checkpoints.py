"""Time and memory of the commands for checkpoints at full size: ``python -m experiments.benchmarks.checkpoints [--calls 1]``.

A pipeline of the real classes and configuration of Stable Diffusion 1.5 gets random float32 weights (4.3 GB, no download) and a vocabulary
of single letters. Each command is a process of its own. Baseline is a program that reads every tensor of the UNet and writes it again, as
little as any of these commands must do that makes a new folder. Processor seconds suffer less from other work on the machine than seconds
do. Peak memory counts pages of files that are read in place, which the system takes back where memory is short.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from subprocess import run
from typing import NamedTuple

import torch
from rich.console import Console
from rich.table import Table

COPY = """
import sys
from safetensors import safe_open
from safetensors.torch import save_file
with safe_open(sys.argv[1], "pt") as file:
    save_file({name: file.get_tensor(name) for name in file.keys()}, sys.argv[2])
"""
MAKE = "from experiments.benchmarks.checkpoints import make_pipeline; "
LETTERS = "abcdefghijklmnopqrstuvwxyz"
UNET = "unet/diffusion_pytorch_model.safetensors"


class Cost(NamedTuple):
    """Seconds, processor seconds of all threads, and the most memory at once in bytes."""

    seconds: float
    processor: float
    memory: int


def make_pipeline(folder: str, narrow: int = 1) -> None:
    """Write a text-to-image pipeline with the configuration of Stable Diffusion 1.5, so many times narrower, and random weights."""
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    vocabulary = [*LETTERS, *(letter + "</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    with tempfile.TemporaryDirectory() as files:
        (Path(files) / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(vocabulary)}))
        (Path(files) / "merges.txt").write_text("#version: 0.2\n")
        tokenizer = CLIPTokenizer(f"{files}/vocab.json", f"{files}/merges.txt", model_max_length=77)
    torch.manual_seed(0)
    width, heads, down, up = 768 // narrow, 12 // narrow, "DownEncoderBlock2D", "UpDecoderBlock2D"
    sizes = {"hidden_size": width, "intermediate_size": 4 * width, "projection_dim": width}
    text = CLIPTextConfig(num_hidden_layers=12, num_attention_heads=heads, **sizes)
    channels = tuple(320 // narrow * times for times in (1, 2, 4, 4))
    StableDiffusionPipeline(
        vae=AutoencoderKL(
            block_out_channels=tuple(128 // narrow * times for times in (1, 2, 4, 4)),
            down_block_types=(down,) * 4,
            up_block_types=(up,) * 4,
            layers_per_block=2,
            norm_num_groups=32 // narrow,
        ),
        text_encoder=CLIPTextModel(text),
        tokenizer=tokenizer,
        unet=UNet2DConditionModel(
            sample_size=64 // narrow,
            block_out_channels=channels,
            cross_attention_dim=width,
            attention_head_dim=8 // narrow,
            norm_num_groups=32 // narrow,
        ),
        scheduler=DDIMScheduler(clip_sample=False, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)


def measure(command: Sequence[str]) -> Cost:
    """Run a command and return its cost; ``RuntimeError`` if it fails."""
    start = time.perf_counter()
    process = os.posix_spawn(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
    _, status, usage = os.wait4(process, 0)
    if status:
        raise RuntimeError(f"{' '.join(command)}: ended with {os.waitstatus_to_exitcode(status)}; its message stands above")
    return Cost(time.perf_counter() - start, usage.ru_utime + usage.ru_stime, 1024 * usage.ru_maxrss)


def commands(folder: Path, calls: int) -> dict[str, list[str]]:
    """Return the baseline and the commands in the order in which they build on each other."""
    lethe = [sys.executable, "-m", "simulator.cli"]
    whole, pruned = str(folder / "whole"), str(folder / "pruned")
    prune = [*lethe, "prune", whole, "--concept", "a b", "--out", pruned, "--samples", "1", "--calls", str(calls)]
    out = {name: str(folder / name) for name in ("gaussian", "redrawn", "revived")}
    return {
        "reading and writing the UNet": [sys.executable, "-c", COPY, f"{whole}/{UNET}", str(folder / "copy.safetensors")],
        f"prune, {calls} call{'s' * (calls > 1)}": prune,
        "scan": [*lethe, "scan", pruned],
        "seal --fill gaussian": [*lethe, "seal", pruned, "--out", out["gaussian"], "--fill", "gaussian"],
        "seal": [*lethe, "seal", pruned, "--out", out["redrawn"]],
        "revive": [*lethe, "revive", pruned, "--out", out["revived"]],
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the pipeline, run every command, and print a line each."""
    parser = argparse.ArgumentParser(prog="checkpoints", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=1, help="calls of the denoiser that prune listens to, of two prompts (default: 1)")
    parser.add_argument("--quick", action="store_true", help="a model four times narrower")
    parser.add_argument("--folder", type=Path, help="where to make 20 GB of files (default: a temporary folder)")
    options = parser.parse_args(arguments)
    if options.calls < 1:
        parser.error(f"--calls {options.calls}: wants a positive number")
    try:
        place = tempfile.TemporaryDirectory(dir=options.folder)
    except OSError as error:
        parser.error(f"--folder {options.folder}: no files can be there ({error.strerror}); name another")
    narrow = 4 if options.quick else 1
    size = "a quarter of Stable Diffusion 1.5's width" if options.quick else "Stable Diffusion 1.5's size"
    drawn = Table(title=f"{size}, random float32 weights, {os.cpu_count()} cores")
    for heading in ("command", "seconds", "processor seconds", "of baseline", "peak memory, MB"):
        drawn.add_column(heading, justify="left" if heading == "command" else "right")
    with place as name:
        folder = Path(name)
        # In a process of its own: a child's peak memory counts from what its parent held when it began.
        run([sys.executable, "-c", f"{MAKE}make_pipeline({str(folder / 'whole')!r}, {narrow})"], check=True)
        baseline = None
        for what, command in commands(folder, options.calls).items():
            print(f"checkpoints: {what}", file=sys.stderr, flush=True)
            cost = measure(command)
            baseline = baseline or cost
            ratio = cost.processor / baseline.processor
            drawn.add_row(what, f"{cost.seconds:.0f}", f"{cost.processor:.0f}", f"{ratio:.1f}", f"{cost.memory / 1e6:,.0f}")
    Console(width=140).print(drawn)


if __name__ == "__main__":
    main()
