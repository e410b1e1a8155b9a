"""Detection of edited columns by a trained detector: ``python -m experiments.reproductions.reader [--own 11]``.

The attacker trains a denoiser of its own (with the quick budget), cuts every digit from it, fills the cuts with the expected fill, and
trains a detector of edited columns on many statistics of columns. It then applies the detector to the denoisers of ``roots``, which have
other training seeds and other secrets. The fills are compared with the original weights, which reveal only the columns that a concept would
select, and with the plain cut. Then the attacker cuts again where the detector points, and completes that: samples are judged as
released, after this attack, and after a completion that knows the mask. Denoisers come from the cache, or are trained.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev

from rich.console import Console
from rich.table import Table
from torch import Tensor

from clients import cache
from clients.diffusion.denoiser import Denoiser
from clients.diffusion.images import digits
from clients.diffusion.judges.spec import Svm
from clients.diffusion.spec import DIGITS, FULL_BUDGET, QUICK_BUDGET, DenoiserTraining
from clients.diffusion.subject import DenoiserSubject
from clients.unlearning.pruning.layers import feed_forward_weights, set_feed_forward_weights
from experiments.reproductions.command import Parser
from experiments.reproductions.intervals import text
from experiments.reproductions.roots_pairs import Weights, Work, trained
from server.defences.detection import score_auc
from server.defences.fills import FILLS, FillSpec
from server.defences.secret import Secret
from server.revival.attack import revive
from server.revival.knowledge import Example, WithMask
from server.revival.reader import Reader
from simulator.checkpoints.progress import Bars

USUAL = ["gaussian", "decoys", "redrawn_columns"]
Scores = dict[str, dict[str, float]]
"""Shares of samples by attack: ``target`` and ``others``."""
Hide = Callable[[Weights, Mapping[str, Tensor], int], Weights]
"""Maps a denoiser's weights, its cut and its training seed to the released weights."""


def cut(weights: Weights, masks: Mapping[str, Tensor]) -> Weights:
    """Return the weights with the cut entries set to zero."""
    return {name: weight.masked_fill(masks[name], 0.0) for name, weight in weights.items()}


def sealed(fill: FillSpec) -> Hide:
    """Return a function that fills the cut with the secret of the denoiser's own seed."""
    return lambda weights, masks, seed: fill.seal(cut(weights, masks), masks, Secret.of_run(seed)).weights


def releases(fills: Sequence[str]) -> dict[str, Hide]:
    """Return the kinds of release by name: no cut, the plain cut, and the given fills."""
    plain: dict[str, Hide] = {"original": lambda weights, masks, seed: weights, "pruned": lambda weights, masks, seed: cut(weights, masks)}
    return plain | {kind: sealed(FILLS.load(kind)()) for kind in fills}


def cuts(denoiser: Denoiser, work: Work, seed: int, concepts: Sequence[int]) -> list[Mapping[str, Tensor]]:
    """Return the masks of every concept, each of the whole denoiser."""
    return [work.eraser.erase(DenoiserSubject(denoiser, concept, (seed, "mask"), sampling=work.sampling), ()).masks for concept in concepts]


def attacked(
    work: Work, denoiser: Denoiser, releases: Sequence[Example], reader: Reader, seed: int, concepts: Sequence[int]
) -> list[Scores]:
    """Return for each concept the shares of samples that show it, and the others, as released and after each attack."""
    original, found = feed_forward_weights(denoiser.unet), []
    try:
        for concept, (weights, masks) in zip(concepts, releases, strict=True):
            versions = {
                "released": weights,
                "read": revive(WithMask(weights, reader.places(weights)), work.revival).weights,
                "known": revive(WithMask(weights, masks), work.revival).weights,
            }
            scores = {}
            for name, version in versions.items():
                set_feed_forward_weights(denoiser.unet, version)
                scores[name] = work.score(denoiser, seed, concept)
            found.append(scores)
    finally:
        set_feed_forward_weights(denoiser.unet, original)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Train or load, cut, fill and detect; print one row per kind of release."""
    parser = Parser("reader", __doc__ or "")
    parser.add_argument("--own", type=int, default=11, help="training seed of the attacker's denoiser")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="training seeds of the denoisers that are read")
    parser.add_argument("--concepts", type=int, nargs="+", choices=range(10), default=list(range(10)), help="digits to erase one by one")
    parser.add_argument("--fills", nargs="+", choices=list(FILLS.targets()), default=USUAL, help="fills to read")
    parser.add_argument("--cache", type=Path, default=cache.folder(), help="folder of trained denoisers")
    options = parser.parse_args(arguments)
    if options.own in options.seeds:
        parser.error(f"--own {options.own}: is among the seeds that are read; name another")
    images = digits()
    judge = Svm().learned(images)

    def erased(seed: int, training: DenoiserTraining) -> tuple[Work, Denoiser, list[Mapping[str, Tensor]]]:
        work = Work(images, judge, DIGITS, training)
        denoiser, _ = trained(work, seed, options.cache.expanduser())
        return work, denoiser, cuts(denoiser, work, seed, options.concepts)

    def released(hide: Hide, seed: int, denoiser: Denoiser, masks: Sequence[Mapping[str, Tensor]]) -> list[Example]:
        weights = feed_forward_weights(denoiser.unet)
        return [(hide(weights, mask, seed), mask) for mask in masks]

    _, own, my_cuts = erased(options.own, QUICK_BUDGET)
    theirs = {seed: erased(seed, FULL_BUDGET) for seed in options.seeds}
    table = Table(title="a trained reader of edited columns: area under the curve (± standard deviation over seeds), and who completes")
    for column in ("release", "area", "concept: released", "completed where it points", "mask known", "others: where it points"):
        table.add_column(column)
    with Bars() as bars:
        advance = bars.stage("kinds of release", (2 + len(options.fills)) * len(theirs))
        for name, hide in releases(options.fills).items():
            reader = Reader.of(released(hide, options.own, own, my_cuts))
            areas, found = [], list[Scores]()
            for seed, (work, denoiser, masks) in theirs.items():
                those = released(hide, seed, denoiser, masks)
                areas.append(mean(score_auc(reader.scores(version), mask).value for version, mask in those))
                if name != "original":
                    found += attacked(work, denoiser, those, reader, seed, options.concepts)
                advance(1)
            area = f"{mean(areas):.3f}" + (f" ± {stdev(areas):.3f}" if len(areas) > 1 else "")
            table.add_row(name, area, *_shares(found, next(iter(theirs.values()))[0]))
    Console(width=160).print(table)
    print("Intervals are over samples (95 %, Wilson), not over trainings.")


def _shares(found: Sequence[Scores], work: Work) -> list[str]:
    """Return shares with intervals over samples; dashes where nothing was attacked."""
    if not found:
        return ["-"] * 4
    counts = {"target": work.budget.target * len(found), "others": work.budget.others * (work.spec.classes - 1) * len(found)}
    asked = [("released", "target"), ("read", "target"), ("known", "target"), ("read", "others")]
    return [text(mean(one[attack][kind] for one in found), counts[kind]) for attack, kind in asked]


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)
    main()
