"""LiRA-Forget of unlearning in context: ``python -m experiments.benchmarks.lira_forget [--quick]``.

Pawelczyk, Neel and Lakkaraju, "In-Context Unlearning", ICML 2024, section 4: can a record that a model has learned, and that a prompt now
hides, be told from one that it never had? Models come in pairs, each of which learns one of two keyed halves of 300 labelled records: of
every record, each pair has a model that learned it and one that did not. Per record, normal distributions are fitted to the margins of its
label, ``log p - log(1 - p)``, of both kinds, without the models that are judged (`server.audit.u_lira`). The model that learned the record
is asked after a prompt, the other one as it stands. An area of .5 tells nothing apart; intervals are over models and records, in one seed.

Areas stand for all records, and for those with a wrong label, which nothing but memory gives.
"""

from __future__ import annotations

import argparse
import os

os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is imported

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track
from rich.table import Table

from clients.data import load
from clients.data.rows import Rows
from clients.data.worlds import Records
from clients.language.measures import margins, one_by_one
from clients.language.network import LanguageNetwork
from clients.language.spec import TransformerSpec
from clients.models.shadows import halves
from clients.streams import Field
from clients.training import Arrays, Training
from clients.unlearning.prompts.prompting import Prompts
from experiments.benchmarks.in_context import CONTEXTS, QUICK, SEEDS, TRAINING, USUAL, WORLD
from server.audit.ranking import Interval, Scored, area_interval, true_positive_rate
from server.audit.u_lira import FEWEST, likelihood_ratios

PAIRS = 32
"""Pairs of models; the calibration compares one half of them with the other."""

RATES = (0.001, 0.01, 0.1)
"""False-positive rates."""

NEVER, NOTHING = "never trained, twice", "no unlearning"

Floats = npt.NDArray[np.float64]


class Pairs(NamedTuple):
    """Pairs of models without their weights: the margins of all records, float64 (pairs, records).

    ``never`` are those of the model that did not learn the record, ``had`` those of the other one, by what was asked.
    """

    never: Floats
    had: dict[str, Floats]


def asked(contexts: Sequence[int]) -> dict[str, tuple[str, int]]:
    """Return the control and the number of other records of every line in which a model that learned the record is asked."""
    told = {f"{control}, {context}": (control, context) for control in ("flipped", "true", "other") for context in contexts}
    return {NOTHING: ("none", 0), **told}


def pairs(
    seed: int, spec: TransformerSpec, training: Training, world: Records = WORLD, contexts: Sequence[int] = CONTEXTS, count: int = PAIRS
) -> Pairs:
    """Return the margins of trained pairs of models, which share their public pre-training."""
    source, key = load(world), ("lira forget", seed)
    network = LanguageNetwork(spec, source.shape, source.classes, world=world)
    rows = source.rows(np.arange(world.people))
    start = network.pretrain(network.initial((*key, "init")), (*key, "public"), lambda: None)
    members, lines = halves(rows.ids, count, key), asked(contexts)
    never, had = np.empty(members.shape), {name: np.empty(members.shape) for name in lines}
    for k in track(range(count), f"seed {seed}", console=Console(stderr=True)):
        for which, inside in enumerate((members[k], ~members[k])):
            learned, own = rows.keep(inside), (*key, k, which)
            epochs = range(training.epochs)
            weights, _ = network.train(start, learned.x, learned.y, epochs=epochs, ids=learned.ids, key=own, settings=training)
            never[k, ~inside] = under(network, weights, rows.keep(~inside), learned, ("none", 0), own)
            for name, how in lines.items():
                had[name][k, inside] = under(network, weights, learned, learned, how, own)
    return Pairs(never, had)


def under(network: LanguageNetwork, weights: Arrays, rows: Rows, learned: Rows, how: tuple[str, int], key: tuple[Field, ...]) -> Floats:
    """Return the margins of the labels of rows under a control's prompt, whose other records are among those that the model learned."""
    control, context = how
    told = [Prompts(network.world, record, learned.without(record.ids), context, key).text(control) for record in one_by_one(rows)]
    return margins(network.logits(weights, np.array(told))[:, : network.classes], rows.y)


def scored(had: Floats, never: Floats) -> Scored:
    """Return the likelihood ratio of *had it* against *never had it* of every model on every record."""
    return likelihood_ratios(had, never, np.ones(had.shape, bool))


def calibration(never: Floats) -> Scored:
    """Return the same of models that never had a record, half of them called such as had it; ``ValueError`` with fewer than eight pairs."""
    half = len(never) // 2
    if half < FEWEST:
        raise ValueError(f"{len(never)} pairs: two halves have at least {FEWEST} each; take {2 * FEWEST} pairs or more")
    return scored(never[:half], never[half : 2 * half])


def every(found: Pairs) -> dict[str, Scored]:
    """Return the scores of all lines, the calibration first."""
    return {NEVER: calibration(found.never), **{name: scored(had, found.never) for name, had in found.had.items()}}


def only(one: Scored, records: npt.NDArray[np.bool_]) -> Scored:
    """Return the scores of some records."""
    return Scored(one.positive[:, records], one.negative[:, records])


def wrong(world: Records) -> npt.NDArray[np.bool_]:
    """Return which records have the wrong label, bool (people,)."""
    found: npt.NDArray[np.bool_] = load(world).y != load(world.model_copy(update={"noise": 0.0})).y
    return found


def verdicts(areas: Sequence[Mapping[str, Interval]], group: str) -> Iterator[str]:
    """Yield a line for each finding about a group of records, from the areas of every seed: seen, or not."""
    level = sum(one[NEVER].low <= 0.5 <= one[NEVER].high for one in areas)
    yield f"{group}, area of {NEVER}: interval around .5 in {level} of {len(areas)}"
    yield f"{group}, area of {NOTHING}: interval above .5 in {sum(one[NOTHING].low > 0.5 for one in areas)} of {len(areas)}"
    for name in [name for name in areas[0] if name.startswith("flipped")]:
        between = sum(one[NEVER].high < one[name].low and one[name].high < one[NOTHING].low for one in areas)
        above = sum(one[NOTHING].high < one[name].low for one in areas)
        yield f"{group}, {name}: between both in {between} of {len(areas)}, above {NOTHING} in {above}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line per seed and prompt, then the findings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="one seed, tiny models, which show nothing")
    quick = parser.parse_args(arguments).quick
    spec, training = (QUICK, TRAINING.model_copy(update={"epochs": 1})) if quick else (USUAL, TRAINING)
    seeds, contexts, count = (SEEDS[:1], (0,), 2 * FEWEST) if quick else (SEEDS, CONTEXTS, PAIRS)
    noisy = wrong(WORLD)
    groups = {"all records": np.ones_like(noisy), "wrong labels": noisy}
    drawn = Table(
        title=f"LiRA-Forget, {count} pairs of models, {len(noisy)} records, {noisy.sum()} of them with a wrong label; 95 % intervals"
    )
    for heading in ("seed", "asked", "margin", *(f"area, {name}" for name in groups), *(f"TPR at {rate}" for rate in RATES)):
        drawn.add_column(heading, justify="left" if heading == "asked" else "right")
    areas: dict[str, list[dict[str, Interval]]] = {name: [] for name in groups}
    for seed in seeds:
        found = pairs(seed, spec, training, contexts=contexts, count=count)
        told = every(found)
        means = {NEVER: found.never.mean(), **{name: had.mean() for name, had in found.had.items()}}
        for name, records in groups.items():
            areas[name].append({line: area_interval(only(one, records), ("lira forget", seed, line)) for line, one in told.items()})
        for line, one in told.items():
            shown = [f"{at.value:.3f} ({at.low:.3f} to {at.high:.3f})" for at in (areas[name][-1][line] for name in groups)]
            rates = [true_positive_rate(*one.groups, rate) for rate in RATES]
            drawn.add_row(str(seed), line, f"{means[line]:.2f}", *shown, *("-" if rate is None else f"{rate:.3f}" for rate in rates))
    console = Console(width=150)
    console.print(drawn)
    for name, each in areas.items():
        for said in verdicts(each, name):
            console.print(said, highlight=False)


if __name__ == "__main__":
    main()
