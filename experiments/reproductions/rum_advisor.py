"""The score of an advisor on the forget sets of other seeds, beside its controls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import mean

import numpy as np

from clients import streams
from clients.unlearning.refine.advisor import Advisor, Known, single_best

Choice = Callable[[Known], str]


def mistaken(known: Sequence[Known]) -> Advisor:
    """Return an advisor that learned from factors of other sets: the control, for which factors say nothing."""
    drawn = streams.order(np.arange(len(known)), "rum", "mistaken")
    return Advisor([replace(one, tow=known[place].tow) for one, place in zip(known, drawn, strict=True)])


def choices(known: Sequence[Known]) -> dict[str, Choice]:
    """Return ways to choose a method, by name; the last looks at what it is judged by, and no other can be better."""
    best = single_best(known)
    return {
        "advisor": _by_factors(Advisor(known)),
        f"always the best single one ({best})": lambda one: best,
        "advisor of mistaken factors": _by_factors(mistaken(known)),
        "the best for each set": lambda one: single_best([one]),
    }


def scores(known: Sequence[Known], held_out: Sequence[Sequence[Known]]) -> dict[str, list[float]]:
    """Return, for every way to choose, the mean ToW over the forget sets of each held-out seed."""
    return {name: [mean(one.tow[choose(one)] for one in sets) for sets in held_out] for name, choose in choices(known).items()}


def _by_factors(advisor: Advisor) -> Choice:
    """Return the choice of an advisor, which of a set's figures sees the two factors alone."""
    return lambda one: advisor(one.entanglement, one.memorisation)
