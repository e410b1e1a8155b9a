"""Noise during training, which limits each row from the start: ``python -m experiments.benchmarks.private_training [--quick]``.

DP-SGD (Abadi et al., "Deep Learning with Differential Privacy", CCS 2016, algorithm 1) on digits, beside training without it and beside
retraining: what it costs in accuracy, and what it spares whoever must forget. Epsilon is that of the package opacus:
``pip install -c constraints.txt -e '.[private]'``. `clients.privacy` has the same steps for peers of a federation.
"""

from __future__ import annotations

import argparse
import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when NumPy is imported

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from clients import streams
from clients.data.bundled import Digits
from clients.data.rows import Rows
from clients.models.mlp import Mlp
from clients.models.network import Network
from clients.privacy.accountant import NEEDED, Spent, installed
from clients.privacy.descent import clipped, noised
from clients.training import Arrays, to_arrays
from experiments.intervals import interval

DELTA = 1e-4
NOISES = (0.0, 0.7, 1.0, 2.0, 4.0)
"""Standard deviations of the noise, in units of the clipping norm."""
LEARNED, GONE = 800, 80
"""Rows of the training, and those among them that are forgotten."""


@dataclass(frozen=True)
class Private:
    """Settings of DP-SGD.

    Parameters
    ----------
    noise : float
        Standard deviation of the noise on the sum of gradients, in units of ``clip``.
    clip : float
        Largest norm of a row's gradient.
    rate : float
        Probability with which a step draws a row, each by itself.
    steps : int
    lr : float
    """

    noise: float
    clip: float = 1.0
    rate: float = 0.1
    steps: int = 300
    lr: float = 0.5

    def epsilon(self, delta: float) -> float:
        """Return epsilon for one row that is there or not, by opacus' accountant of Renyi divergences; infinite without noise."""
        return Spent({self.rate: self.steps}).epsilon(self.noise, delta) if self.noise else math.inf


def trained(network: Network, rows: Rows, settings: Private, key: tuple[streams.Field, ...]) -> Arrays:
    """Return a network's weights after DP-SGD; which rows a step draws, and its noise, do not depend on the other rows."""
    module = network.build((*key, "start")).eval()
    x, y = network.inputs(rows.x), network.targets(rows.y)
    length = settings.lr / (settings.rate * LEARNED)  # of no row, unlike the mean over the rows that are there
    for step in range(settings.steps):
        drawn = torch.from_numpy(streams.uniforms(rows.ids, *key, "drawn", step) < settings.rate)
        sums = clipped(module, x[drawn], y[drawn], settings.clip)
        noisy = noised(module, sums, settings.noise * settings.clip, (*key, "noise", step))
        with torch.no_grad():
            for parameter, total in zip(module.parameters(), noisy, strict=True):
                parameter -= length * total
    return to_arrays(module)


def measured(noise: float, seed: int) -> dict[str, float]:
    """Return accuracies on test rows and on the rows to forget, with these rows and trained without them."""
    data = Digits().load()
    order = streams.order(np.arange(len(data)), "private training", seed)
    gone, kept, test = (data.rows(np.sort(part)) for part in (order[:GONE], order[GONE:LEARNED], order[LEARNED:]))
    network, settings = Network(Mlp(hidden=(32,)), data.shape, data.classes), Private(noise)

    def right(weights: Arrays, rows: Rows) -> float:
        return float((network.probabilities(weights, rows.x).argmax(axis=1) == rows.y).mean())

    key = "private training", seed
    asked, never = trained(network, kept.joined(gone), settings, key), trained(network, kept, settings, key)
    return {
        "test": right(asked, test),
        "test, retrained": right(never, test),
        "forget": right(asked, gone),
        "forget, retrained": right(never, gone),
        "difference": right(asked, gone) - right(never, gone),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="one seed, two noises")
    asked = parser.parse_args(arguments)
    noises, seeds = (NOISES[::2][:2], range(1)) if asked.quick else (NOISES, range(5))
    if not installed():
        parser.error(f"noise {NEEDED}")
    epsilons = [Private(noise).epsilon(DELTA) for noise in noises]
    torch.set_num_threads(1)
    title = f"digits, network of 32 hidden units, {GONE} of {LEARNED} rows to forget; delta = {DELTA:g}, {len(seeds)} seeds, 95 %"
    table = Table(title=title)
    for noise, epsilon in track(list(zip(noises, epsilons, strict=True)), "noises", console=Console(stderr=True)):
        found = [measured(noise, seed) for seed in seeds]
        if not table.columns:
            for heading in ("noise", "epsilon of a row", *found[0]):
                table.add_column(heading, justify="right", no_wrap=True)
        table.add_row(f"{noise:g}", f"{epsilon:.2f}", *(interval([one[name] for one in found]) for name in found[0]))
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
