"""What guards do as they become more: ``python -m experiments.benchmarks.capacity [--quick]``.

A small language model learns all facts about 36 authors by heart. One guard after the other withholds all facts about one author, up to 32
of them, by each way of matching. Of the protected questions: the share whose answer a user gets, as they are and in other words. Of the
others: the share refused, and answered right. Precision is the share of refused questions that are protected, among all of these and 100
public ones. Shares are means over seeds with Student's intervals. Times are medians over seeds of processor time, per public question, the
model's included, and without what guards do before their first question.
"""

from __future__ import annotations

import argparse
import os

os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is imported

from collections.abc import Iterator, Mapping, Sequence
from time import thread_time
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from clients.data.rows import Rows
from clients.data.worlds import Authors
from clients.language.capacity import curve, doubling
from clients.language.measures import PUBLIC
from clients.unlearning.prompts.bypasses import asked
from clients.unlearning.prompts.matchers.contract import Matcher, Stage
from clients.unlearning.prompts.matchers.exact import Exact
from clients.unlearning.prompts.matchers.judge import Judge
from clients.unlearning.prompts.matchers.linear import Linear
from clients.unlearning.prompts.matchers.ngram import NGram
from clients.unlearning.prompts.matchers.subject import Subject
from clients.unlearning.prompts.matchers.subsequence import Subsequence
from clients.unlearning.prompts.rules import Guard, Guarded, Rule
from experiments.benchmarks.pretending import QUICK, SEEDS, TRAINING, USUAL, WORLD, Case, case
from experiments.intervals import interval

MOST = 32
WAYS: Mapping[str, tuple[Stage, Matcher]] = {
    "questions": ("input", Exact()),
    "pairs of words": ("input", NGram(n=2, overlap=1.0)),
    "half of the words": ("input", NGram(n=1, overlap=0.5)),
    "names": ("input", Subject()),
    "names and answers": ("output", Subject()),
    "names, told": ("prompt", Subject()),
    "words in order": ("input", Subsequence()),
    "classifier": ("input", Linear()),
    "judge": ("input", Judge()),
}
COLUMNS = ("leaked", "in other words", "precision", "others refused", "others right", "public refused", "microseconds")


class Line(NamedTuple):
    """The figures of a number of guards; see the columns. NaN where nothing was refused, or nothing is left."""

    leaked: float
    reworded: float
    precision: float
    refused: float
    right: float
    public: float
    microseconds: float


def guards(one: Case, way: str, most: int) -> tuple[Guard, ...]:
    """Return a guard of all facts about each of the first authors to forget, in the order of the world, much the same in every seed."""
    (stage, match), world = WAYS[way], one.network.world
    found = []
    for place, name in enumerate(np.unique(one.forget.x[:, -1])[:most]):
        rows = one.forget.keep(one.forget.x[:, -1] == name)
        table = {"id": f"{place:04d}", "round": 1, "peer": 0, "rows": tuple(rows.ids.tolist()), "stage": stage, "scope": "global"}
        rule = Rule.model_validate({**table, "match": match.model_dump()})
        facts = [(world.text(x), world.answers[y]) for x, y in zip(rows.x, rows.y, strict=True)]
        found.append(Guard(rule, rule.patterns(facts, one.key)))
    return tuple(found)


def lines(one: Case, way: str, counts: Sequence[int]) -> Iterator[Line]:
    """Yield a line for each number of guards."""
    world, own = one.network.world, guards(one, way, max(counts))
    rows = {guard.rule.id: one.forget.only(guard.rule.rows) for guard in own}
    public = world.public(PUBLIC, *one.key)[0]
    model = Guarded(one.network, one.weights, own, one.key)
    for count, point in zip(counts, curve(model, rows, one.kept, public, counts), strict=True):
        some = Guarded(one.network, one.weights, own[:count], one.key)
        some.replies([world.text(public[0])])  # makes the guards ready: a classifier is fitted then
        begun = thread_time()
        some.replies([world.text(question) for question in public])
        spent = 1e6 * (thread_time() - begun) / len(public)
        yield Line(
            point.leaked / point.asked,
            reworded(some, [rows[guard.rule.id] for guard in own[:count]]),
            float("nan") if point.precision is None else point.precision,
            point.kept_stopped / point.kept,
            point.kept_right / point.kept,
            point.public_stopped / point.public,
            spent,
        )


def reworded(model: Guarded, protected: Sequence[Rows]) -> float:
    """Return the share of protected answers that are given to the question in other words."""
    right = []
    for rows in protected:
        texts = [
            asked(model.world, "paraphrase", x.astype(np.int64), int(y), np.empty(0, np.int64)) for x, y in zip(rows.x, rows.y, strict=True)
        ]
        right += [reply.word == model.world.answers[y] for reply, y in zip(model.replies(texts), rows.y, strict=True)]
    return float(np.mean(right))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line per way of matching and number of guards."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="one seed, a tiny model, which shows nothing")
    quick = parser.parse_args(arguments).quick
    seeds, world, most = (SEEDS[:1], Authors(authors=6), 4) if quick else (SEEDS, WORLD, MOST)
    spec, training = (QUICK, TRAINING.model_copy(update={"epochs": 1})) if quick else (USUAL, TRAINING)
    counts = doubling(most)
    told: dict[tuple[str, int], list[Line]] = {}
    for seed in seeds:
        one = case(seed, spec, training, world, most)
        for way in track(WAYS, f"seed {seed}", console=Console(stderr=True)):
            for count, line in zip(counts, lines(one, way, counts), strict=True):
                told.setdefault((way, count), []).append(line)
    drawn = Table(title=f"Guards by number, {len(seeds)} seeds, {world.authors} authors, with 95 % intervals")
    for heading in ("guards of", "number", *COLUMNS):
        drawn.add_column(heading, justify="left" if heading == "guards of" else "right")
    for (way, count), found in told.items():
        *shares, spent = zip(*found, strict=True)
        shown = ["-" if np.isnan(column).any() else interval(list(column), 2) for column in shares]
        drawn.add_row(way, str(count), *shown, f"{np.median(spent):,.0f}")
    Console(width=150).print(drawn)


if __name__ == "__main__":
    main()
