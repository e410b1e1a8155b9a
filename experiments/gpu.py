"""What there is to measure on a CUDA card: ``python -m experiments.gpu``, or ``make gpu``.

Smoke tests (marked ``gpu``), the revival benchmark and a whole scenario run on the card, one after the other, and are shown as they go.
What they say is kept in ``experiments/benchmarks/results/gpu-<card>-<date>.txt``, with date, hardware and versions at the top. Without a
card it ends with one line and status 1, and nothing is written.
"""

from __future__ import annotations

import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import torch

from clients import machine
from experiments.reproductions.command import Parser

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "experiments" / "benchmarks" / "results"
SCENARIO = "experiments/scenarios/whole.toml"
PARTS = (
    ("-m", "pytest", "-m", "gpu", "-rs"),
    ("-m", "experiments.benchmarks.revival", "--device", "cuda"),
    ("-m", "simulator.cli", "run", SCENARIO, "--engine", "inline", "--set", 'compute.device="cuda"'),
)
"""What is run, as arguments of Python."""


def lacking() -> str | None:
    """Return in one line why nothing can be measured here, with the cure; None if torch finds a card."""
    if torch.cuda.is_available():
        return None
    if torch.version.cuda is None:
        cure = "where there is a card, put a build for CUDA into .venv (pytorch.org says which)"
        return f"torch {torch.__version__} is built for CPUs only: {cure}"
    return f"torch {torch.__version__} finds no CUDA device here: run this where nvidia-smi shows one"


def header(now: datetime) -> str:
    """Return date, hardware and versions, a line each."""
    card = torch.cuda.get_device_properties(0)
    facts = machine.facts()
    memory, able = f"{card.total_memory / 2**30:.0f} GiB", f"compute capability {card.major}.{card.minor}"
    cuda = f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
    return "\n".join(
        (
            f"{now:%Y-%m-%d %H:%M} UTC, `make gpu`",
            f"{torch.cuda.device_count()} x {card.name}, {memory}, {able}",
            f"{facts['processor']}, {facts['system']}",
            f"Python {platform.python_version()}, PyTorch {torch.__version__}, {cuda}",
        )
    )


def shown(command: Sequence[str], tell: Callable[[str], None]) -> int:
    """Run a command, telling what it writes as it does; return its exit status."""
    tell(f"\n$ python {shlex.join(command)}\n")
    with subprocess.Popen([sys.executable, *command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            tell(line)
    tell(f"exit status {process.returncode}\n")
    return process.returncode


def main(arguments: Sequence[str] | None = None) -> int:
    """Run everything, show it and keep it; return 0 if all of it ended well, and 1 if not or if there is no card."""
    Parser("gpu", __doc__ or "").parse_args(arguments)
    if reason := lacking():
        print(f"gpu: {reason}", file=sys.stderr)
        return 1
    now = datetime.now(UTC)
    card = re.sub(r"[^a-z0-9]+", "-", torch.cuda.get_device_name(0).lower()).strip("-")
    kept = RESULTS / f"gpu-{card}-{now:%Y-%m-%d}.txt"
    with kept.open("w", encoding="utf-8") as file:

        def tell(text: str) -> None:
            print(text, end="", flush=True)
            print(text, end="", flush=True, file=file)

        tell(f"{header(now)}\n")
        failed = [shlex.join(command) for command in PARTS if shown(command, tell)]
    print(f"\nkept in {kept}")
    for command in failed:
        print(f"gpu: ended with an error, or a bar that is not met: python {command}", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
