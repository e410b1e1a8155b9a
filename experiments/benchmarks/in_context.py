"""What is told of unlearning in context, over three seeds: ``python -m experiments.benchmarks.in_context``.

A small language model learns 200 labelled records by heart, of which 15 % have a wrong label, and 40 of them are to be forgotten. The
margin of the true label, ``log p - log(1 - p)``, is measured under the method's prompt and each control, for several numbers of other
records in the context. Differences are paired by record, one person each, with Student's intervals over records, within one seed. The
seed draws the model, its public pre-training, and which records are learned and forgotten; the world is the same. ``--kind gpt2`` takes
GPT-2 of transformers, as small, with longer pre-training, since it learns later to look answers up.
"""

from __future__ import annotations

import argparse
import os
import sys

os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is imported

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track
from rich.table import Table

from clients import wire
from clients.data import load
from clients.data.rows import Rows
from clients.data.worlds import Records
from clients.language.gpt2 import Gpt2Spec
from clients.language.measures import margins, one_by_one
from clients.language.network import LanguageNetwork
from clients.language.spec import LanguageSpec, Pretraining, TransformerSpec
from clients.streams import bottom
from clients.training import Adam, Arrays, Training
from clients.unlearning.prompts.prompting import CONTROLS, Prompts
from clients.unlearning.prompts.rules import Guard, Guarded, Rule
from experiments.bars import status
from experiments.intervals import interval
from server.audit.intervals import wilson
from simulator.sweeps.estimates import estimate

WORLD = Records(people=300)
SEEDS, CONTEXTS, LEARNED, FORGOTTEN = (1, 2, 3), (0, 2, 4, 6), 200, 40
TRAINING = Training(epochs=30, batch_size=50, optimizer=Adam(lr=1e-3))
TINY = {"width": 16, "heads": 2, "pretraining": Pretraining(steps=2, batch_size=4, rehearsal=2)}
USUAL, QUICK = TransformerSpec(), TransformerSpec().model_copy(update=TINY)
KINDS: Mapping[str, LanguageSpec] = {"transformer": USUAL, "gpt2": Gpt2Spec(pretraining=Pretraining(steps=1500))}

Floats = npt.NDArray[np.float64]


class Case(NamedTuple):
    """A model that has learned its records by heart, those to forget, and those that are kept."""

    network: LanguageNetwork
    weights: Arrays
    forget: Rows
    kept: Rows
    key: tuple[str, int]


def case(seed: int, spec: LanguageSpec, epochs: int) -> Case:
    """Return the trained model of a seed."""
    source, key = load(WORLD), ("in context", seed)
    network = LanguageNetwork(spec, source.shape, source.classes, world=WORLD)
    learned = source.rows(np.sort(bottom(LEARNED, np.arange(WORLD.people), *key, "learned")))
    start = network.pretrain(network.initial((*key, "init")), (*key, "public"), lambda: None)
    settings = TRAINING.model_copy(update={"epochs": epochs})
    weights, _ = network.train(start, learned.x, learned.y, epochs=range(epochs), ids=learned.ids, key=key, settings=settings)
    gone = np.sort(bottom(FORGOTTEN, learned.ids, *key, "forgotten"))
    return Case(network, weights, learned.only(gone), learned.without(gone), key)


def margin(one: Case, control: str, context: int) -> Floats:
    """Return the margins of the true labels of the records to forget under a prompt, in nats, float64 (n,)."""
    prompts = [Prompts(WORLD, record, one.kept, context, one.key).text(control) for record in one_by_one(one.forget)]
    logits = np.concatenate([one.network.logits(one.weights, text[None]) for text in prompts])
    return margins(logits[:, : one.network.classes], one.forget.y)


def guarded(one: Case) -> tuple[float, float]:
    """Return the share of true labels that a user gets with a guard of the names, and with it switched off."""
    texts = [WORLD.text(x) for x in one.forget.x]
    table = {"id": "names", "round": 1, "peer": 0, "rows": tuple(one.forget.ids.tolist()), "stage": "input", "scope": "global"}
    rule = Rule.model_validate({**table, "match": {"kind": "subject"}})
    guard = Guard(rule, rule.patterns([(text, "") for text in texts], one.key))
    answers = [WORLD.answers[y] for y in one.forget.y]
    told = (Guarded(one.network, one.weights, guards, one.key).replies(texts) for guards in ((guard,), ()))
    on, off = (float(np.mean([reply.word == answer for reply, answer in zip(replies, answers, strict=True)])) for replies in told)
    return on, off


def differences(found: dict[str, Floats]) -> tuple[Floats, Floats]:
    """Return, record by record, the margin under ``flipped`` and under ``other`` less that under ``true``."""
    return found["flipped"] - found["true"], found["other"] - found["true"]


def ends(values: Floats) -> tuple[float, float]:
    """Return the ends of Student's 95 % interval of a mean, over at least two records."""
    found = estimate(values.tolist())
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high


def verdicts(told: Sequence[dict[str, Floats]], guards: Sequence[tuple[float, float]]) -> Iterator[str]:
    """Yield a line for each finding: seen, or not."""
    pairs = [differences(found) for found in told]
    lower = sum(ends(flipped)[1] < 0 for flipped, _ in pairs)
    near = sum(abs(other.mean()) < abs(flipped.mean()) for flipped, other in pairs)
    zero = sum(ends(other)[0] <= 0 <= ends(other)[1] for _, other in pairs)
    back = sum(on < off for on, off in guards)
    yield f"margins under flipped lie below those under true, interval below 0: in {lower} of {len(pairs)} seeds and contexts"
    yield f"margins under other lie nearer to true than those under flipped: in {near} of {len(pairs)}; interval around 0: in {zero}"
    yield f"with the guard off more answers are given than with it on: in {back} of {len(guards)} seeds"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line per seed and number of records in the context, then the findings; return 1 if weights ever changed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="one seed, a tiny model, which shows nothing")
    parser.add_argument("--kind", choices=KINDS, default="transformer", help="the language model")
    asked = parser.parse_args(arguments)
    quick, spec = asked.quick, KINDS[asked.kind].model_copy(update=TINY if asked.quick else {})
    drawn = Table(title=f"Margins of the true label of {FORGOTTEN} records, nats: mean, and paired differences with 95 % intervals")
    for heading in ("seed", "records", *CONTROLS, "flipped - true", "other - true"):
        drawn.add_column(heading, justify="right")
    told, guards, lines, kept = [], [], [], []
    for seed in track(SEEDS[:1] if quick else SEEDS, "seeds", console=Console(stderr=True)):
        one = case(seed, spec, 1 if quick else TRAINING.epochs)
        before = wire.sha256(wire.to_bytes(one.weights))
        for context in CONTEXTS:
            found = {control: margin(one, control, context) for control in CONTROLS}
            told.append(found)
            shown = [f"{found[control].mean():.2f}" for control in CONTROLS]
            drawn.add_row(str(seed), str(context), *shown, *(interval(list(apart), 2) for apart in differences(found)))
        on, off = guarded(one)
        guards.append((on, off))
        kept.append(wire.sha256(wire.to_bytes(one.weights)) == before)
        same = "unchanged" if kept[-1] else "CHANGED"
        told_off = f"{off:.2f} ({' to '.join(f'{end:.2f}' for end in wilson(off, FORGOTTEN))})"
        lines.append(f"seed {seed}: weights {same} ({before[:12]}); true labels given with the guard on {on:.2f}, off {told_off}")
    console = Console(width=140)
    console.print(drawn)
    for line in (*lines, *verdicts(told, guards)):
        console.print(line, highlight=False)
    return status(kept)


if __name__ == "__main__":
    sys.exit(main())
