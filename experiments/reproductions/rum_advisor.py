"""An advisor that names a method from the entanglement and the memorisation of a forget set, and its score on other forget sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import mean

import numpy as np
import numpy.typing as npt

from clients import streams
from experiments.reproductions.rum_sets import Judged

NEAREST = 5
"""How many known forget sets an advice is taken from; it was not chosen by any score."""

Advice = Callable[[Judged], str]


class Advisor:
    """Names the method with the highest mean ToW on the known forget sets that are nearest in both factors, in standard deviations.

    Parameters
    ----------
    known : sequence of Judged
        Forget sets on which every method was measured, at least one.
    """

    def __init__(self, known: Sequence[Judged]) -> None:
        self.known = tuple(known)
        points = _points(known)
        self._middle, self._spread = points.mean(axis=0), np.maximum(points.std(axis=0), 1e-12)
        self._points = (points - self._middle) / self._spread

    def __call__(self, one: Judged) -> str:
        """Return the method for a forget set; of its figures only the two factors are looked at."""
        away = np.linalg.norm((_points([one])[0] - self._middle) / self._spread - self._points, axis=1)
        return single_best([self.known[place] for place in np.argsort(away, kind="stable")[:NEAREST]])


def _points(sets: Sequence[Judged]) -> npt.NDArray[np.float64]:
    return np.array([[one.entanglement, one.memorisation] for one in sets])


def single_best(known: Sequence[Judged]) -> str:
    """Return the method with the highest mean ToW; of equal ones the first."""
    return max(known[0].tow, key=lambda kind: mean(one.tow[kind] for one in known))


def mistaken(known: Sequence[Judged]) -> Advisor:
    """Return an advisor that learned from factors of other sets: the control, for which factors say nothing."""
    drawn = streams.order(np.arange(len(known)), "rum", "mistaken")
    return Advisor([one._replace(tow=known[place].tow) for one, place in zip(known, drawn, strict=True)])


def advice(known: Sequence[Judged]) -> dict[str, Advice]:
    """Return ways to choose a method, by name; the last looks at what it is judged by, and no other can be better."""
    best = single_best(known)
    return {
        "advisor": Advisor(known),
        f"always the best single one ({best})": lambda one: best,
        "advisor of mistaken factors": mistaken(known),
        "the best for each set": lambda one: single_best([one]),
    }


def scores(known: Sequence[Judged], held_out: Sequence[Sequence[Judged]]) -> dict[str, list[float]]:
    """Return, for every way to choose, the mean ToW over the forget sets of each held-out seed."""
    return {name: [mean(one.tow[choose(one)] for one in sets) for sets in held_out] for name, choose in advice(known).items()}
