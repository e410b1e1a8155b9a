"""An advisor: from the entanglement and the memorisation of a forget set alone, which method to take.

Zhao et al. (NeurIPS 2024) show that which method is best depends on both. The advisor knows forget sets on which every method was compared
with retraining, and is scored on sets held out against always taking the one method that was best on the others.

>>> known = [Known(0.1, memorised, {"nothing": 1 - memorised, "scrub": 0.4 + memorised / 2}) for memorised in (0.0, 0.05, 0.8, 0.9)]
>>> advise(known, 0.1, 0.02, nearest=2).method, advise(known, 0.1, 0.85, nearest=2).method
('nothing', 'scrub')
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

import numpy as np
import numpy.typing as npt

NEAREST = 5
"""How many known forget sets an advice is taken from; it was not chosen by any score."""


@dataclass(frozen=True)
class Known:
    """A forget set on which methods were measured.

    Parameters
    ----------
    entanglement : float
        Natural logarithm of its entanglement over that of a random set of its size; see `clients.unlearning.refine.entanglement`.
    memorisation : float
        Mean over its rows, in [-1, 1]; see `clients.unlearning.refine.memorisation`.
    tow : mapping of str to float
        How near each method comes to retraining, in [0, 1], larger is nearer: `server.audit.tug_of_war.tug_of_war`.
    """

    entanglement: float
    memorisation: float
    tow: Mapping[str, float]


@dataclass(frozen=True)
class Advice:
    """Which method to take, and what such advice was worth on known forget sets, each held out in turn.

    Parameters
    ----------
    method : str
        What the advisor names.
    single : str
        The method with the highest mean on all known sets.
    advised, always : float
        Mean over the known sets of the method named for a set, and of the best single method, by who does not know the set.
    """

    method: str
    single: str
    advised: float
    always: float

    def __str__(self) -> str:
        more = self.advised - self.always
        verdict = f"{abs(more):.3f} {'more' if more > 0 else 'less'}" if abs(more) >= 0.0005 else "no more"
        return (
            f"take {self.method}; on known sets held out in turn, advice came to {self.advised:.3f}, "
            f"{verdict} than always the best single method (now {self.single})"
        )


class Advisor:
    """Names the method with the highest mean on the known forget sets that are nearest in both factors, in standard deviations.

    Parameters
    ----------
    known : sequence of Known
        At least one.
    nearest : int
        How many of them, at least 1.

    Raises
    ------
    ValueError
        If no set is known, or if not all were measured with the same methods.
    """

    def __init__(self, known: Sequence[Known], nearest: int = NEAREST) -> None:
        self.known, self._nearest = _checked(known), nearest
        if nearest < 1:
            raise ValueError(f"nearest = {nearest}: take at least 1")
        points = np.array([[one.entanglement, one.memorisation] for one in self.known])
        self._middle, self._spread = points.mean(axis=0), np.maximum(points.std(axis=0), 1e-12)
        self._points: npt.NDArray[np.float64] = (points - self._middle) / self._spread

    def __call__(self, entanglement: float, memorisation: float) -> str:
        """Return the method for a forget set with these factors; see `Known`."""
        asked = np.array([entanglement, memorisation])
        if not np.isfinite(asked).all():
            raise ValueError(f"entanglement {entanglement:g}, memorisation {memorisation:g}: give finite numbers")
        away = np.linalg.norm((asked - self._middle) / self._spread - self._points, axis=1)
        return single_best([self.known[place] for place in np.argsort(away, kind="stable")[: self._nearest]])


def single_best(known: Sequence[Known]) -> str:
    """Return the method with the highest mean on known sets; of equal ones the first."""
    return max(known[0].tow, key=lambda kind: mean(one.tow[kind] for one in known))


def advise(known: Sequence[Known], entanglement: float, memorisation: float, *, nearest: int = NEAREST) -> Advice:
    """Return which method to take for a forget set, with its score against always taking the best single one.

    Parameters
    ----------
    known : sequence of Known
        At least two forget sets on which the same methods were measured. Sets that share rows make the score too good.
    entanglement, memorisation : float
        The factors of the forget set; see `Known`.
    nearest : int
        How many known sets the advice is taken from.

    Raises
    ------
    ValueError
        If fewer than two sets are known, if they were measured with different methods, or a factor is not finite.
    """
    if len(known) < 2:
        raise ValueError(f"{len(known)} forget sets are known: an advice is scored on sets held out in turn, give at least 2")
    method = Advisor(known, nearest)(entanglement, memorisation)
    advised, always = [], []
    for place, one in enumerate(known):
        others = [*known[:place], *known[place + 1 :]]
        advised.append(one.tow[Advisor(others, nearest)(one.entanglement, one.memorisation)])
        always.append(one.tow[single_best(others)])
    return Advice(method, single_best(known), mean(advised), mean(always))


def _checked(known: Sequence[Known]) -> tuple[Known, ...]:
    if not known:
        raise ValueError("no forget set is known: measure methods on some first")
    methods = set(known[0].tow)
    for number, one in enumerate(known):
        if set(one.tow) != methods or not methods:
            told = ", ".join(sorted(one.tow)) or "none"
            first = ", ".join(sorted(methods)) or "none"
            raise ValueError(f"forget set {number} was measured with {told}, the first with {first}: take the same, at least one")
    return tuple(known)
