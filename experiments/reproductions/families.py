"""One table of four families of forgetting: ``python -m experiments.reproductions.families [--seeds 0 1 2 3 4]``.

Ten peers hold digits, and everything that one of them holds must be forgotten. *Exact*, *certified* and *approximate* methods have the ten
peers' rows in one place, with one model each; the *decentralised* one leaves rows where they are, and its figures are means over the nine
that stay. Each is compared with itself trained without the leaver: *gap* is the mean total variation distance of the class probabilities
on the leaver's rows, beside the gap of doing nothing and that of the retrained model to another training.

No *behavioural* method answers for a classifier: what the program has of that family withholds or turns answers of language models. They
are measured on facts about authors, in a table of their own, whose columns say the same of answers to questions.

Defaults of `neggrad_plus`, `scrub` and `ssd` were tuned on the public half of digits; rows and test rows here are drawn from all of them.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when NumPy is imported

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from time import thread_time
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track

from clients.data.rows import Rows
from clients.models.mlp import Mlp
from clients.unlearning.approximate.approximate import Approximate
from clients.unlearning.approximate.certified.spec import CertifiedRemoval
from clients.unlearning.contract import Problem, UnlearnerSpec
from clients.unlearning.exact.dare.spec import Dare
from clients.unlearning.exact.retrain import Retrain
from clients.unlearning.exact.sisa import Sisa
from clients.unlearning.exact.statistical.specs import NaiveBayes
from experiments.benchmarks import hdus
from experiments.benchmarks.hdus_costs import LEAVER, Mains, Party, Seeds
from experiments.reproductions import families_language as language
from experiments.reproductions import families_tables as tables
from experiments.reproductions.command import Parser
from experiments.reproductions.families_tables import DECENTRALISED, Figures
from server.audit.differences import total_variation

BASE = Mlp(hidden=(64,))
METHODS = ("finetune", "neggrad_plus", "scrub", "ssd", "influence")
SPECS: Mapping[str, UnlearnerSpec] = {
    "retrain": Retrain(base=BASE),
    "sisa, 5 shards": Sisa(shards=5, slices=1, base=BASE),
    "dare": Dare(),
    "naive_bayes": NaiveBayes(),
    "certified_removal": CertifiedRemoval(),
} | {method: Approximate.model_validate({"kind": "approximate", "base": BASE, "method": method}) for method in METHODS}
"""Models that hold all rows in one place, with their usual settings."""

Answers = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Pooled:
    """The rows of a seed in one place.

    Parameters
    ----------
    problem : Problem
    gone, kept, test : Rows
        The leaver's rows, those of the others, and test rows.
    seed : int
    """

    problem: Problem
    gone: Rows
    kept: Rows
    test: Rows
    seed: int

    @classmethod
    def of(cls, party: Party) -> Pooled:
        """Return the rows of the peers of a run."""
        data, peers = party.federation.data, party.federation.peers
        problem = Problem(data.shape, data.classes, party.settings.rounds, data.columns, party.settings.training)
        others = np.sort(np.concatenate([ids for peer, ids in enumerate(peers) if peer != LEAVER]))
        return cls(problem, *(data.rows(ids) for ids in (peers[LEAVER], others, party.federation.judges)), party.seed)

    def figures(self, spec: UnlearnerSpec) -> Figures:
        """Return what is told of a model that learned all rows and forgot the leaver's."""
        model = self._fitted(spec, self.gone.joined(self.kept))[0]
        before = model.predict_proba(self.gone.x)
        clock = thread_time()
        outcome = model.forget(self.gone if spec.needs_rows else self.gone.ids)
        seconds = thread_time() - clock
        never, training = self._fitted(spec, self.kept)
        wanted, again = never.predict_proba(self.gone.x), self._fitted(spec, self.kept, "again")[0]
        gaps = [total_variation(one, wanted) for one in (model.predict_proba(self.gone.x), before, again.predict_proba(self.gone.x))]
        right = [accuracy(one.predict_proba(self.test.x), self.test.y) for one in (model, never)]
        return Figures(outcome.guarantee, *gaps, *right, seconds, training, _bytes(model.state()))

    def _fitted(self, spec: UnlearnerSpec, rows: Rows, *key: str) -> tuple[Any, float]:
        """Return a trained model, and the processor seconds of its training."""
        clock = thread_time()
        model = spec.build(self.problem, ("families", self.seed, *key))
        model.fit(rows)
        model.settle()
        return model, thread_time() - clock


def dropped(party: Party) -> Figures:
    """Return what is told of peers that drop the leaver's seed: means over those that stay."""
    data, federation = party.federation.data, party.federation
    gone, test = data.rows(federation.peers[LEAVER]), data.rows(federation.judges)
    stay = [peer for peer in range(len(federation.peers)) if peer != LEAVER]
    mains, seeds = _trained(party, range(len(federation.peers)))
    clock = thread_time()
    left = {peer: weights for peer, weights in seeds.items() if peer != LEAVER}
    seconds = thread_time() - clock
    clock = thread_time()
    never = _trained(party, stay)
    training = thread_time() - clock
    other = copy(party)
    other.seed = party.seed + 1_000_000  # the same rows, other draws of training
    models = ((mains, left), (mains, seeds), _trained(other, stay))
    wanted = [party.ensemble(*never, peer, gone.x) for peer in stay]
    gaps = [
        float(np.mean([total_variation(party.ensemble(*one, peer, gone.x), own) for peer, own in zip(stay, wanted, strict=True)]))
        for one in models
    ]
    right = [float(np.mean([accuracy(party.ensemble(*one, peer, test.x), test.y) for peer in stay])) for one in ((mains, left), never)]
    held = sum(_bytes(mains[peer].state()) for peer in stay) + len(stay) * sum(map(_bytes, left.values()))  # each holds every seed
    return Figures("exact", *gaps, *right, seconds, training, held)


def _trained(party: Party, peers: Sequence[int]) -> tuple[Mains, Seeds]:
    mains = party.mains(peers)[0]
    return mains, party.seeds(mains)[0]


def accuracy(answers: Answers, y: npt.NDArray[Any]) -> float:
    """Return the share of rows whose likeliest class is theirs."""
    return float((answers.argmax(axis=1) == y).mean())


def _bytes(state: Mapping[str, npt.NDArray[Any]]) -> int:
    return sum(array.nbytes for array in state.values())


def measured(settings: hdus.Settings, seed: int, specs: Mapping[str, UnlearnerSpec]) -> dict[str, Figures]:
    """Return the figures of a seed by method."""
    party = Party(settings, seed)
    rows = Pooled.of(party)
    return {name: rows.figures(spec) for name, spec in specs.items()} | {DECENTRALISED: dropped(party)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = Parser("families", __doc__ or "")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4], help="of rows and training; authors: the first 3")
    parser.add_argument("--quick", action="store_true", help="one round of training, a tiny language model: to see that it works")
    told = parser.parse_args(arguments)
    if min(told.seeds) < 0 or len(set(told.seeds)) != len(told.seeds) or len(told.seeds) < 2:
        parser.error(f"--seeds {' '.join(map(str, told.seeds))}: an interval needs at least 2 different ones, from 0")
    settings = hdus.SCENARIO.model_copy(update={"rounds": 1}) if told.quick else hdus.SCENARIO
    quiet = Console(stderr=True)
    found = [measured(settings, seed, SPECS) for seed in track(told.seeds, "digits", console=quiet)]
    withheld = [language.measured(seed, told.quick) for seed in track(told.seeds[:3], "authors", console=quiet)]
    gone = [len(hdus.deal(settings, seed).peers[LEAVER]) for seed in told.seeds]
    Console(width=210).print(tables.of_digits(found, gone, hdus.TEST), tables.of_authors(withheld), sep="\n")


if __name__ == "__main__":
    main()
