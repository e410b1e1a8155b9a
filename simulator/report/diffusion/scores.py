"""The report's shares of samples; ``None`` means *not measured*."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from server.audit.paired import Paired


@dataclass(frozen=True)
class Drawn:
    """One concept's samples.

    Parameters
    ----------
    concept : str
    share : float
        Share in which the judge recognises it, in [0, 1].
    n : int
        Number of samples.
    interval : tuple of float
        The share's 95 % interval.
    taken : mapping of str to int
        Numbers of samples by the concept that the judge takes them for.
    """

    concept: str
    share: float
    n: int
    interval: tuple[float, float]
    taken: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Near:
    """How near samples are to real images: Frechet distance, precision and recall, and the same of as many other real images."""

    n: int
    samples: tuple[float, float, float]
    real: tuple[float, float, float]


@dataclass(frozen=True)
class Scores:
    """Shares of samples, in [0, 1], in which the judge recognises the requested concept.

    Parameters
    ----------
    target, others : float, optional
        Of the samples of the erased concept, and of the others.
    cross : float, optional
        On the other axis (class or style), if images have a style.
    n_target, n_others, n_cross : int
        Numbers of samples; 0 if unknown.
    worst : Drawn, optional
        Of the concepts that nobody has erased, the one of which the fewest samples are right.
    near : Near, optional
        How near samples of those concepts are to real images.
    paired : mapping of str to Paired
        Samples of the erased concept that changed from another version of the weights to this one, by the other's name.
    """

    target: float | None = None
    others: float | None = None
    cross: float | None = None
    n_target: int = 0
    n_others: int = 0
    worst: Drawn | None = None
    near: Near | None = None
    n_cross: int = 0
    paired: Mapping[str, Paired] = field(default_factory=dict)


def mean_of(values: list[float | None]) -> float | None:
    """Return the mean of the values that are not None, or None if all are."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def mean_scores(several: Sequence[Scores]) -> Scores:
    """Return the means of scores, of all their samples together."""
    target, others, cross = (mean_of([getattr(one, part) for one in several]) for part in ("target", "others", "cross"))
    n_target, n_others, n_cross = (sum(getattr(one, part) for one in several) for part in ("n_target", "n_others", "n_cross"))
    return Scores(target, others, cross, n_target, n_others, n_cross=n_cross)
