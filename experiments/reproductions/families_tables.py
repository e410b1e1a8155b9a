"""Figures and tables of the four families."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import NamedTuple

from rich.table import Table

from clients.unlearning.contract import family
from experiments.benchmarks.pretending import FORGOTTEN, WORLD
from experiments.intervals import interval

DECENTRALISED = "hdus, drop_seed"
"""The line of the decentralised method."""


class Figures(NamedTuple):
    """What is told of a method on one seed; of language models, answers to questions stand in the place of rows.

    Parameters
    ----------
    guarantee : str
        Of the request, as its outcome states it.
    gap, undone, floor : float
        Mean total variation distance on the forgotten rows to the model retrained without them, in [0, 1]: of the model that forgot, of the
        one that did not, and of one retrained with another key.
    test, retrained : float
        Accuracies on the test rows, in [0, 1], after forgetting and of the retrained model.
    seconds, training : float
        Processor seconds of forgetting, and of retraining.
    held : int
        Bytes of the arrays from which it predicts and forgets, rows not counted.
    """

    guarantee: str
    gap: float
    undone: float
    floor: float
    test: float
    retrained: float
    seconds: float
    training: float
    held: int


def of_digits(found: Sequence[Mapping[str, Figures]], gone: Sequence[int], tested: int) -> Table:
    """Return the table of classifiers; ``gone`` is the number of forgotten rows of each seed, ``tested`` that of test rows."""
    what = f"digits: one of ten peers is forgotten, {min(gone)} to {max(gone)} rows; n = {tested} test rows"
    title = f"{what}, {len(found)} seeds, 95 % intervals"
    drawn = _table(title, ["family", "method", "guarantee", *_HEADS])
    for name in found[0]:
        told = [one[name] for one in found]
        guarantee = " or ".join(sorted({one.guarantee for one in told}))
        kind = "decentralised" if name == DECENTRALISED else family(told[0].guarantee)
        drawn.add_row(kind, name, guarantee, *_cells(told))
    return drawn


def of_authors(found: Sequence[Mapping[str, Figures]]) -> Table:
    """Return the table of language models."""
    told = f"{8 * FORGOTTEN} facts about {FORGOTTEN} of {WORLD.authors} authors; n = {8 * (WORLD.authors - FORGOTTEN)} facts are kept"
    title = f"a language model, no classifier: {told}, {len(found)} seeds, 95 % intervals; shares of questions answered"
    heads = [head.replace("test accuracy", "kept facts") for head in _HEADS]
    drawn = _table(title, ["family", "method", "guarantee", *heads])
    for name in found[0]:
        lines = [one[name] for one in found]
        drawn.add_row(family(lines[0].guarantee), name, lines[0].guarantee, *_cells(lines))
    return drawn


_HEADS = (
    "gap",
    "nothing done",
    "nearer by",
    "retrained twice",
    "test accuracy",
    "of retrained",
    "seconds",
    "retraining, s",
    "bytes held",
)


def _cells(told: Sequence[Figures]) -> list[str]:
    """Return the cells of a line; ``nearer by`` is paired by seed, and a gap is called 0 only where every seed has none."""
    columns = [
        ([one.gap for one in told], 3),
        ([one.undone for one in told], 3),
        ([one.undone - one.gap for one in told], 3),
        ([one.floor for one in told], 3),
        ([one.test for one in told], 3),
        ([one.retrained for one in told], 3),
        ([one.seconds for one in told], 4),
        ([one.training for one in told], 3),
    ]
    cells = [interval(values, digits) for values, digits in columns]
    exact = all(one.gap == 0 for one in told)
    return ["0" if exact else cells[0], *cells[1:], f"{mean(one.held for one in told):,.0f}"]


def _table(title: str, heads: Sequence[str]) -> Table:
    drawn = Table(title=title)
    for head in heads:
        drawn.add_column(head, justify="left" if head in ("family", "method", "guarantee") else "right", no_wrap=True)
    return drawn
