"""Detection of edited columns by a trained detector: ``python -m experiments.reproductions.reader [--own 11]``.

The attacker makes releases whose cuts it knows, trains a detector of edited columns on many statistics of columns, and applies it to the
denoisers of ``roots``, whose fills have another secret. It makes the releases of one of two models: a denoiser of its own (``own``: trained
with the quick budget and another seed, from which it cuts every digit), or the very model that was released (``released``: it cuts every
other digit from that). The fills are compared with the original weights, which reveal only the columns that a concept would select, and
with the plain cut. Then the attacker cuts again where the detector points, and completes that: samples are judged as released, after this
attack, and after a completion that knows the mask. Denoisers come from the cache, or are trained.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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
MODELS = {"own": "own denoiser", "released": "released model"}
"""What the attacker makes its examples of."""
Scores = dict[str, dict[str, float]]
"""Shares of samples by attack: ``target`` and ``others``."""


@dataclass(frozen=True)
class Measured:
    """What a reader found in one release: the area under its curve, and shares of samples; none if they were not judged."""

    seed: int
    area: float
    scores: Scores


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


@dataclass(frozen=True)
class Attacker:
    """What the attacker has beside a release: a denoiser of its own with masks of its digits, and a secret.

    Parameters
    ----------
    seed : int
        Training seed of that denoiser, and of the secret.
    weights : dict of str to tensor
    masks : sequence of dict of str to bool tensor
    """

    seed: int
    weights: Weights
    masks: Sequence[Mapping[str, Tensor]]

    def examples(self, hide: Hide) -> list[Example]:
        """Return releases of its own denoiser."""
        return [(hide(self.weights, masks, self.seed), masks) for masks in self.masks]

    def examples_of(self, work: Work, denoiser: Denoiser, released: Weights, concept: int, hide: Hide) -> list[Example]:
        """Return releases made of the released model, from which it cuts every digit but the erased one."""
        with holding(denoiser, released):
            made = cuts(denoiser, work, self.seed, [other for other in range(work.spec.classes) if other != concept])
        return [(hide(released, masks, self.seed), masks) for masks in made]


@contextmanager
def holding(denoiser: Denoiser, weights: Weights) -> Iterator[None]:
    """Give a denoiser other feed-forward output weights for a while."""
    original = feed_forward_weights(denoiser.unet)
    set_feed_forward_weights(denoiser.unet, weights)
    try:
        yield
    finally:
        set_feed_forward_weights(denoiser.unet, original)


def scored(work: Work, denoiser: Denoiser, weights: Weights, seed: int, concept: int) -> dict[str, float]:
    """Return shares of samples that show the concept, and the others."""
    with holding(denoiser, weights):
        return work.score(denoiser, seed, concept)


def measure(
    work: Work, denoiser: Denoiser, release: Example, readers: Mapping[str, Reader], seed: int, concept: int, judged: bool
) -> dict[str, Measured]:
    """Return for each reader the area under its curve and, if samples are to be judged, the shares as released and after each attack."""
    weights, mask = dict(release[0]), release[1]
    areas = {model: score_auc(reader.scores(weights), mask).value for model, reader in readers.items()}
    if not judged:
        return {model: Measured(seed, area, {}) for model, area in areas.items()}
    shared = {"released": weights, "known": revive(WithMask(weights, mask), work.revival).weights}
    scores = {name: scored(work, denoiser, version, seed, concept) for name, version in shared.items()}
    read = {model: revive(WithMask(weights, reader.places(weights)), work.revival).weights for model, reader in readers.items()}
    return {
        model: Measured(seed, areas[model], scores | {"read": scored(work, denoiser, version, seed, concept)})
        for model, version in read.items()
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Train or load, cut, fill and detect; print a row for each kind of release and of examples."""
    parser = Parser("reader", __doc__ or "")
    parser.add_argument("--own", type=int, default=11, help="training seed of the attacker's denoiser")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="training seeds of the denoisers that are read")
    parser.add_argument("--concepts", type=int, nargs="+", choices=range(10), default=list(range(10)), help="digits to erase one by one")
    parser.add_argument("--fills", nargs="+", choices=list(FILLS.targets()), default=USUAL, help="fills to read")
    parser.add_argument("--examples", nargs="+", choices=list(MODELS), default=list(MODELS), help="what the attacker learns from")
    parser.add_argument("--cache", type=Path, default=cache.folder(), help="folder of trained denoisers")
    options = parser.parse_args(arguments)
    if options.own in options.seeds:
        parser.error(f"--own {options.own}: is among the seeds that are read; name another")
    images = digits()
    judge = Svm().learned(images)

    def learned(seed: int, training: DenoiserTraining) -> tuple[Work, Denoiser]:
        work = Work(images, judge, DIGITS, training)
        return work, trained(work, seed, options.cache.expanduser())[0]

    mine, own = learned(options.own, QUICK_BUDGET)
    attacker = Attacker(options.own, feed_forward_weights(own.unet), cuts(own, mine, options.own, range(10)))
    theirs = {seed: learned(seed, FULL_BUDGET) for seed in options.seeds}
    masks = {seed: cuts(denoiser, work, seed, options.concepts) for seed, (work, denoiser) in theirs.items()}
    kinds = releases(options.fills)
    found: dict[str, dict[str, list[Measured]]] = {name: {} for name in kinds}
    with Bars() as bars:
        advance = bars.stage("cuts", len(kinds) * len(theirs) * len(options.concepts))
        for name, hide in kinds.items():
            general = Reader.of(attacker.examples(hide)) if "own" in options.examples else None
            for seed, (work, denoiser) in theirs.items():
                for concept, mask in zip(options.concepts, masks[seed], strict=True):
                    released = hide(feed_forward_weights(denoiser.unet), mask, seed)
                    readers = {"own": general} if general else {}
                    if "released" in options.examples:
                        readers["released"] = Reader.of(attacker.examples_of(work, denoiser, released, concept, hide))
                    measured = measure(work, denoiser, (released, mask), readers, seed, concept, judged=name != "original")
                    for model, one in measured.items():
                        found[name].setdefault(model, []).append(one)
                    advance(1)
    show(found, next(iter(theirs.values()))[0])


def show(found: Mapping[str, Mapping[str, Sequence[Measured]]], work: Work) -> None:
    """Print a row for each kind of release and of examples."""
    table = Table(title="a trained reader of edited columns: area under the curve (± standard deviation over seeds), and who completes")
    for column in (
        "release",
        "examples of",
        "area",
        "concept: released",
        "completed where it points",
        "mask known",
        "others: where it points",
    ):
        table.add_column(column)
    for name, by_model in found.items():
        for model, rows in by_model.items():
            areas = [mean(row.area for row in rows if row.seed == seed) for seed in dict.fromkeys(row.seed for row in rows)]
            area = f"{mean(areas):.3f}" + (f" ± {stdev(areas):.3f}" if len(areas) > 1 else "")
            table.add_row(name, MODELS[model], area, *_shares([row.scores for row in rows if row.scores], work))
    Console(width=180).print(table)
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
