"""What erasers leave behind: ``python -m experiments.reproductions.scars [--erasers salun uce] [--concepts 6 9]``.

Each eraser erases each concept from one denoiser. Adversaries then have what is released: one completes zeros, or, where there are none,
as many of the smallest feed-forward output weights as were changed; one trains these weights, or an embedding, on eight images that no
training has seen; one names the concept from the scar.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from torch import Tensor

from clients import cache
from clients.diffusion import metrics
from clients.diffusion.denoiser import Denoiser
from clients.diffusion.images import Images, digits
from clients.diffusion.judges.spec import JUDGES
from clients.diffusion.spec import DIGITS, QUICK_BUDGET
from clients.unlearning.pruning import ERASERS
from clients.unlearning.pruning.gradients import copies
from clients.unlearning.pruning.layers import feed_forward_weights, set_feed_forward_weights
from experiments.reproductions.attacks_parts import INVERSION_IMAGES, INVERSION_RATE, divided, named
from experiments.reproductions.attacks_tables import text
from experiments.reproductions.command import Parser
from experiments.reproductions.relearning import erased, relearned, restore
from experiments.reproductions.roots import training_bars
from experiments.reproductions.roots_pairs import Weights, Work, own_part, trained
from server.audit.intervals import wilson
from server.revival.adversaries import Repruner, ZeroScan
from server.revival.inversion import Inverter, replaced
from server.revival.knowledge import WeightsOnly, WithDensity
from simulator.checkpoints.progress import Bars

ALL = ("concept_prune", "class_discriminative", "ssd", "scissorhands", "salun", "uce", "esd", "resistant")
OTHERS = 9
"""Number of other classes."""
Each = Mapping[int, float]


@dataclass(frozen=True)
class Scar:
    """What an eraser left of one concept, and what adversaries make of it.

    Parameters
    ----------
    eraser : str
    concept : int
    zeros, changed : float
        Shares of the feed-forward output weights that are zero, and that differ from before.
    elsewhere : bool
        Whether other weights differ.
    named : bool
        Whether the concept is named first.
    released, relearned, embedding : dict of int to float
        Shares of samples judged right, by class.
    completed : dict of int to float or None
        The same; None if there is nothing to complete.
    """

    eraser: str
    concept: int
    zeros: float
    changed: float
    elsewhere: bool
    named: bool
    released: Each
    completed: Each | None
    relearned: Each
    embedding: Each


def measured(work: Work, unseen: Images, denoiser: Denoiser, kind: str, seed: int, concept: int, steps: Sequence[int]) -> Scar:
    """Return what an eraser leaves of a concept, and what adversaries make of it; the denoiser stays unchanged.

    ``steps`` are those of who relearns, and of who learns an embedding.
    """
    whole, before = copies(dict(denoiser.unet.named_parameters())), feed_forward_weights(denoiser.unet)

    def judged() -> Each:
        return metrics.score(denoiser, work.judge, concept, (seed, "samples"), budget=work.budget, sampling=work.sampling).each

    try:
        erased(work, denoiser, ERASERS.load(kind)(), seed, concept)
        released, layers = copies(dict(denoiser.unet.named_parameters())), feed_forward_weights(denoiser.unet)
        zeros, changed = (_share(layers, other) for other in (None, before))
        elsewhere = any(not value.equal(whole[name]) for name, value in released.items() if not name.endswith(".ff.net.2.weight"))
        told = judged()
        right = named(work, denoiser, layers, seed) == concept
        completed = None
        if (weights := _completed(work, layers, zeros, changed)) is not None:
            set_feed_forward_weights(denoiser.unet, weights)
            completed = judged()
            restore(denoiser, released)
        own = own_part(work, unseen, seed, concept, INVERSION_IMAGES)
        tokens = Inverter(denoiser, own, work.training.noise, (seed, "inversion", concept), "class", concept)(steps[1], INVERSION_RATE)
        with replaced(denoiser, "class", concept, tokens):
            embedding = judged()
        relearned(work, unseen, denoiser, seed, concept, "feed_forward_out", steps[0])
        return Scar(kind, concept, zeros, changed, elsewhere, right, told, completed, judged(), embedding)
    finally:
        restore(denoiser, whole)


def _share(weights: Weights, before: Weights | None) -> float:
    """Return the share of entries that are zero, or differ from before."""
    marked = [(weight == 0) if before is None else (weight != before[layer]) for layer, weight in weights.items()]
    return sum(int(mask.sum()) for mask in marked) / sum(mask.numel() for mask in marked)


def _completed(work: Work, layers: dict[str, Tensor], zeros: float, changed: float) -> Weights | None:
    """Return the weights after completion of zeros or, without any, of the smallest; None if none or all were changed, or all are zero."""
    revival = work.revival.settled(work.compute.device)
    if 0 < zeros < 1:
        return ZeroScan(revival=revival).attack(WeightsOnly(layers)).weights
    return Repruner(revival=revival).attack(WithDensity(layers, changed)).weights if 0 < changed < 1 else None


def table(scars: Sequence[Scar], samples: Sequence[int]) -> Iterator[Table]:
    """Yield what erasers leave, means over concepts, and what adversaries bring back, with 95 % intervals over samples."""
    by_eraser = {kind: [scar for scar in scars if scar.eraser == kind] for kind in dict.fromkeys(scar.eraser for scar in scars)}
    n, rest = samples[0], samples[1]
    left = Table(title="what is released", title_justify="left")
    for head in ("eraser", "erased", "others", "worst other", "zeros", "changed", "other weights", "named"):
        left.add_column(head)
    back = Table(title="share of samples that show the erased concept, after", title_justify="left")
    for head in ("eraser", "nothing", "completion", "of what", "relearning", "embedding learned"):
        back.add_column(head)
    for kind, own in by_eraser.items():
        zeros, changed = (sum(getattr(scar, part) for scar in own) / len(own) for part in ("zeros", "changed"))
        names = f"{sum(scar.named for scar in own)} of {len(own)}"
        others = [share for scar in own for one, share in scar.released.items() if one != scar.concept]
        elsewhere = "changed" if any(scar.elsewhere for scar in own) else "as before"
        told = (_target(own, "released", n), text(sum(others) / len(others), rest * OTHERS * len(own)), _worst(own, rest))
        left.add_row(kind, *told, f"{zeros:.2f}", f"{changed:.2f}", elsewhere, names)
        what = "zeros" if zeros else "the smallest" if own[0].completed is not None else "all changed" if changed else "none changed"
        nothing, completed, *trained_on = (_target(own, part, n) for part in ("released", "completed", "relearned", "embedding"))
        back.add_row(kind, nothing, completed, what, *trained_on)
    yield from (left, back)


def _target(own: Sequence[Scar], part: str, n: int) -> str:
    shares = [each[scar.concept] for scar in own if (each := getattr(scar, part)) is not None]
    return text(sum(shares) / len(shares), n * len(shares)) if shares else "-"


def _worst(own: Sequence[Scar], n: int) -> str:
    """Return the other class of which the fewest samples are right, whose interval holds for all of them together."""
    shares = [(share, one) for scar in own for one, share in scar.released.items() if one != scar.concept]
    share, one = min(shares)
    low, high = wilson(share, n, len(shares))
    return f"{one}: {share:.2f} ({low:.2f}-{high:.2f})"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser("scars", __doc__ or "")
    parser.add_argument("--erasers", nargs="+", choices=sorted(ERASERS.targets()), default=list(ALL))
    parser.add_argument("--seed", type=int, default=0, help="training seed")
    parser.add_argument("--concepts", type=int, nargs="+", choices=range(10), default=[6, 9], help="classes to erase one by one")
    parser.add_argument("--steps", type=int, nargs=2, metavar=("RELEARN", "EMBED"), default=[20, 200], help="of the adversaries that train")
    parser.add_argument("--samples", type=int, nargs=2, metavar=("TARGET", "OTHERS"), default=[60, 10], help="of it, of each other")
    parser.add_argument("--cache", type=Path, default=cache.folder(), help="folder of trained denoisers")
    options = parser.parse_args(arguments)
    for name in ("steps", "samples"):
        if min(getattr(options, name)) < 1:
            parser.error(f"--{name} {' '.join(map(str, getattr(options, name)))}: wants positive numbers")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, erase, attack, and print the tables."""
    options = _options(arguments)
    options.cache.expanduser().mkdir(parents=True, exist_ok=True)
    seen, unseen = divided(digits(), 0.2)
    judge = JUDGES.load("svm")().learned(digits())
    work = Work(seen, judge, DIGITS, QUICK_BUDGET, budget=metrics.Budget(*options.samples))
    with Bars() as drawn:
        denoiser, _ = trained(work, options.seed, options.cache.expanduser(), training_bars(drawn, options.seed))
    scars = []
    for kind in options.erasers:
        for concept in options.concepts:
            scars.append(measured(work, unseen, denoiser, kind, options.seed, concept, options.steps))
            print(f"{kind}, concept {concept}: {scars[-1].released[concept]:.2f} released", file=sys.stderr, flush=True)
    console, which = Console(width=140), ", ".join(map(str, options.concepts))
    console.print(f"quick budget; training seed {options.seed}; concepts {which}; judge {judge.accuracy:.3f} on held-out images")
    for one in table(scars, options.samples):
        console.print(one)
    target, others = options.samples
    relearn, embed = options.steps
    print(f"Of each concept {target} samples, of each other {others}; intervals over samples (95 %, Wilson), not over trainings.")
    print(f"Relearning: {relearn} steps on the feed-forward output weights; embedding: {embed} steps; both on {INVERSION_IMAGES} images.")


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)
    main()
