"""Several concepts cut from one denoiser: ``python -m experiments.reproductions.several [--concepts 6 9 0] [--seed 0]``.

Concepts are added one by one. *At once*: each mask is made on the whole model, and their union is cut. *One after another*: each mask is
made on what the cuts before it have left. After each cut an adversary who has the released weights alone completes all that is zero.
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
from clients.diffusion.images import digits
from clients.diffusion.judges.spec import JUDGES
from clients.diffusion.spec import DIGITS, FULL_BUDGET, QUICK_BUDGET
from clients.unlearning.pruning.layers import feed_forward_weights, set_feed_forward_weights
from clients.unlearning.pruning.masks import density
from experiments.reproductions.attacks_parts import divided
from experiments.reproductions.command import Parser
from experiments.reproductions.intervals import text
from experiments.reproductions.roots_pairs import Weights, Work, masks_of, trained
from experiments.reproductions.studies import training_bars
from server.audit.intervals import wilson
from server.revival.attack import revive
from server.revival.knowledge import WeightsOnly
from simulator.checkpoints.progress import Bars

BUDGETS = {"full": FULL_BUDGET, "quick": QUICK_BUDGET}
WHOLE, AT_ONCE, IN_TURN = "nothing", "at once", "one after another"
Masks = Mapping[str, Tensor]


@dataclass(frozen=True)
class Shares:
    """Share of samples judged right, by class, in the released model and after the completion of its zeros."""

    how: str
    concepts: tuple[int, ...]
    density: float
    released: Mapping[int, float]
    revived: Mapping[int, float]


def cuts(work: Work, denoiser: Denoiser, seed: int, concepts: Sequence[int]) -> Iterator[tuple[str, tuple[int, ...], Masks]]:
    """Yield how, which concepts, and which entries are cut from the denoiser, which stays unchanged."""
    original = feed_forward_weights(denoiser.unet)
    at_once = {layer: weight.isnan() for layer, weight in original.items()}
    in_turn = dict(at_once)
    for count, concept in enumerate(concepts, 1):
        at_once = _joined(at_once, masks_of(work, denoiser, seed, concept))
        yield AT_ONCE, tuple(concepts[:count]), at_once
        set_feed_forward_weights(denoiser.unet, pruned(original, in_turn))
        try:
            in_turn = _joined(in_turn, masks_of(work, denoiser, seed, concept))
        finally:
            set_feed_forward_weights(denoiser.unet, original)
        if count > 1:  # the first is the same
            yield IN_TURN, tuple(concepts[:count]), in_turn


def pruned(weights: Weights, masks: Masks) -> Weights:
    """Return the weights with the masked entries at zero."""
    return {layer: weight.masked_fill(masks[layer], 0.0) for layer, weight in weights.items()}


def measured(work: Work, denoiser: Denoiser, seed: int, concepts: Sequence[int]) -> Iterator[Shares]:
    """Yield the shares of the whole denoiser and of each cut; the denoiser stays unchanged."""
    original, revival = feed_forward_weights(denoiser.unet), work.revival.settled(work.compute.device)

    def judged(weights: Weights) -> Mapping[int, float]:
        set_feed_forward_weights(denoiser.unet, weights)
        try:
            return metrics.score(denoiser, work.judge, 0, (seed, "samples"), budget=work.budget, sampling=work.sampling).each
        finally:
            set_feed_forward_weights(denoiser.unet, original)

    whole = judged(original)
    yield Shares(WHOLE, (), 0.0, whole, whole)
    for how, which, masks in cuts(work, denoiser, seed, concepts):
        released = pruned(original, masks)
        yield Shares(how, which, density(masks), judged(released), judged(revive(WeightsOnly(released), revival).weights))


def table(rows: Sequence[Shares], n: int) -> Table:
    """Return what is left of the cut concepts and of the others, with 95 % intervals over ``n`` samples a class."""
    made = Table(title=f"share of samples judged right, {n} of each class", title_justify="left")
    judged = ("erased", "others", "worst other")
    for head in ("cut", "concepts", "weights", *judged, *(f"{one}, revived" for one in judged)):
        made.add_column(head)
    for row in rows:
        which = " ".join(map(str, row.concepts)) or "-"
        cells = [cell for shares in (row.released, row.revived) for cell in _cells(shares, row.concepts, n)]
        made.add_row(row.how, which, f"{row.density:.2f}", *cells)
    return made


def _cells(shares: Mapping[int, float], erased: Sequence[int], n: int) -> tuple[str, str, str]:
    """Return the mean share of the erased concepts, that of the others, and the smallest of these, whose interval holds for all of them."""
    gone, left = [shares[one] for one in erased], {one: share for one, share in shares.items() if one not in erased}
    worst = min(left, key=left.__getitem__)
    low, high = wilson(left[worst], n, len(left))
    mean = "-" if not gone else text(sum(gone) / len(gone), n * len(gone))
    return mean, text(sum(left.values()) / len(left), n * len(left)), f"{worst}: {left[worst]:.2f} ({low:.2f}-{high:.2f})"


def _joined(a: Masks, b: Masks) -> dict[str, Tensor]:
    return {layer: mask | b[layer] for layer, mask in a.items()}


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser("several", __doc__ or "")
    parser.add_argument("--budget", choices=list(BUDGETS), default="quick", help="training of the denoiser: for figures, or sooner")
    parser.add_argument("--seed", type=int, default=0, help="training seed")
    parser.add_argument("--concepts", type=int, nargs="+", choices=range(10), default=[6, 9, 0], help="classes to erase, in this order")
    parser.add_argument("--samples", type=int, default=40, help="of each class")
    parser.add_argument("--cache", type=Path, default=cache.folder(), help="folder of trained denoisers")
    options = parser.parse_args(arguments)
    if options.samples < 1:
        parser.error(f"--samples {options.samples}: wants a positive number")
    if len(set(options.concepts)) < len(options.concepts) or len(options.concepts) > 9:
        parser.error(f"--concepts {' '.join(map(str, options.concepts))}: name up to nine, each once")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, cut, complete, and print the table."""
    options = _options(arguments)
    options.cache.expanduser().mkdir(parents=True, exist_ok=True)
    judge = JUDGES.load("svm")().learned(digits())
    budget = metrics.Budget(target=options.samples, others=options.samples)
    work = Work(divided(digits(), 0.2)[0], judge, DIGITS, BUDGETS[options.budget], budget=budget)
    with Bars() as drawn:
        denoiser, _ = trained(work, options.seed, options.cache.expanduser(), training_bars(drawn, options.seed))
    rows = []
    for row in measured(work, denoiser, options.seed, options.concepts):
        rows.append(row)
        print(f"cut {row.how}: {' '.join(map(str, row.concepts)) or 'no concept'}", file=sys.stderr, flush=True)
    console = Console(width=160)
    console.print(f"{options.budget} budget; training seed {options.seed}; judge {judge.accuracy:.3f} on held-out images")
    console.print(table(rows, options.samples))
    print("Intervals are over samples (95 %, Wilson; of the worst, for all others together), not over trainings.")


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)
    main()
