"""Relearning after erasers: ``python -m experiments.reproductions.relearning [--erasers salun resistant] [--concepts 6 9]``.

A denoiser is trained on a part of the digits. Each eraser erases each concept from it; then an adversary who has eight images of the
concept, which no training has seen, trains what is released: the feed-forward output weights, or all weights.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

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
from experiments.reproductions.attacks_parts import divided
from experiments.reproductions.attacks_tables import text
from experiments.reproductions.command import Parser
from experiments.reproductions.roots import training_bars
from experiments.reproductions.roots_pairs import Work, own_part, trained
from server.revival.tuning import Tuner
from simulator.checkpoints.progress import Bars

IMAGES, RATE = 8, 1e-3
"""Images of the adversary, and the learning rate."""
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


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser("relearning", __doc__ or "")
    parser.add_argument("--erasers", nargs="+", choices=sorted(ERASERS.targets()), default=["concept_prune", "salun", "resistant"])
    parser.add_argument("--seed", type=int, default=0, help="training seed")
    parser.add_argument("--concepts", type=int, nargs="+", choices=range(10), default=[6, 9], help="classes to erase one by one")
    parser.add_argument("--scopes", nargs="+", choices=["feed_forward_out", "all"], default=["feed_forward_out", "all"])
    parser.add_argument("--steps", type=int, nargs="+", default=[10, 20, 50, 100], help="steps of the adversary")
    parser.add_argument("--samples", type=int, nargs=2, metavar=("TARGET", "OTHERS"), default=[60, 5], help="of the concept, of each other")
    parser.add_argument("--cache", type=Path, default=cache.folder(), help="folder of trained denoisers")
    options = parser.parse_args(arguments)
    for name, values in (("steps", options.steps), ("samples", options.samples)):
        if min(values) < 1:
            parser.error(f"--{name} {' '.join(map(str, values))}: wants positive numbers")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, erase, relearn, and print a line for each measurement."""
    options = _options(arguments)
    options.cache.expanduser().mkdir(parents=True, exist_ok=True)
    seen, unseen = divided(digits(), 0.2)
    target, others = options.samples
    judge = JUDGES.load("svm")().learned(digits())
    work = Work(seen, judge, DIGITS, QUICK_BUDGET, budget=metrics.Budget(target=target, others=others))
    with Bars() as drawn:
        denoiser, _ = trained(work, options.seed, options.cache.expanduser(), training_bars(drawn, options.seed))
    whole = copies(dict(denoiser.unet.named_parameters()))
    print(f"quick budget; training seed {options.seed}; judge {judge.accuracy:.3f} on held-out images; {IMAGES} images of the adversary")
    for concept in options.concepts:
        for kind in options.erasers:
            erased(work, denoiser, ERASERS.load(kind)(**SETTINGS.get(kind, {})), options.seed, concept)
            released = copies(dict(denoiser.unet.named_parameters()))
            _say(f"{concept} {kind}, released", work.score(denoiser, options.seed, concept), options.samples)
            for scope, steps in product(options.scopes, options.steps):
                relearned(work, unseen, denoiser, options.seed, concept, scope, steps)
                _say(f"{concept} {kind}, {steps} steps on {scope}", work.score(denoiser, options.seed, concept), options.samples)
                restore(denoiser, released)
            restore(denoiser, whole)


def _say(what: str, found: Mapping[str, float], samples: Sequence[int]) -> None:
    target, others = samples
    print(f"{what}: erased {text(found['target'], target)}, others {text(found['others'], OTHERS * others)}", flush=True)


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)
    main()
