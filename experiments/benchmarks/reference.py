"""What synthetic reference rows cost in accuracy: ``python -m experiments.benchmarks.reference [--quick]``.

Ten peers on a complete graph (Dirichlet 0.3) distil the same main models into seeds on different reference sets; the baseline is real
rows of the data set, set aside and without labels. Private rows are the same for all, so that the cost is that of the reference set
alone; in a scenario, synthetic rows leave more rows to the peers. Differences are paired by seed, with 95 % intervals over seeds.

The form of ``generated`` images (half curves, half blobs) was chosen among noise, blobs, curves and both on validation rows of seeds
2001-2003, whose test rows stayed unused.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Literal

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track

from clients.classification.hdus.ensemble import Ensemble
from clients.data import DatasetSpec
from clients.data.bundled import BreastCancer, Digits
from clients.data.rows import Ids
from clients.data.synthetic import SyntheticReference
from clients.models.linear import Linear
from clients.models.mlp import Mlp
from clients.unlearning.exact.sisa import Sisa
from experiments.benchmarks import hdus
from experiments.intervals import interval
from experiments.threads import one_thread

BASELINE = "real rows"
"""Reference rows that the others are compared with."""


@dataclass(frozen=True)
class Setting:
    """A data set with its settings, test rows, and the synthetic reference sets to try."""

    source: DatasetSpec
    settings: hdus.Settings
    test: int
    tried: tuple[tuple[Literal["generated", "noise"], int], ...]


TABLE = hdus.Settings(
    mains=(Mlp(hidden=(32,)), Linear(), Sisa(shards=2, slices=2, base=Linear())), seed=Mlp(hidden=(16,)), reference=120, min_rows=15
)
SETTINGS = (
    Setting(Digits(), hdus.SCENARIO, 360, (("generated", 360), ("generated", 1440), ("noise", 360), ("noise", 1440))),
    Setting(BreastCancer(), TABLE, 180, (("generated", 120), ("noise", 120))),
)


@dataclass(frozen=True)
class Measured:
    """Shares of test rows, means over peers: right answers of ensembles and of seeds, and seeds that say what their main model says."""

    ensemble: float
    seed: float
    agreement: float


def measure(setting: Setting, seed: int) -> Iterator[tuple[str, Measured]]:
    """Yield each reference set's name, the baseline first, and what came of it."""
    federation = hdus.deal(setting.settings, seed, source=setting.source, tested=setting.test)
    mains = hdus.trained(setting.settings, federation, seed)
    for name, x, ids in reference_sets(setting, federation, seed):
        voices = hdus.voiced(setting.settings, federation, seed, mains, x, ids)
        same = [
            float((one.probabilities.argmax(axis=1) == other.probabilities.argmax(axis=1)).mean())
            for one, other in zip(voices.mains, voices.seeds, strict=True)
        ]
        alone = mean(federation.accuracy(one.probabilities) for one in voices.seeds)
        yield name, Measured(hdus.accuracy(Ensemble(), federation, voices, range(hdus.PEERS)), alone, mean(same))


def reference_sets(setting: Setting, federation: hdus.Federation, seed: int) -> Iterator[tuple[str, npt.NDArray[np.float32], Ids]]:
    """Yield the name of each reference set, its inputs and their ids."""
    data = federation.data
    yield BASELINE, data.x[federation.reference], federation.reference
    for kind, rows in setting.tried:
        x = SyntheticReference(kind=kind, rows=rows).inputs(data.shape, data.columns, seed)
        yield f"{kind}, {rows:,}", x, np.arange(rows)


def lines(found: Sequence[dict[str, Measured]]) -> Iterator[str]:
    """Yield one line per reference set: means with intervals, and the paired difference of ensembles to the baseline."""
    for name in found[0]:
        columns = [[getattr(one[name], part) for one in found] for part in ("ensemble", "seed", "agreement")]
        lost = [one[name].ensemble - one[BASELINE].ensemble for one in found]
        beside = "      (baseline)" if name == BASELINE else f"{interval(lost):>16}"
        yield f"{name:18} " + "  ".join(f"{interval(column):>16}" for column in columns) + f"  {beside}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one table per data set."""
    parser = argparse.ArgumentParser(description="Accuracy of HDUS ensembles with real and with synthetic reference rows.")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--quick", action="store_true", help="two seeds, the table only")
    options = parser.parse_args(arguments)
    hdus.check_seeds(parser, options.seeds)
    seeds, settings = (options.seeds[:2], SETTINGS[1:]) if options.quick else (options.seeds, SETTINGS)
    for setting in settings:
        found = [dict(measure(setting, seed)) for seed in track(seeds, setting.source.tag, console=Console(stderr=True))]
        told = f"{setting.source.tag}: {hdus.PEERS} peers, n = {setting.test} test rows, {len(seeds)} seeds, mean ± half a 95 % interval"
        print(f"{told}\n{'reference':18} {'ensemble':>16}  {'seed alone':>16}  {'agreement':>16}  {'against real':>16}")
        print("\n".join(lines(found)), end="\n\n", flush=True)


if __name__ == "__main__":
    one_thread()
    main()
