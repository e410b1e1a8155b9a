"""Audits by shadow models, what they cost and what they see: ``python -m experiments.benchmarks.audits [--quick]``.

Digits, a network 64-64-10. Shadow models are trained on keyed halves of the rows and, for the audits that compare distributions of
margins (forgetting quality, KLoM), on all of them. *Did nothing* had the rows to forget and ignored the request; *retrained* and
*retrained again* never had them, as the models with which each of the three is compared. Seconds are processor seconds of one thread.
"""

from __future__ import annotations

import argparse
import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when NumPy is imported

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from statistics import median
from time import process_time
from typing import NamedTuple

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from clients import streams
from clients.data.bundled import Digits
from clients.models.mlp import Mlp
from clients.models.network import Network
from clients.models.shadows import halves
from clients.models.stacked import Members, Stack
from clients.training import Adam, Arrays, Training
from experiments.intervals import interval
from server.audit.calibration import Pair, mean_interval, mixed, swapped, threshold
from server.audit.forgetting_quality import resolved
from server.audit.klom import divergences, gaussian_divergences
from server.audit.margins import Floats, margins
from server.audit.ranking import Interval, Scored, area, area_interval
from server.audit.rmia import relative_scores
from server.audit.ruli import kernel_ratios
from server.audit.u_lira import likelihood_ratios

TRAINING = Training(batch_size=32, optimizer=Adam(lr=3e-3))
EPOCHS, ROWS = range(20), 1200
SHARE = 6
"""One row of so many is to be forgotten."""

KINDS = ("did nothing", "retrained", "retrained again")
DISTANCES = {"forgetting quality, epsilon": resolved, "KLoM, nats": divergences, "KLoM, Gaussian, nats": gaussian_divergences}


class Seed:
    """Rows, those to forget, and shadow models of one seed.

    Parameters
    ----------
    seed : int
    models : int
        Shadow models of each kind.
    rows : int
    """

    def __init__(self, seed: int, models: int, rows: int = ROWS) -> None:
        data, self.key = Digits().load(), ("audits benchmark", seed)
        drawn = streams.order(np.arange(len(data)), *self.key)
        self.rows, self.population = data.rows(np.sort(drawn[:rows])), data.rows(np.sort(drawn[rows:]))
        self.network = Network(Mlp(hidden=(64,)), data.shape, data.classes)
        self.stack, self.half = Stack(self.network), halves(self.rows.ids, models, self.key)
        self.gone = np.isin(self.rows.ids, streams.bottom(rows // SHARE, self.rows.ids.tolist(), *self.key, "gone"))
        self.inside = self.half[:, self.gone]

    def keys(self, kind: str) -> list[tuple[str | int, ...]]:
        """Return the key of each model."""
        return [(*self.key, kind, k) for k in range(len(self.half))]

    def together(self, members: Members, kind: str) -> Arrays:
        """Return the weights of all models, trained as one."""
        start, rows, keys = self.stack.initial(self.keys(kind)), self.rows, self.keys(kind)
        return self.stack.train(start, rows.x, rows.y, members=members, epochs=EPOCHS, ids=rows.ids, keys=keys, settings=TRAINING)

    def one_by_one(self, members: Members, kind: str) -> list[Arrays]:
        """Return the weights of all models, each trained alone."""
        found = []
        for key, own in zip(self.keys(kind), (self.rows.keep(one) for one in members), strict=True):
            start = self.network.initial(key)
            found.append(self.network.train(start, own.x, own.y, epochs=EPOCHS, ids=own.ids, key=key, settings=TRAINING)[0])
        return found

    def outputs(self, members: Members, kind: str) -> Floats:
        """Return margins of models trained on these rows: (models, rows to forget, then rows that nobody held)."""
        weights, parts = self.together(members, kind), (self.rows.keep(self.gone), self.population)
        return np.concatenate([margins(self.stack.logits(weights, part.x), part.y) for part in parts], axis=1)

    def kinds(self, members: Members, part: str) -> dict[str, Floats]:
        """Return the margins of the three kinds of models, and of those with which they are compared, under ``never``."""
        without = members & ~self.gone
        return {kind: self.outputs(members if kind == KINDS[0] else without, f"{part}, {kind}") for kind in (*KINDS, "never")}


def ranked(one: Seed) -> dict[str, Callable[[Floats, Floats], Scored]]:
    """Return the audits that rank rows, by name: from margins of judged models and of those that never had the rows."""
    gone = int(one.gone.sum())

    def relative(judged: Floats, never: Floats) -> Scored:
        found = relative_scores(*(part for z in (judged, never) for part in np.split(z, [gone], axis=1)))
        return Scored(np.where(one.inside, found, np.nan), np.where(one.inside, np.nan, found))

    return {
        "U-LiRA, area": lambda judged, never: likelihood_ratios(judged[:, :gone], never[:, :gone], one.inside),
        "RULI, area": lambda judged, never: kernel_ratios(judged[:, :gone], judged[:, :gone], one.inside),
        "RMIA, area": relative,
    }


class Line(NamedTuple):
    """What an audit says of each kind of models, and what chance gives: the 95 % quantile over splits of retrained models."""

    found: dict[str, Interval]
    chance: float

    def caught(self, kind: str) -> bool:
        """Return whether the interval lies apart from that of other retrained models."""
        return not self.found[kind].overlaps(self.found[KINDS[1] if kind == KINDS[2] else KINDS[2]])


def _area(scored: Callable[[Floats, Floats], Scored], judged: Floats, never: Floats) -> float:
    return area(*scored(judged, never).groups)


def _mean(distances: Callable[[Floats, Floats], Floats], judged: Floats, never: Floats) -> float:
    return float(distances(judged, never).mean())


def measure(one: Seed) -> dict[str, Line]:
    """Return a line for each audit."""
    lines: dict[str, Line] = {}
    half = one.kinds(one.half, "half")
    for name, scored in ranked(one).items():
        found = {kind: area_interval(scored(half[kind], half["never"]), one.key) for kind in KINDS}
        lines[name] = Line(found, _chance(partial(_area, scored), swapped(half[KINDS[2]], half["never"], one.key)))
    whole = {kind: z[:, : one.gone.sum()] for kind, z in one.kinds(np.ones_like(one.half), "whole").items()}
    for name, distances in DISTANCES.items():
        found = {kind: mean_interval(distances, whole[kind], whole["never"], one.key) for kind in KINDS}
        lines[name] = Line(found, _chance(partial(_mean, distances), mixed(whole[KINDS[2]], whole["never"], one.key)))
    return lines


def _chance(figure: Callable[[Floats, Floats], float], pairs: Iterator[Pair]) -> float:
    return threshold(np.array([figure(*pair) for pair in pairs]))


def seconds(work: Callable[[], object]) -> float:
    """Return the processor seconds that work takes."""
    began = process_time()
    work()
    return process_time() - began


def u_lira(one: Seed) -> Interval:
    """Return what U-LiRA says of models that did nothing, from their training to the interval."""
    judged, never = one.outputs(one.half, "judged"), one.outputs(one.half & ~one.gone, "never")
    return area_interval(ranked(one)["U-LiRA, area"](judged, never), one.key)


def speed(one: Seed, rounds: int) -> Iterator[str]:
    """Yield lines on a stack's seconds beside those of as many models one by one, in turns."""
    alone, stacked = one.one_by_one(one.half, "timed"), one.together(one.half, "timed")
    apart = max(float(np.abs(weights[name] - stacked[name][k]).max()) for k, weights in enumerate(alone) for name in weights)
    yield f"{len(one.half)} models: weights of the stack differ from those trained alone by {apart:.1e} at most"
    pairs = [tuple(seconds(partial(train, one.half, "timed")) for train in (one.one_by_one, one.together)) for _ in range(rounds)]
    ratios = sorted(slow / fast for slow, fast in pairs)
    yield (
        f"medians of {rounds} rounds in turns: stack {median(fast for _, fast in pairs):.2f} s, one by one "
        f"{median(slow for slow, _ in pairs):.2f} s; ratio {median(ratios):.2f}, {ratios[0]:.2f} to {ratios[-1]:.2f}"
    )
    whole = sorted(seconds(partial(u_lira, one)) for _ in range(rounds))
    yield f"U-LiRA, from training to interval: {median(whole):.1f} s, {whole[0]:.1f} to {whole[-1]:.1f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what shadow models cost, and what each audit says of models that forgot and of those that did not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="one seed of 150 rows, 8 models of each kind, one round")
    quick = parser.parse_args(arguments).quick
    seeds, models, rows, rounds = (1, 8, 150, 1) if quick else (5, 64, ROWS, 5)
    torch.set_num_threads(1)
    print("processor seconds of one thread", *speed(Seed(0, models, rows), rounds), sep="\n")
    found = [measure(Seed(seed, models, rows)) for seed in track(range(seeds), "seeds", console=Console(stderr=True))]
    drawn = Table(title=f"{models} models of each kind, {rows // SHARE} of {rows} rows forgotten, {seeds} seeds, 95 % intervals")
    for heading in ("audit", *KINDS, "chance", *(f"caught: {kind}" for kind in KINDS[:2])):
        drawn.add_column(heading, justify="left" if heading == "audit" else "right")
    for name in found[0]:
        every = [one[name] for one in found]
        values = [interval([line.found[kind].value for line in every]) for kind in KINDS]
        caught = [f"{sum(line.caught(kind) for line in every)} of {seeds}" for kind in KINDS[:2]]
        drawn.add_row(name, *values, interval([line.chance for line in every]), *caught)
    Console(width=160).print(drawn)
    print("chance: 95 % quantile between retrained models; caught: the seed's interval lies apart from that of retrained again")


if __name__ == "__main__":
    main()
