"""Guards and prompts beside methods that change weights, on one language model: ``python -m experiments.benchmarks.pretending [--quick]``.

A small language model learns all facts about 36 authors by heart; ten of them are to be forgotten. Shares are of the forgotten facts: what
a user gets, what the weights give without guard and prompt, what they give when each is rounded to 4 bits, and what they give of five of
the authors after five epochs of training on the other five, beside the share of kept facts. Facts about one author are learned together,
so that shares are estimated over seeds, with Student's intervals.
"""

from __future__ import annotations

import argparse
import os

os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is imported

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from clients import wire
from clients.data import load
from clients.data.rows import Rows
from clients.data.worlds import Authors, Tokens
from clients.language.measures import one_by_one
from clients.language.network import LanguageNetwork
from clients.language.spec import Pretraining, TransformerSpec
from clients.streams import bottom
from clients.training import Adam, Arrays, Training
from clients.unlearning.general import METHODS
from clients.unlearning.general.contract import Learning
from clients.unlearning.prompts.matchers.contract import Matcher
from clients.unlearning.prompts.matchers.subject import Subject
from clients.unlearning.prompts.prompting import Prompts
from clients.unlearning.prompts.rules import Guard, Guarded, Rule
from experiments.intervals import interval

WORLD = Authors(authors=36)
SEEDS, FORGOTTEN = (1, 2, 3), 10
TRAINING = Training(epochs=60, batch_size=32, optimizer=Adam(lr=1e-3))
USUAL, QUICK = TransformerSpec(), TransformerSpec(width=16, heads=2, pretraining=Pretraining(steps=2, batch_size=4, rehearsal=2))
SETTINGS: dict[str, dict[str, float]] = {"gradient_ascent": {"until": 2.3}}
"""Settings other than the defaults: ascent ends at the loss of who guesses one of an attribute's ten values."""
KINDS = ("gradient_ascent", "grad_diff", "npo", "simnpo", "rmu", "undial")
STAGES = ("input", "output", "prompt")
NAMES = Subject()
COLUMNS = ("asked", "weights alone", "4 bits", "relearned", "kept")


class Case(NamedTuple):
    """A model that has learned all facts, those to forget, and those that are kept."""

    learning: Learning
    weights: Arrays
    start: Arrays
    forget: Rows
    kept: Rows
    key: tuple[str, int]

    @property
    def network(self) -> LanguageNetwork:
        """The model without weights."""
        found = self.learning.network
        assert isinstance(found, LanguageNetwork)
        return found


def case(seed: int, spec: TransformerSpec, training: Training, world: Authors = WORLD, forgotten: int = FORGOTTEN) -> Case:
    """Return the trained model of a seed; so many authors of the world are to be forgotten."""
    source, key = load(world), ("pretending", seed)
    network = LanguageNetwork(spec, source.shape, source.classes, world=world)
    start = network.pretrain(network.initial((*key, "init")), (*key, "public"), lambda: None)
    every, learning = source.rows(np.arange(len(source.x))), Learning(network, training, 1, key)
    weights, _ = learning.train(start, every, range(1))
    gone = np.isin(source.subjects, bottom(forgotten, np.arange(world.authors), *key, "authors"))
    return Case(learning, weights, start, every.keep(gone), every.keep(~gone), key)


def right(one: Case, weights: Arrays, rows: Rows) -> float:
    """Return the share of rows that weights answer right, among all words."""
    logits = one.network.logits(weights, rows.x.astype(np.int64))
    return float((logits.argmax(axis=1) == rows.y).mean())


def rounded(weights: Arrays) -> Arrays:
    """Return weights rounded to 15 values each: symmetric, with one scale for every row of a matrix."""
    found = {}
    for name, array in weights.items():
        scale = np.abs(array).max(axis=-1, keepdims=True) / 7
        found[name] = np.where(scale > 0, np.round(array / np.where(scale > 0, scale, 1)) * scale, array).astype(array.dtype)
    return found


def relearned(one: Case, weights: Arrays) -> float:
    """Return the share of facts about the last half of the authors that weights answer after training on those about the first half."""
    authors = np.unique(one.forget.x[:, -1])
    first = np.isin(one.forget.x[:, -1], authors[: len(authors) // 2])
    shown, settings = one.forget.keep(first), one.learning.training
    key = (*one.key, "relearn")
    again, _ = one.network.train(weights, shown.x, shown.y, epochs=range(5), ids=shown.ids, key=key, settings=settings)
    return right(one, again, one.forget.keep(~first))


def row(one: Case, weights: Arrays, asked: float | None = None, kept: float | None = None) -> list[float]:
    """Return a line's shares; ``asked`` and ``kept`` where a guard or a prompt answers and not the weights."""
    alone = right(one, weights, one.forget)
    known = right(one, weights, one.kept) if kept is None else kept
    return [alone if asked is None else asked, alone, right(one, rounded(weights), one.forget), relearned(one, weights), known]


def behind(one: Case, stage: str, match: Matcher = NAMES) -> Guarded:
    """Return the model behind a guard of the facts to forget, by default of their names."""
    table = {"id": stage, "round": 1, "peer": 0, "rows": tuple(one.forget.ids.tolist()), "stage": stage, "scope": "global"}
    rule, world = Rule.model_validate({**table, "match": match}), one.network.world
    facts = [(world.text(x), world.answers[y]) for x, y in zip(one.forget.x, one.forget.y, strict=True)]
    return Guarded(one.network, one.weights, (Guard(rule, rule.patterns(facts, one.key)),), one.key)


def given(model: Guarded, rows: Rows) -> float:
    """Return the share of rows whose answer a guarded model gives."""
    words = [reply.word for reply in model.replies([model.world.text(x) for x in rows.x])]
    return float(np.mean([word == model.world.answers[y] for word, y in zip(words, rows.y, strict=True)]))


def guarded(one: Case, stage: str) -> list[float]:
    """Return the line of a guard of the names."""
    model = behind(one, stage)
    return row(one, one.weights, given(model, one.forget), given(model, one.kept))


def prompts(one: Case) -> list[Tokens]:
    """Return the prompts that show each record to forget with a wrong answer, and four others."""
    return [Prompts(one.network.world, record, one.kept, 4, one.key).text("flipped") for record in one_by_one(one.forget)]


def prompted(one: Case, texts: Sequence[Tokens]) -> float:
    """Return the share of the records to forget that are answered after their prompts."""
    logits = np.concatenate([one.network.logits(one.weights, text[None]) for text in texts])
    return float((logits.argmax(axis=1) == one.forget.y).mean())


def in_context(one: Case) -> list[float]:
    """Return the line of unlearning in context: the records to forget are asked for after a prompt, others without."""
    return row(one, one.weights, prompted(one, prompts(one)))


def retrained(one: Case, *key: str) -> Arrays:
    """Return the weights after training on the kept facts alone; ``key`` sets its draws apart."""
    return one.learning.train(one.start, one.kept, range(1), (*one.key, *key))[0]


def lines(one: Case) -> Iterator[tuple[str, str, list[float], str]]:
    """Yield name, guarantee, shares, and hash of the weights of every line."""
    never = retrained(one)
    for name, weights in (("original", one.weights), ("retrained", never)):
        yield name, "exact" if name == "retrained" else "none", row(one, weights), fingerprint(weights)
    for kind in KINDS:
        method = METHODS.load(kind).model_validate({"kind": kind, **SETTINGS.get(kind, {})})
        weights, outcome = method.carry_out(one.weights, one.learning, one.forget, one.kept, (*one.key, kind), {})
        yield kind, outcome.guarantee, row(one, weights), fingerprint(weights)
    for stage in STAGES:
        yield f"guard ({stage})", "behavioural", guarded(one, stage), fingerprint(one.weights)
    yield "in_context", "behavioural", in_context(one), fingerprint(one.weights)


def fingerprint(weights: Arrays) -> str:
    """Return the SHA-256 of weights."""
    return wire.sha256(wire.to_bytes(weights))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line per method, guard and prompt."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="one seed, a tiny model, which shows nothing")
    quick = parser.parse_args(arguments).quick
    found: dict[tuple[str, str], list[list[float]]] = {}
    hashes: dict[str, list[str]] = {}
    for seed in track(SEEDS[:1] if quick else SEEDS, "seeds", console=Console(stderr=True)):
        one = case(seed, QUICK if quick else USUAL, TRAINING.model_copy(update={"epochs": 1}) if quick else TRAINING)
        for name, guarantee, shares, sha256 in lines(one):
            found.setdefault((name, guarantee), []).append(shares)
            hashes.setdefault(name, []).append(sha256)
    told = f"{8 * FORGOTTEN} questions about {FORGOTTEN} of {WORLD.authors} authors, seeds: {len(hashes['original'])}; 95 % intervals"
    drawn = Table(title=f"Forgotten facts that are answered: {told}")
    for heading in ("", "guarantee", *COLUMNS, "weights of the first seed"):
        drawn.add_column(heading, justify="right" if heading in COLUMNS else "left")
    for (name, guarantee), shares in found.items():
        same = "the original's" if hashes[name] == hashes["original"] else "changed"
        columns = [interval([each[place] for each in shares], 2) for place in range(len(COLUMNS))]
        drawn.add_row(name, guarantee, *columns, f"{hashes[name][0][:12]}, {same}")
    Console(width=150).print(drawn)


if __name__ == "__main__":
    main()
