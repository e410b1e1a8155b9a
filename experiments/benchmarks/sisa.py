"""Cost of deletions under SISA compared with the published formulas: ``python -m experiments.benchmarks.sisa [--quick]``.

The benchmark trains SISA on digits, deletes K rows in one batch or one by one, and divides the cost of retraining by the cost of the
deletions, in three units: rows x epochs (the formulas' unit), gradient steps (a partial batch counts as one) and processor seconds. The
first two are free of noise; they vary over repeats because rows, shards and requests are drawn anew. One request in R slices has few
possible costs, so the formula holds for ratios of means, not for each repeat.

One batch is compared with one retraining, K requests one after the other with K retrainings. A second table tells what shards cost
when they predict.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil, comb
from statistics import median
from time import process_time
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track

from clients import streams
from clients.data.bundled import Digits
from clients.data.rows import Ids, Rows
from clients.models.mlp import Mlp
from clients.models.network import Network
from clients.training import Arrays, Training
from clients.unlearning.contract import Problem
from clients.unlearning.exact.retrain import Retrain
from clients.unlearning.exact.retraining import Retrained
from clients.unlearning.exact.sharding import Sharded
from experiments.threads import one_thread

BASE = Mlp(hidden=(64,))
TRAINING = Training(epochs=10, batch_size=16)
PROBLEM = Problem((1, 8, 8), 10, rounds=1, training=TRAINING)
ROWS = 1440
REQUESTS = (1, 8, 18)
SHAPES = ((5, 1), (5, 4), (20, 1), (20, 4))
SHARDS = (1, 2, 5, 10, 20)


def slice_share(slices: int, requests: int) -> float:
    """Return the expected cost of K uniform requests in one shard, as a share of its training (Bourtoule et al. 2021)."""
    missed = sum(i * (1 - ((slices - i) / slices) ** requests) for i in range(1, slices + 1))
    return 2 / (slices * (slices + 1)) * missed


def batch_cost(rows: int, shards: int, slices: int, requests: int) -> float:
    """Return the expected number of retrained rows for K requests in one batch.

    For one slice the published ``N (1 - (1 - 1/S)^K) - K``; for more, each shard's hits k follow ``Binomial(K, 1/S)`` and cost
    ``slice_share(R, k)`` of it.
    """
    shares = (
        comb(requests, k) * (1 / shards) ** k * (1 - 1 / shards) ** (requests - k) * slice_share(slices, k) for k in range(requests + 1)
    )
    return rows * sum(shares) - requests


def serial_cost(rows: int, shards: int, slices: int, requests: int) -> float:
    """Return the expected number of retrained rows for K requests one by one: the published sum times one slice's share."""
    whole = (rows / shards + 1 / (2 * shards) - 1) * requests - requests**2 / (2 * shards)
    return whole * slice_share(slices, 1)


@dataclass
class Tally:
    """A network that counts the rows x epochs on which it is trained."""

    network: Network
    visits: int = 0

    def train(self, arrays: Arrays, x: npt.NDArray[Any], y: npt.NDArray[Any], **rest: Any) -> tuple[Arrays, int]:
        """Count the rows x epochs, and train."""
        self.visits += len(x) * len(rest["epochs"])
        return self.network.train(arrays, x, y, **rest)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.network, name)


@dataclass
class Cost:
    """A cost in rows x epochs, gradient steps and seconds."""

    visits: float = 0
    steps: float = 0
    seconds: float = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.visits + other.visits, self.steps + other.steps, self.seconds + other.seconds)

    def __truediv__(self, other: Cost) -> Cost:
        return Cost(self.visits / other.visits, self.steps / other.steps, self.seconds / other.seconds)


@dataclass
class Line:
    """Speed-ups of one configuration over the repeats."""

    shards: int
    slices: int
    requests: int
    mode: str
    formula: float
    measured: list[tuple[Cost, Cost]] = field(default_factory=list)
    """Cost of retraining and of forgetting, per repeat."""

    def show(self) -> str:
        """Return the line as printed."""
        means = sum(again.visits for again, _ in self.measured) / sum(spent.visits for _, spent in self.measured)
        ratios = [again / spent for again, spent in self.measured]
        columns = [[getattr(ratio, unit) for ratio in ratios] for unit in ("visits", "steps", "seconds")]
        spread = "  ".join(f"{median(column):6.2f} [{min(column):5.2f} .. {max(column):5.2f}]" for column in columns)
        return f"{self.shards:3d} {self.slices:3d} {self.requests:3d}  {self.mode:10s} {self.formula:7.2f} {means:7.2f}   {spread}"


def forget(model: Sharded | Retrained, request: Ids) -> Cost:
    """Carry out one request and return its cost."""
    tally = Tally(model.network)
    model.network = tally  # type: ignore[assignment]
    begin = process_time()
    steps = model.forget(request).cost.gradient_steps
    seconds = process_time() - begin
    model.network = tally.network
    return Cost(tally.visits, steps, seconds)


def measure(lines: dict[tuple[int, int, int, str], Line], rows: Rows, repeat: int) -> None:
    """Add one repeat to every line."""
    key = ("sisa benchmark", repeat)
    gone = rows.ids[streams.order(rows.ids, *key, "requests")[: max(REQUESTS)]]
    plain = Retrained(Retrain(base=BASE), PROBLEM, key)
    plain.fit(rows)
    fitted = plain.state()
    again: dict[int, Cost] = {}
    for requests in REQUESTS:
        plain.restore(fitted, rows)
        again[requests] = forget(plain, gone[:requests])
    for shards, slices in SHAPES:
        model = Sharded(BASE, shards, slices, "mean", PROBLEM, key)
        model.fit(rows)
        state = model.state()
        for requests in REQUESTS:
            model.restore(state, rows)
            lines[shards, slices, requests, "batch"].measured.append((again[requests], forget(model, gone[:requests])))
        model.restore(state, rows)
        spent = Cost()
        for i, row in enumerate(gone, start=1):
            spent += forget(model, np.array([row]))
            if i in REQUESTS:
                lines[shards, slices, i, "one by one"].measured.append((retrainings(len(rows), i, again[1].seconds), spent))


def retrainings(rows: int, requests: int, seconds: float) -> Cost:
    """Return the cost of retraining after each of K requests; seconds are K times the measured seconds of the first."""
    kept = range(rows - requests, rows)
    epochs = TRAINING.epochs
    return Cost(epochs * sum(kept), epochs * sum(ceil(n / TRAINING.batch_size) for n in kept), requests * seconds)


def benchmark(repeats: int) -> list[Line]:
    """Return the table's lines after the given number of repeats."""
    data = Digits().load()
    lines: dict[tuple[int, int, int, str], Line] = {}
    for shards, slices in SHAPES:
        for requests in REQUESTS:
            batch = (ROWS - requests) / batch_cost(ROWS, shards, slices, requests)
            serial = sum(range(ROWS - requests, ROWS)) / serial_cost(ROWS, shards, slices, requests)
            lines[shards, slices, requests, "batch"] = Line(shards, slices, requests, "batch", batch)
            lines[shards, slices, requests, "one by one"] = Line(shards, slices, requests, "one by one", serial)
    for repeat in track(range(repeats), "repeats", console=Console(stderr=True)):
        ids = np.sort(streams.order(np.arange(len(data.y)), "sisa benchmark", repeat, "rows")[:ROWS])
        measure(lines, Rows(ids, data.x[ids], data.y[ids]), repeat)
    return list(lines.values())


def predictions(repeats: int) -> dict[int, list[float]]:
    """Return the processor seconds of a prediction of all rows by each number of shards, per repeat."""
    data = Digits().load()
    seconds: dict[int, list[float]] = {shards: [] for shards in SHARDS}
    for repeat in range(repeats):
        for shards in SHARDS:
            model = Sharded(BASE, shards, 1, "mean", PROBLEM, ("sisa predictions", repeat))
            model.fit(Rows(np.arange(len(data.y)), data.x, data.y))
            model.predict_proba(data.x)
            begin = process_time()
            model.predict_proba(data.x)
            seconds[shards].append(process_time() - begin)
    return seconds


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Speed-up of SISA deletions over retraining, beside the published formulas.")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="two repeats")
    options = parser.parse_args(arguments)
    if options.repeats < 1:
        parser.error(f"--repeats {options.repeats}: wants a positive number")
    repeats = 2 if options.quick else options.repeats
    print(f"digits: {ROWS} rows, {BASE.kind} {list(BASE.hidden)}, {TRAINING.epochs} epochs, batches of {TRAINING.batch_size}, one thread")
    print(
        f"speed-up over retraining, S shards, R slices, K requests, {repeats} repeats: the formula (a ratio of expected costs), the ratio"
    )
    print("of mean rows x epochs, and for each unit the median [least .. most] of the repeats' ratios")
    units = "  ".join(f"{unit:>23s}" for unit in ("rows x epochs", "gradient steps", "seconds"))
    print(f"{'S':>3s} {'R':>3s} {'K':>3s}  {'requests':10s} {'formula':>7s} {'means':>7s}   {units}")
    for line in benchmark(repeats):
        print(line.show())
    taken = predictions(repeats)
    print("\nprediction of all rows of digits by S shards, processor time, against one network: median [least .. most] of the ratios")
    for shards, seconds in taken.items():
        ratios = [time / one for time, one in zip(seconds, taken[1], strict=True)]
        print(f"{shards:3d}  {median(seconds) * 1e3:8.2f} ms  {median(ratios):6.2f} [{min(ratios):5.2f} .. {max(ratios):5.2f}]")


if __name__ == "__main__":
    one_thread()
    main()
