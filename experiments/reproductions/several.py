"""Several concepts cut from one denoiser: ``python -m experiments.reproductions.several [--concepts 6 9 0] [--seed 0]``.

Concepts are added one by one. *At once*: each mask is made on the whole model, and their union is cut. *One after another*: each mask is
made on what the cuts before it have left. After each cut an adversary who has the released weights alone completes all that is zero.
Finished cuts are stored at once as JSON lines in the output folder, so that the same command goes on after any interruption.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table
from torch import Tensor

from clients.cache import configuration_hash
from clients.diffusion import metrics
from clients.diffusion.denoiser import Denoiser
from clients.diffusion.images import digits
from clients.diffusion.judges.spec import JUDGES
from clients.diffusion.spec import DIGITS
from clients.unlearning.pruning.layers import feed_forward_weights, set_feed_forward_weights
from clients.unlearning.pruning.masks import density
from experiments.reproductions.attacks_parts import divided
from experiments.reproductions.command import Parser
from experiments.reproductions.intervals import text
from experiments.reproductions.lines import Line, Lines
from experiments.reproductions.roots_pairs import Weights, Work, masks_of
from experiments.reproductions.studies import BUDGETS, Study
from experiments.threads import one_thread
from server.audit.intervals import wilson
from server.revival.attack import revive
from server.revival.knowledge import WeightsOnly

VERSION = 1
"""Version of the measurements; increase it when the same settings give other numbers."""
WHOLE, AT_ONCE, IN_TURN = "nothing", "at once", "one after another"
Masks = Mapping[str, Tensor]


@dataclass(frozen=True)
class Cut:
    """Which concepts are cut, in this order, and how."""

    how: str
    concepts: tuple[int, ...]

    def __str__(self) -> str:
        return " ".join((*map(str, self.concepts), self.how))


@dataclass(frozen=True)
class Shares:
    """Share of samples judged right, by class, in the released model and after the completion of its zeros."""

    how: str
    concepts: tuple[int, ...]
    density: float
    released: Mapping[int, float]
    revived: Mapping[int, float]


def cuts(concepts: Sequence[int]) -> list[Cut]:
    """Return no cut, and the cuts of the first concept, of the first two, and so on, in both ways where they differ."""
    found = [Cut(WHOLE, ())]
    for count in range(1, len(concepts) + 1):
        found += [Cut(how, tuple(concepts[:count])) for how in (AT_ONCE, IN_TURN)[: min(count, 2)]]  # of one, both are the same
    return found


def masks(work: Work, denoiser: Denoiser, seed: int, cut: Cut) -> Masks:
    """Return which entries are cut from the denoiser, which stays unchanged."""
    original = feed_forward_weights(denoiser.unet)
    found = {layer: weight.isnan() for layer, weight in original.items()}
    try:
        for concept in cut.concepts:
            if cut.how == IN_TURN:
                set_feed_forward_weights(denoiser.unet, pruned(original, found))
            found = _joined(found, masks_of(work, denoiser, seed, concept))
    finally:
        set_feed_forward_weights(denoiser.unet, original)
    return found


def pruned(weights: Weights, masks: Masks) -> Weights:
    """Return the weights with the masked entries at zero."""
    return {layer: weight.masked_fill(masks[layer], 0.0) for layer, weight in weights.items()}


def measured(work: Work, denoiser: Denoiser, seed: int, cut: Cut, advance: Callable[[int], None]) -> Shares:
    """Return the shares of a cut; the denoiser stays unchanged. ``advance`` is called with 1 for each version that was sampled."""
    original, revival = feed_forward_weights(denoiser.unet), work.revival.settled(work.compute.device)
    where = masks(work, denoiser, seed, cut)
    released = pruned(original, where)

    def judged(weights: Weights) -> Mapping[int, float]:
        set_feed_forward_weights(denoiser.unet, weights)
        try:
            return metrics.score(denoiser, work.judge, 0, (seed, "samples"), budget=work.budget, sampling=work.sampling).each
        finally:
            set_feed_forward_weights(denoiser.unet, original)
            advance(1)

    shares = judged(released)
    revived = judged(revive(WeightsOnly(released), revival).weights) if cut.concepts else shares
    return Shares(cut.how, cut.concepts, density(where), shares, revived)


def name(work: Work, seed: int, cut: Cut) -> str:
    """Return the hash of everything that determines the shares of a cut."""
    return configuration_hash({"pair": work.pair(seed, 0), "several": VERSION, "how": cut.how, "concepts": list(cut.concepts)})


def study(work: Work) -> Study[Cut]:
    """Return the study of cuts."""

    def of(denoiser: Denoiser, seed: int, cut: Cut, advance: Callable[[int], None]) -> Line:
        return {"seed": seed, **asdict(measured(work, denoiser, seed, cut, advance))}

    return Study("several", work, partial(name, work), of, lambda cut: 2 if cut.concepts else 1)


def read(line: Line) -> Shares:
    """Return stored shares; JSON has turned classes into text."""
    released, revived = ({int(one): share for one, share in line[part].items()} for part in ("released", "revived"))
    return Shares(line["how"], tuple(line["concepts"]), line["density"], released, revived)


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
    parser.add_folders("runs/several")
    options = parser.parse_args(arguments)
    if options.samples < 1:
        parser.error(f"--samples {options.samples}: wants a positive number")
    if options.seed < 0:
        parser.error(f"--seed {options.seed}: wants a number from 0")
    if len(set(options.concepts)) < len(options.concepts) or len(options.concepts) > 9:
        parser.error(f"--concepts {' '.join(map(str, options.concepts))}: name up to nine, each once")
    parser.make_folders(options, Path("runs/several"))
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, cut, complete, and print the table."""
    options = _options(arguments)
    judge = JUDGES.load("svm")().learned(digits())
    budget = metrics.Budget(target=options.samples, others=options.samples)
    work = Work(divided(digits(), 0.2)[0], judge, DIGITS, BUDGETS[options.budget], budget=budget)
    lines = study(work).lines([options.seed], cuts(options.concepts), Lines(options.out), options.cache)
    console = Console(width=160)
    console.print(f"{options.budget} budget; training seed {options.seed}; judge {judge.accuracy:.3f} on held-out images")
    console.print(table([read(line) for line in lines], options.samples))
    print("Intervals are over samples (95 %, Wilson; of the worst, for all others together), not over trainings.")


if __name__ == "__main__":
    one_thread()
    main()
