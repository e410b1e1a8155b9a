"""Relearning after erasers: ``python -m experiments.reproductions.relearning [--seeds 0 1 2] [--concepts 6 9]``.

A denoiser is trained on a part of the digits. Each eraser erases each concept from it; then an adversary who has eight images of the
concept, which no training has seen, trains what is released: the feed-forward output weights, or all weights.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from statistics import mean

from torch import Tensor

from clients import cache
from clients.diffusion import metrics
from clients.diffusion.denoiser import Denoiser
from clients.diffusion.images import Images, digits
from clients.diffusion.judges.spec import JUDGES
from clients.diffusion.spec import DIGITS, QUICK_BUDGET
from clients.diffusion.subject import DenoiserSubject
from clients.unlearning.pruning import ERASERS
from clients.unlearning.pruning.contract import EraserSpec
from clients.unlearning.pruning.gradients import Scope, borrowed, chosen, copies
from experiments.benchmarks._intervals import interval, said
from experiments.reproductions.attacks_parts import divided
from experiments.reproductions.command import Parser
from experiments.reproductions.intervals import text
from experiments.reproductions.roots_pairs import Work, own_part, trained
from experiments.reproductions.studies import training_bars
from server.revival.tuning import Tuner
from simulator.checkpoints.progress import Bars

IMAGES, RATE = 8, 1e-3
"""Images of the adversary, and the learning rate."""
LONGER = 5
"""How many times the steps an adversary should need after a defence."""
OTHERS = 9
"""Number of other classes."""
SETTINGS: dict[str, dict[str, object]] = {"salun": {"scope": "all", "share": 1.0}, "resistant": {}}
"""Settings that differ from the usual ones; SalUn over all weights is the loss of ``resistant`` without an adversary."""


def erased(work: Work, denoiser: Denoiser, spec: EraserSpec, seed: int, concept: int) -> None:
    """Erase a concept from the denoiser."""
    noise, sampling = work.training.noise, work.sampling
    subject = DenoiserSubject(denoiser, concept, (seed, "mask"), images=work.images, sampling=sampling, noise=noise)
    spec.erase(subject, (seed, "mask")).apply(denoiser.unet)


def relearned(work: Work, unseen: Images, denoiser: Denoiser, seed: int, concept: int, scope: Scope, steps: int) -> None:
    """Let the adversary train the denoiser's weights in scope."""
    own = own_part(work, unseen, seed, concept, IMAGES)
    parameters = chosen(denoiser.unet, scope)
    with borrowed(denoiser.unet, parameters):
        Tuner(denoiser, own, work.training.noise, (seed, "adversary", concept)).train(parameters, steps, RATE)
        found = copies(parameters)
    restore(denoiser, found)


def restore(denoiser: Denoiser, weights: Mapping[str, Tensor]) -> None:
    """Write weights back into the denoiser."""
    denoiser.unet.load_state_dict(dict(weights), strict=False)


Row = tuple[str, str, int]
"""Eraser, what the adversary trains (empty as released), and steps."""
Found = dict[Row, list[dict[str, float]]]
"""Shares of every concept, by row."""


def measured(options: argparse.Namespace, work: Work, unseen: Images, denoiser: Denoiser, seed: int) -> Found:
    """Erase every concept with every eraser, let the adversary relearn it, and return shares; the denoiser stays as it was."""
    found, whole = Found(), copies(dict(denoiser.unet.named_parameters()))

    def score(row: Row, concept: int) -> None:
        shares = work.score(denoiser, seed, concept)
        found.setdefault(row, []).append(shares)
        _say(f"seed {seed}, {concept} {_named(row)}", shares, options.samples)

    for concept, kind in product(options.concepts, options.erasers):
        erased(work, denoiser, ERASERS.load(kind)(**SETTINGS.get(kind, {})), seed, concept)
        released = copies(dict(denoiser.unet.named_parameters()))
        score((kind, "", 0), concept)
        for scope, steps in product(options.scopes, options.steps):
            relearned(work, unseen, denoiser, seed, concept, scope, steps)
            score((kind, scope, steps), concept)
            restore(denoiser, released)
        restore(denoiser, whole)
    return found


def over_seeds(found: Sequence[Found], erasers: Sequence[str]) -> list[str]:
    """Return lines of means over concepts with intervals over seeds, and whether an eraser holds five times the first one's steps."""
    means = {row: {part: [mean(one[part] for one in each[row]) for each in found] for part in ("target", "others")} for row in found[0]}
    lines = [f"{_named(row)}: erased {interval(of['target'], 2)}, others {interval(of['others'], 2)}" for row, of in means.items()]
    for (kind, scope, steps), base in means.items():
        for other in erasers[1:]:
            later = means.get((other, scope, LONGER * steps))
            if kind == erasers[0] and steps and later and len(found) > 1:
                less = [a - b for a, b in zip(base["target"], later["target"], strict=True)]
                what = f"{other} after {LONGER * steps} steps on {scope} shows less than {kind} after {steps}"
                lines.append(said(what, less))
    return lines


def _named(row: Row) -> str:
    kind, scope, steps = row
    return f"{kind}, {steps} steps on {scope}" if steps else f"{kind}, released"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser("relearning", __doc__ or "")
    usual = ["concept_prune", "salun", "resistant"]
    parser.add_argument("--erasers", nargs="+", choices=sorted(ERASERS.targets()), default=usual, help="others are compared with the first")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="training seeds")
    parser.add_argument("--concepts", type=int, nargs="+", choices=range(10), default=[6, 9], help="classes to erase one by one")
    parser.add_argument("--scopes", nargs="+", choices=["feed_forward_out", "all"], default=["feed_forward_out", "all"])
    parser.add_argument("--steps", type=int, nargs="+", default=[10, 20, 50, 100], help="steps of the adversary")
    parser.add_argument("--samples", type=int, nargs=2, metavar=("TARGET", "OTHERS"), default=[60, 5], help="of the concept, of each other")
    parser.add_argument("--cache", type=Path, default=cache.folder(), help="folder of trained denoisers")
    options = parser.parse_args(arguments)
    for name, values in (("steps", options.steps), ("samples", options.samples)):
        if min(values) < 1:
            parser.error(f"--{name} {' '.join(map(str, values))}: wants positive numbers")
    for name in ("erasers", "seeds", "concepts", "scopes", "steps"):
        if len(set(getattr(options, name))) < len(getattr(options, name)):
            parser.error(f"--{name}: one is given twice; name each once")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, erase, relearn, and print a line for each measurement, then what holds over seeds."""
    options = _options(arguments)
    options.cache.expanduser().mkdir(parents=True, exist_ok=True)
    seen, unseen = divided(digits(), 0.2)
    target, others = options.samples
    judge = JUDGES.load("svm")().learned(digits())
    work = Work(seen, judge, DIGITS, QUICK_BUDGET, budget=metrics.Budget(target=target, others=others))
    print(f"quick budget; judge {judge.accuracy:.3f} on held-out images; {IMAGES} images of the adversary", flush=True)
    found = []
    for seed in options.seeds:
        with Bars() as drawn:
            denoiser, _ = trained(work, seed, options.cache.expanduser(), training_bars(drawn, seed))
        found.append(measured(options, work, unseen, denoiser, seed))
    concepts = ", ".join(map(str, options.concepts))
    print(f"means over concepts {concepts}; with several seeds, 95 % intervals over them (n = {len(found)}):")
    print("\n".join(over_seeds(found, options.erasers)))


def _say(what: str, found: Mapping[str, float], samples: Sequence[int]) -> None:
    target, others = samples
    print(f"{what}: erased {text(found['target'], target)}, others {text(found['others'], OTHERS * others)}", flush=True)


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)
    main()
