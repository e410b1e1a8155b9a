"""Measurements on denoisers of several training seeds, stored one by one, so that the same command goes on after any interruption."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from rich.console import Console

from clients.diffusion.denoiser import Denoiser
from clients.diffusion.images import digits
from clients.diffusion.judges.spec import JUDGES
from clients.diffusion.judges.svm import Judge
from clients.diffusion.spec import DIGITS, FULL_BUDGET, QUICK_BUDGET
from clients.diffusion.training import Progress
from clients.unlearning.contract import UnlearningError
from experiments.reproductions.command import Parser
from experiments.reproductions.lines import Line, Lines
from experiments.reproductions.roots_pairs import Work, trained
from simulator.checkpoints.progress import Bars

What = TypeVar("What", bound=Hashable)
BUDGETS = {"full": FULL_BUDGET, "quick": QUICK_BUDGET}


@dataclass(frozen=True)
class Study(Generic[What]):
    """What is measured of the denoiser of each training seed: several things, each a stored line.

    Parameters
    ----------
    prog : str
        The command's name.
    work : Work
    name : callable
        Returns the hash of everything that determines the measurement of a seed and a thing.
    measure : callable
        Given denoiser, seed, thing, and a function to be called with the number of steps just done, returns the line, without its hash;
        the denoiser stays unchanged.
    steps : callable
        Returns the number of steps of a thing's measurement.
    summary : callable, optional
        Returns what to say of a line as soon as it is measured.
    others : sequence of (Work, int), optional
        Other denoisers that measurements load from the cache, by training seed; they are trained before.
    """

    prog: str
    work: Work
    name: Callable[[int, What], str]
    measure: Callable[[Denoiser, int, What, Callable[[int], None]], Line]
    steps: Callable[[What], int]
    summary: Callable[[Line], str] = lambda _: "measured"
    others: Sequence[tuple[Work, int]] = ()

    def lines(self, seeds: Sequence[int], things: Sequence[What], store: Lines, cache: Path) -> list[Line]:
        """Return the lines of all seeds and things, in this order; missing ones are measured and stored; exit if that is interrupted."""
        try:
            return self._lines(seeds, things, store, cache)
        except KeyboardInterrupt:
            _say(f"{self.prog}: interrupted; what is finished is in {store.lines}, and the same command goes on from there")
            sys.exit(130)
        except UnlearningError as error:
            _say(f"{self.prog}: {error}")
            sys.exit(1)

    def _lines(self, seeds: Sequence[int], things: Sequence[What], store: Lines, cache: Path) -> list[Line]:
        done = store.finished()
        for seed in seeds:
            left = [thing for thing in things if self.name(seed, thing) not in done]
            if not left:
                continue
            with Bars() as drawn:
                for work, other in self.others:
                    trained(work, other, cache, training_bars(drawn, other))
                denoiser, found = trained(self.work, seed, cache, training_bars(drawn, seed))
                _say(f"seed {seed}: denoiser {'from the cache' if found else 'trained'}; {len(left)} of {len(things)} to measure")
                for number, thing in enumerate(left, 1):
                    advance = drawn.stage(f"seed {seed}, {_words(thing)}", self.steps(thing))
                    line = {"pair": self.name(seed, thing), **self.measure(denoiser, seed, thing, advance)}
                    store.append(line)
                    done[line["pair"]] = line
                    _say(f"seed {seed}, {_words(thing)}: {self.summary(line)} ({number} of {len(left)})")
        return [done[self.name(seed, thing)] for seed in seeds for thing in things]


def _words(thing: Hashable) -> str:
    parts = thing if isinstance(thing, tuple) else (thing,)
    return ", ".join(f"concept {part}" if isinstance(part, int) else str(part) for part in parts)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def training_bars(drawn: Bars, seed: int) -> Progress:
    """Return a callback that shows one progress bar per training phase in ``drawn``."""
    stages: dict[str, Callable[[int], None]] = {}

    def progress(phase: str, step: int, total: int) -> None:
        if phase not in stages:
            stages[phase] = drawn.stage(f"seed {seed}, training, {phase}", total)
        stages[phase](1)

    return progress


def add_spans(parser: Parser, seeds: Sequence[int], concepts: Sequence[int]) -> None:
    """Add ``--seeds`` and ``--concepts`` with their defaults."""
    parser.add_argument("--seeds", type=int, nargs="+", default=list(seeds), help="training seeds")
    parser.add_argument("--concepts", type=int, nargs="+", choices=range(10), default=list(concepts), help="classes to erase one by one")


def check_spans(parser: Parser, options: argparse.Namespace, *more: str) -> None:
    """Exit with an error if a seed is negative, or a seed, a concept, or a value of ``more`` options is given twice."""
    if wrong := [seed for seed in options.seeds if seed < 0]:
        parser.error(f"--seeds {wrong[0]}: wants numbers from 0")
    for name in ("seeds", "concepts", *more):
        if len(set(getattr(options, name))) < len(getattr(options, name)):
            parser.error(f"--{name}: one is given twice; name each once")


def heading(budget: str, options: argparse.Namespace, judge: Judge) -> str:
    """Return the line above the tables: the budget of training, seeds, concepts, and how good the judge is."""
    seeds, concepts = (", ".join(map(str, values)) for values in (options.seeds, options.concepts))
    return f"{budget} budget; training seeds {seeds}; concepts {concepts}; judge {judge.accuracy:.3f} on held-out images"


def by_concept(
    prog: str, doc: str, concepts: Sequence[int], study: Callable[[Work], Study[int]], arguments: Sequence[str] | None
) -> list[Line]:
    """Return the lines of a study of digits on the command line of ``prog``, whose default concepts are given; print the heading."""
    parser = Parser(prog, doc)
    add_spans(parser, (0, 1, 2), concepts)
    parser.add_argument("--budget", choices=list(BUDGETS), default="full", help="training steps: for figures, or sooner")
    parser.add_folders(f"runs/{prog}-BUDGET")
    options = parser.parse_args(arguments)
    check_spans(parser, options)
    parser.make_folders(options, Path(f"runs/{prog}-{options.budget}"))
    judge = JUDGES.load("svm")().learned(digits())
    work = Work(digits(), judge, DIGITS, BUDGETS[options.budget])
    lines = study(work).lines(options.seeds, options.concepts, Lines(options.out), options.cache)
    Console(width=140).print(heading(options.budget, options, judge))
    return lines
