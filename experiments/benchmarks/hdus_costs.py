"""What a departure costs: dropping a seed, distilling anew, retraining: ``python -m experiments.benchmarks.hdus_costs [--quick]``.

Ten peers on a complete graph with the settings of ``departures.toml``; peer 0 leaves at the end. The baseline is retraining: the nine that
stay train their main models and distil their seeds again, which is what the run without the leaver does. Its predictions are what others
are compared with; *difference* is the largest absolute one over the stayers' ensembles on the test rows.

Seeds of the program are distilled from main models alone, so dropping is exact and nothing has to be distilled anew. What that saves shows
beside *second-hand* seeds, distilled from a peer's whole ensemble: they keep a trace of every neighbour, so that after a departure all that
stay must distil anew. After a deletion of rows, the owner distils its own seed anew, which costs a ninth of the line *distil anew*
besides what its main model takes to forget.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import thread_time
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track

from clients.classification.hdus.distillation import distil
from clients.classification.hdus.ensemble import Ensemble, Member, combine
from clients.models.network import Network
from clients.training import Arrays
from clients.unlearning.contract import Unlearner
from experiments.benchmarks import hdus
from experiments.intervals import interval
from experiments.threads import one_thread

LEAVER = 0
Mains = Mapping[int, Unlearner[Any, Any]]
Seeds = Mapping[int, Arrays]


@dataclass(frozen=True)
class Measured:
    """Gradient steps, processor seconds, difference to retraining, and accuracy of the stayers' ensembles, in [0, 1]."""

    steps: int
    seconds: float
    difference: float
    accuracy: float


class Party:
    """The peers of one run, whose models are made again on demand; every random choice is keyed by peer, so the same choice recurs."""

    def __init__(self, settings: hdus.Settings, seed: int) -> None:
        self.settings, self.seed = settings, seed
        self.federation = hdus.deal(settings, seed)
        data = self.federation.data
        self.network = Network(settings.seed, data.shape, data.classes)
        self.lessons, self.judges = data.x[self.federation.reference], data.x[self.federation.judges]
        self.counts = [np.bincount(self.federation.rows(peer).y, minlength=data.classes) for peer in range(hdus.PEERS)]

    def mains(self, peers: Sequence[int]) -> tuple[Mains, int]:
        """Train main models; return them and the gradient steps."""
        made = {peer: hdus.main_of(self.settings, self.federation, self.seed, peer) for peer in peers}
        return {peer: main for peer, (main, _) in made.items()}, sum(steps for _, steps in made.values())

    def seeds(self, mains: Mains, first: Seeds | None = None) -> tuple[Seeds, int]:
        """Distil seeds, from main models or, second-hand, from their ensembles with ``first``; return them and the gradient steps."""
        made = {
            peer: distil(
                self.network,
                self.lessons,
                self.federation.reference,
                mains[peer].predict_proba(self.lessons) if first is None else self.ensemble(mains, first, peer, self.lessons),
                (self.seed, peer, "seed" if first is None else "second"),
                self.settings.distillation,
            )
            for peer in mains
        }
        return {peer: weights for peer, (weights, _) in made.items()}, sum(steps for _, steps in made.values())

    def ensemble(self, mains: Mains, seeds: Seeds, peer: int, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return a peer's prediction with the seeds of all others that are there."""
        own = Member(peer, mains[peer].predict_proba(x), self.counts[peer])
        others = [Member(one, self.network.probabilities(seeds[one], x), self.counts[one]) for one in seeds if one != peer]
        return combine(Ensemble(), own, others)

    def answers(self, mains: Mains, seeds: Seeds) -> npt.NDArray[np.float64]:
        """Return the predictions of all for the test rows, (peers, n, classes)."""
        return np.stack([self.ensemble(mains, seeds, peer, self.judges) for peer in mains])


def measure(settings: hdus.Settings, seed: int) -> dict[str, Measured]:
    """Let peer 0 leave, once with seeds from main models and once with second-hand ones, and be rid of it in every way."""
    party = Party(settings, seed)
    stay = [peer for peer in range(hdus.PEERS) if peer != LEAVER]
    mains, _ = party.mains(range(hdus.PEERS))
    first, _ = party.seeds(mains)
    second, _ = party.seeds(mains, first)
    found: dict[str, Measured] = {}
    for name, seeds in (("first-hand", first), ("second-hand", second)):
        again = name == "second-hand"
        clock = thread_time()
        new_mains, steps = party.mains(stay)
        renewed, further = party.seeds(new_mains)
        if again:
            renewed, more = party.seeds(new_mains, renewed)
            further += more
        retrained, never = (steps + further, thread_time() - clock), party.answers(new_mains, renewed)
        kept = {peer: mains[peer] for peer in stay}
        clock = thread_time()
        left = {peer: seeds[peer] for peer in stay}
        dropped = (0, thread_time() - clock)
        clock = thread_time()
        distilled, taken = party.seeds(kept, {peer: first[peer] for peer in stay} if again else None)
        ways = {"drop": (dropped, left), "distil anew": ((taken, thread_time() - clock), distilled)}
        for way, ((cost, seconds), these) in ways.items():
            found[f"{name}, {way}"] = _measured(party, cost, seconds, party.answers(kept, these), never)
        found[f"{name}, retrain"] = _measured(party, *retrained, never, never)
    return found


def _measured(party: Party, steps: int, seconds: float, answers: npt.NDArray[np.float64], never: npt.NDArray[np.float64]) -> Measured:
    accuracy = float(np.mean([party.federation.accuracy(one) for one in answers]))
    return Measured(steps, seconds, float(np.abs(answers - never).max()), accuracy)


def lines(found: Sequence[Mapping[str, Measured]]) -> Iterator[str]:
    """Yield one line per kind of seeds and way to be rid of a leaver."""
    for name in found[0]:
        columns = [[float(getattr(one[name], part)) for one in found] for part in ("steps", "seconds", "difference", "accuracy")]
        texts = [interval(column, digits) for column, digits in zip(columns, (0, 3, 3, 3), strict=True)]
        yield f"{name:26}" + "".join(f"{text:>18}" for text in texts)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one line per kind of seeds and way to be rid of a leaver."""
    parser = argparse.ArgumentParser(description="Costs of a departure: dropping a seed, distilling anew, retraining.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--quick", action="store_true", help="two seeds, two rounds")
    options = parser.parse_args(arguments)
    hdus.check_seeds(parser, options.seeds)
    seeds = options.seeds[:2] if options.quick else options.seeds
    settings = hdus.SCENARIO.model_copy(update={"rounds": 2}) if options.quick else hdus.SCENARIO
    found = [measure(settings, seed) for seed in track(seeds, "seeds", console=Console(stderr=True))]
    title = f"{hdus.PEERS} peers, one leaves; n = {hdus.TEST} test rows, {len(seeds)} seeds, mean ± half a 95 % interval"
    print(f"digits, {title}; baseline: retrain")
    print(f"{'seeds, way':26}{'gradient steps':>18}{'processor s':>18}{'difference':>18}{'accuracy':>18}")
    print("\n".join(lines(found)))


if __name__ == "__main__":
    one_thread()
    main()
