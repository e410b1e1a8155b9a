"""What the approximate family leaves of rows: ``python -m experiments.benchmarks.approximate [--quick] [--mnist FOLDER]``.

Deletions, of rows of one class, and corrections of labels are measured by the share of the distance to retraining that is left, on
generated rows of two classes; influence by accuracy, F1 and the area under the curve on digits; time on the threes and eights among the
MNIST test images. Guo et al. (ICML 2020) tell 0.04 s a removal and 15.6 s a training, of six times as many images.
"""

from __future__ import annotations

import argparse
import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when NumPy is imported

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from time import thread_time
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from clients import streams
from clients.data import DataError, Dataset
from clients.data.bundled import Digits
from clients.data.idx import Idx
from clients.data.rows import Rows
from clients.models.mlp import Mlp
from clients.models.network import Network
from clients.training import Adam, Training
from clients.unlearning.approximate.certified.correcting import Correcting
from clients.unlearning.approximate.certified.features_labels import FeaturesLabels
from clients.unlearning.approximate.certified.removal import Removing
from clients.unlearning.approximate.certified.spec import CertifiedRemoval
from clients.unlearning.approximate.statistics.spec import InfinitesimalJackknife, NewtonStatistics
from clients.unlearning.contract import Problem, UnlearnerSpec
from clients.unlearning.convex.learner import ConvexLearner
from clients.unlearning.convex.spec import Convex
from clients.unlearning.general.contract import Learning
from clients.unlearning.general.influence import Influence
from experiments.benchmarks.certified_removal import generated, retrained
from experiments.intervals import interval
from server.audit.validation import validate

ROWS, COLUMNS = 400, 3
GONE = (4, 8, 16, 32)
"""Rows that are deleted."""

FAMILY: Mapping[str, UnlearnerSpec] = {
    "infinitesimal_jackknife": InfinitesimalJackknife(),
    "newton_statistics": NewtonStatistics(),
    "certified_removal": CertifiedRemoval(),
}
PENALTIES, SHARES = (0.001, 0.01, 0.1), (0.01, 0.02, 0.05, 0.1)


def fitted(spec: UnlearnerSpec, rows: Rows, seed: int) -> ConvexLearner:
    """Return the learner of a spec, trained on rows of two classes."""
    model: ConvexLearner = spec.build(Problem((rows.x.shape[1],), 2), ("approximate benchmark", seed))
    model.fit(rows)
    return model


def apart(one: ConvexLearner, other: ConvexLearner) -> float:
    """Return the distance between two models' parameters before noise."""
    return float((one.weights - other.weights).norm())


def deleted(spec: UnlearnerSpec, count: int, seed: int) -> tuple[float, float]:
    """Return the distances to retraining after deleting so many rows of one class, and of doing nothing."""
    rows = generated(ROWS, COLUMNS, False, seed)
    gone = rows.only(np.sort(streams.bottom(count, rows.ids[rows.y == 1].tolist(), "gone", seed)))
    model, target = fitted(spec, rows, seed), fitted(spec, rows.without(gone.ids), seed)
    before = apart(model, target)
    model.forget(gone if spec.needs_rows else gone.ids)  # type: ignore[arg-type]
    return apart(model, target), before


def corrected(order: str, penalty: float, share: float, seed: int) -> float:
    """Return the share of the distance to retraining that correcting wrong labels of one class leaves."""
    right = generated(ROWS, COLUMNS, False, seed)
    ones = right.keep(right.y == 1)
    ones = ones.keep(np.arange(len(ones)) < share * len(right))
    wrong = right.without(ones.ids).joined(Rows(ones.ids, ones.x, 1 - ones.y))
    spec = FeaturesLabels(base=Convex(penalty=penalty), order=order)  # type: ignore[arg-type]
    model, target = fitted(spec, wrong, seed), fitted(spec, right, seed)
    before = apart(model, target)
    assert isinstance(model, Correcting)
    model.correct(ones)
    return apart(model, target) / before


def validated(seed: int) -> dict[str, dict[str, float | None]]:
    """Return, by model, accuracy, F1 and area on rows to forget (one tenth), retained and test rows of digits."""
    data = Digits().load()
    order = streams.order(np.arange(len(data)), "influence", seed)
    forget, retain, test = (data.rows(np.sort(part)) for part in (order[:80], order[80:800], order[800:]))
    network = Network(Mlp(hidden=(32,)), data.shape, data.classes)
    learning = Learning(network, Training(epochs=30, optimizer=Adam(lr=0.003)), 1, ("approximate benchmark", seed))
    original = learning.train(learning.initial(), retain.joined(forget), range(1))[0]
    models = {
        "original": original,
        "influence": Influence().apply(original, learning, forget, retain, ("approximate benchmark", seed))[0],
        "retrained": learning.train(learning.initial(), retain, range(1))[0],
    }
    found = {}
    for name, weights in models.items():
        parts = {"forget": forget, "retain": retain, "test": test}
        told = {part: validate(rows.y, network.probabilities(weights, rows.x)) for part, rows in parts.items()}
        found[name] = {f"{part} {measure}": value for part, one in told.items() for measure, value in one._asdict().items()}
    return found


def timed(data: Dataset, removals: int) -> dict[str, tuple[float, float, float]]:
    """Return, by kind of Hessian, mean seconds of a removal, of a training, and of L-BFGS from the present parameters."""
    some = data.rows(np.flatnonzero(np.isin(data.y, (3, 8))))
    pixels = Rows(some.ids, some.x.reshape(len(some), -1), (some.y == 8).astype(np.int64))
    found = {}
    for hessian in ("fresh", "kept"):
        spec = CertifiedRemoval(base=Convex(penalty=1e-3), sigma=10.0, hessian=hessian)  # type: ignore[arg-type]
        begin = thread_time()
        model = fitted(spec, pixels, 0)
        training, times, again = thread_time() - begin, [], []
        assert isinstance(model, Removing)
        for row in pixels.ids[:removals]:
            start, begin = model.weights, thread_time()
            model.forget(np.array([row]))
            times.append(thread_time() - begin)
            again.append(retrained(model.objective(), start))
        found[hessian] = mean(times), training, mean(again)
    return found


def print_deletions(seeds: range, console: Console) -> None:
    """Print distances by method and number of rows, and the power of the number with which they grow."""
    table = Table(title=f"deletions of rows of one class: share of the distance left; n = {ROWS}, d = {COLUMNS}, {len(seeds)} seeds, 95 %")
    for heading in ("method", *(f"{count} rows" for count in GONE), "grows with the power"):
        table.add_column(heading, justify="left" if heading == "method" else "right", no_wrap=True)
    for name, spec in FAMILY.items():
        found = np.array([[deleted(spec, count, seed) for count in GONE] for seed in seeds])
        cells = [interval((found[:, place, 0] / found[:, place, 1]).tolist(), 5) for place in range(len(GONE))]
        slopes = [float(np.polyfit(np.log(GONE), np.log(one), 1)[0]) for one in found[:, :, 0]]
        table.add_row(name, *cells, interval(slopes, 2) if name != "certified_removal" else "-")
    console.print(table)
    console.print("certified_removal takes a second step where the first leaves more than half the budget")


def print_corrections(seeds: range, console: Console) -> None:
    """Print the smallest and largest share of the distance that is left, by share of wrong labels and penalty."""
    table = Table(title=f"corrections: share of the distance left, smallest to largest; n = {ROWS}, d = {COLUMNS}, {len(seeds)} seeds")
    for heading in ("wrong labels", "order", *(f"penalty {penalty:g}" for penalty in PENALTIES)):
        table.add_column(heading, justify="right")
    for share in SHARES:
        for order in ("second", "first"):
            left = [sorted(corrected(order, penalty, share, seed) for seed in seeds) for penalty in PENALTIES]
            table.add_row(f"{share:.0%}", order, *(f"{one[0]:.4f} to {one[-1]:.4f}" for one in left))
    console.print(table)


def print_validation(seeds: range, console: Console) -> None:
    """Print accuracy, F1 and area of the original, after influence, and retrained."""
    table = Table(title=f"influence, digits, network of 32 hidden units, 80 of 800 rows forgotten, {len(seeds)} seeds, 95 %")
    found = [validated(seed) for seed in seeds]
    for heading in ("measure", *found[0]):
        table.add_column(heading, justify="left" if heading == "measure" else "right", no_wrap=True)
    for measure in found[0]["original"]:
        columns: list[list[Any]] = [[one[name][measure] for one in found] for name in found[0]]
        table.add_row(measure, *map(interval, columns))
    console.print(table)


def print_times(data: Dataset, removals: int, console: Console) -> None:
    """Print milliseconds of a removal beside those of training and of the cheapest retraining."""
    table = Table(title=f"MNIST test images, 3 against 8, d = 784, {removals} removals of one row, one thread")
    for heading in ("Hessian", "removal, ms", "training, ms", "training / removal", "L-BFGS from there, ms"):
        table.add_column(heading, justify="left" if heading == "Hessian" else "right")
    for hessian, (removal, training, again) in timed(data, removals).items():
        cells = f"{removal * 1e3:.1f}", f"{training * 1e3:.0f}", f"{training / removal:.1f}", f"{again * 1e3:.0f}"
        table.add_row(hessian, *cells)
    table.add_row("Guo et al.", "40", "15,600", "390", "")
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="two seeds, two removals")
    usual = Path(__file__).resolve().parents[3] / "shared" / "data" / "mnist"
    parser.add_argument("--mnist", type=Path, metavar="FOLDER", default=usual, help="with the IDX files of MNIST's test images")
    asked = parser.parse_args(arguments)
    try:
        images = None if asked.mnist == usual and not usual.is_dir() else Idx(dataset="idx", path=str(asked.mnist / "t10k")).load()
    except DataError as error:
        parser.error(f"--mnist {error}")
    torch.set_num_threads(1)
    seeds, console = range(2 if asked.quick else 5), Console(width=160)
    print_deletions(seeds, console)
    print_corrections(seeds, console)
    print_validation(seeds, console)
    if images:
        print_times(images, 2 if asked.quick else 10, console)
    else:
        console.print(f"no times: {asked.mnist} is not there, name the folder of MNIST's test images with --mnist")


if __name__ == "__main__":
    main()
