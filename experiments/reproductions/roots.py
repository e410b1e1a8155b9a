"""Roots beneath the cut, on a small denoiser: ``python -m experiments.reproductions.roots [--seeds 0 1 2] [--concepts 0 ... 9]``.

For every training seed a denoiser is trained, or loaded from the cache; every concept is cut from it, revived from the remaining weights,
hidden by a fill, and attacked again. Finished pairs of seed and concept are immediately stored as JSON lines in the output folder, so that
the same command continues after any interruption; commands for different seeds may share the folder.
The output compares our figures with the paper's ("Roots Beneath the Cut", Zhang et al., CVPR 2026, arXiv 2603.06640; Stable Diffusion 1.5,
12 classes of ImageNet), of which only those are shown on which two independent summaries of the paper agree.

With ``--styles plain inverted`` each image is in one of these styles, and a style can be erased as well: ``--concepts 3 inverted``.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console

from clients.data import DataError
from clients.data.idx import Idx
from clients.diffusion.denoiser import Denoiser
from clients.diffusion.images import STYLES, Images, digits, draw_styles, from_arrays
from clients.diffusion.judges.spec import JUDGES, doubt
from clients.diffusion.spec import DIGITS, MNIST16, Axis, Concept, DenoiserSpec
from experiments.bars import status
from experiments.reproductions.command import Parser
from experiments.reproductions.lines import Line, Lines
from experiments.reproductions.roots_pairs import Pair, Work, measure
from experiments.reproductions.roots_tables import FAILS, ROWS, Summary, bars, certainty, picture, tables
from experiments.reproductions.studies import BUDGETS, Study, check_spans
from experiments.threads import one_thread

AXES: tuple[Axis, Axis] = ("class", "style")


class Store(Lines):
    """Finished pairs in a folder: one line each in ``pairs.jsonl``, and one array of samples each in ``samples``."""

    def finished(self) -> dict[str, Pair]:
        """Return the pairs by their hash; damaged lines and pairs without samples are skipped."""
        return {name: pair for name, pair in super().finished().items() if self._array(name).is_file()}

    def keep(self, pair: Pair, samples: npt.NDArray[np.uint8]) -> None:
        """Store a pair's samples, whole or not at all."""
        array = self._array(pair["pair"])
        array.parent.mkdir(parents=True, exist_ok=True)
        part = array.with_suffix(f".{os.getpid()}.part")
        with part.open("wb") as file:
            np.save(file, samples)
        part.replace(array)

    def samples(self, pair: Pair) -> npt.NDArray[np.uint8]:
        """Return a pair's samples."""
        array: npt.NDArray[np.uint8] = np.load(self._array(pair["pair"]))
        return array

    def _array(self, pair: str) -> Path:
        return self.folder / "samples" / f"{pair[:16]}.npy"


def study(work: Work, store: Store) -> Study[Concept]:
    """Return the study of concepts; the samples of each are stored before its line, so that a line implies that they exist."""

    def name(seed: int, concept: Concept) -> str:
        return work.pair(seed, work.spec.concepts.index(concept))

    def of(denoiser: Denoiser, seed: int, concept: Concept, advance: Callable[[int], None]) -> Line:
        pair, samples = measure(work, denoiser, seed, work.spec.concepts.index(concept), advance)
        store.keep(pair, samples)
        return pair

    return Study("roots", work, name, of, lambda _: len(ROWS), _targets)


def _targets(pair: Pair) -> str:
    return ", ".join(f"{row} {pair['rows'][row]['target']:.2f}" for row in ("original", "pruned", "revived", "adaptive"))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser("roots", __doc__ or "")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="training seeds")
    parser.add_argument("--styles", nargs="+", choices=list(STYLES), default=[], help="two or more: styles of images, a second axis")
    parser.add_argument("--concepts", type=_concept, nargs="+", default=list(range(10)), help="classes, or styles, to erase one by one")
    parser.add_argument("--data", choices=["digits", "mnist"], default="digits", help="8 x 8, bundled; or 16 x 16, from --path")
    parser.add_argument("--path", type=Path, help="MNIST-style IDX files: a folder, or a prefix such as mnist/t10k")
    parser.add_argument("--budget", choices=list(BUDGETS), default="full", help="training steps: for figures, or sooner")
    parser.add_argument("--judge", choices=list(JUDGES.targets()), default="svm", help="who says what samples show")
    parser.add_compute()
    parser.add_folders("runs/roots-DATA-BUDGET")
    options = parser.parse_args(arguments)
    _refuse(options, parser)
    parser.make_folders(options, Path(f"runs/roots-{options.data}-{options.budget}"))
    return options


def _concept(text: str) -> Concept:
    """Return a class by its number, or a style by its name."""
    return int(text) if text.removeprefix("-").isdecimal() else text


def _refuse(options: argparse.Namespace, parser: Parser) -> None:
    """Exit with an error if arguments are wrong, or the images cannot be loaded."""
    if (options.data == "mnist") != (options.path is not None):
        parser.error("--path: give it with --data mnist, and only then")
    check_spans(parser, options, "styles")
    if wrong := [concept for concept in options.concepts if concept not in (*range(10), *options.styles)]:
        parser.error(f"--concepts {wrong[0]}: wants numbers from 0 to 9, or styles that --styles names")
    if len(options.styles) == 1:
        parser.error(f"--styles {options.styles[0]}: one alone cannot be told from others; name two or more")
    options.compute = parser.compute(options)
    try:
        options.work = _work(options)
    except DataError as error:
        parser.error(f"--path {error}")


def _work(options: argparse.Namespace) -> Work:
    if options.data == "digits":
        return _dressed(digits(), DIGITS, options)
    data = Idx(path=str(options.path)).load()
    if data.classes != 10:
        raise DataError(f"{options.path}: has {data.classes} classes; wants the ten of MNIST")
    return _dressed(from_arrays(data.x, data.y, MNIST16.size), MNIST16, options)


def _dressed(images: Images, spec: DenoiserSpec, options: argparse.Namespace) -> Work:
    """Return the work on unchanged images, or on images in one of the named styles each."""
    training, styles, compute = BUDGETS[options.budget], tuple(options.styles), options.compute
    learned = partial(JUDGES.load(options.judge)().learned, images, styles=styles, compute=compute)
    if not styles:
        return Work(images, learned(), spec, training, compute=compute)
    class_judge, style_judge = (learned(axis=axis) for axis in AXES)
    dressed = spec.model_copy(update={"styles": styles})
    return Work(draw_styles(images, styles, ("roots",)), class_judge, dressed, training, style_judge=style_judge, compute=compute)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train and measure; print the tables and the bars, and draw one picture per seed; return 1 if a bar fails, else 0."""
    options = _options(arguments)
    store, console = Store(options.out), Console(width=140)
    pairs = study(options.work, store).lines(options.seeds, options.concepts, store, options.cache)
    told: list[str] = []
    for kind, judge in ((int, options.work.judge), (str, options.work.style_judge)):
        if own := [pair for pair in pairs if isinstance(pair["concept"], kind)]:
            summary = Summary(own)
            console.print(f"{options.data}, {options.budget} budget; {summary.span()}; judge {judge.accuracy:.3f} on held-out images")
            if line := doubt(judge.accuracy):
                print(f"warning: {line}")
            for table in tables(summary):
                console.print(table)
            print(certainty(summary, options.work.counts(kind is str)))
            found = bars(summary, "styled" if options.styles else options.data)
            print("bars, on means over these seeds and concepts:", *found, sep="\n")
            told += found
    print("The fill hides where the cut is, not what it was; this is a toy, and nothing here was run on a real checkpoint.")
    for seed in options.seeds:
        own = [pair for pair in pairs if pair["seed"] == seed]
        path = options.out / f"seed{seed}.png"
        picture(own, {pair["concept"]: store.samples(pair) for pair in own}, path)
        print(f"picture of seed {seed}: {path}")
    return status([not line.startswith(FAILS) for line in told])


if __name__ == "__main__":
    one_thread()
    sys.exit(main())
