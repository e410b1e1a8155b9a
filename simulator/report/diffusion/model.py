"""What a report knows of cut, revived and hidden concepts. ``None`` means *not measured*, here as everywhere in the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

VARIANTS = ("original", "pruned", "revived", "random_signs", "true_signs", "neuron_mean", "defended", "adaptive")
"""What was done to the weights, in the order in which it is told."""

PICTURED = ("original", "pruned", "revived", "random_signs", "defended", "adaptive")
"""The variants of which samples are shown."""


Setting = tuple[str, str, str, str]
"""What revivals must share to be averaged: policy, adversary, what it knows, completion."""


@dataclass(frozen=True)
class Scores:
    """Shares of samples, in [0, 1], that the judge finds to show what was asked for: of the erased concept, and of the others.

    ``cross`` is the share that is right on the other axis, where images have a style beside their class.
    """

    target: float | None = None
    others: float | None = None
    cross: float | None = None


@dataclass(frozen=True)
class Sample:
    """One sample as the bytes of a PNG, the concept it was asked for, and the one the judge saw."""

    png: bytes
    asked: str
    judged: str

    @property
    def right(self) -> bool:
        """Whether the judge saw what was asked for."""
        return self.asked == self.judged


@dataclass(frozen=True)
class Strip:
    """Samples of one variant: of the erased concept, and of others. The same place in two strips had the same start noise."""

    variant: str
    target: tuple[Sample, ...]
    others: tuple[Sample, ...]


@dataclass(frozen=True)
class RevivalRow:
    """One concept under one attack.

    Parameters
    ----------
    concept, policy, adversary, knowledge, completion : str
        No completion where the adversary completes nothing.
    round : int
    scores : mapping of str to Scores
        By variant.
    sign_accuracy, sign_accuracy_top_fifth : float, optional
        Share of right signs among all entries that were cut, and among the surest fifth.
    location_auc, column_auc : float, optional
        How well a reader of the released weights tells cut entries, and columns with cut entries, from the rest.
    seconds : float, optional
        Of the attack.
    strips : tuple of Strip
    """

    concept: str
    round: int
    policy: str
    adversary: str
    knowledge: str
    completion: str
    scores: Mapping[str, Scores]
    sign_accuracy: float | None = None
    sign_accuracy_top_fifth: float | None = None
    location_auc: float | None = None
    column_auc: float | None = None
    seconds: float | None = None
    strips: tuple[Strip, ...] = ()

    @property
    def setting(self) -> Setting:
        """What rows must share to be averaged."""
        return self.policy, self.adversary, self.knowledge, self.completion


@dataclass(frozen=True)
class Curve:
    """What one concept's accuracies are as a knob is turned: ``noise``, ``sparsity`` or ``share``; points are in order of ``x``."""

    concept: str
    kind: str
    policy: str
    points: tuple[Mapping[str, float], ...]


@dataclass(frozen=True)
class Erased:
    """One request to erase a concept.

    ``density`` is the share of weights that were cut, ``agreement`` that of two peers' cuts in common, ``survival`` the share of places
    cut by any peer that stayed cut in the aggregate. ``drawn_alone`` and ``drawn`` are how often peers that erased it still draw it,
    with their own model and with their neighbours' seeds, where there are such. ``before`` and ``after`` are what the aggregate draws.
    """

    concept: str
    round: int
    peers: tuple[int, ...]
    method: str
    policy: str
    density: float | None = None
    agreement: float | None = None
    survival: float | None = None
    drawn_alone: float | None = None
    drawn: float | None = None
    before: Scores | None = None
    after: Scores | None = None


@dataclass(frozen=True)
class NotPlayed:
    """One attack or defence that was not carried out: after which round, what it was to be, and why not."""

    round: int
    what: str
    why: str


@dataclass(frozen=True)
class Fill:
    """One fill that was tried: its name and settings, whether it hides the cut, and each test's area (value, low, high) by name."""

    name: str
    hides: bool
    tests: Mapping[str, tuple[float, float, float]]


@dataclass(frozen=True)
class Loss:
    """Error of the predicted noise on the test images after a round: of peers' own models, mean, and of what they make together.

    ``together`` is the aggregate, or the ensembles' mean where peers lend each other seeds.
    """

    round: int
    alone: float | None = None
    together: float | None = None


@dataclass(frozen=True)
class Roots:
    """What a run says of its diffusion model.

    Parameters
    ----------
    revivals : tuple of RevivalRow
    curves : tuple of Curve
    judge : float, optional
        The judge's accuracy on real images held out from it.
    recommendation : str
        Which fill to use, in a sentence.
    erased : tuple of Erased
    not_played : tuple of NotPlayed
    fills : tuple of Fill
        Those tried for the recommendation, weakest first.
    losses : tuple of Loss
    sampled : float, optional
        Share of samples of the final model (of the ensembles, where there are such), over all classes, that the judge finds right.
    sampled_alone : float, optional
        The same for main models without their neighbours, where there are ensembles.
    """

    revivals: tuple[RevivalRow, ...] = ()
    curves: tuple[Curve, ...] = ()
    judge: float | None = None
    recommendation: str = ""
    erased: tuple[Erased, ...] = ()
    not_played: tuple[NotPlayed, ...] = ()
    fills: tuple[Fill, ...] = ()
    losses: tuple[Loss, ...] = ()
    sampled: float | None = None
    sampled_alone: float | None = None
    settings: tuple[Setting, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", tuple(dict.fromkeys(row.setting for row in self.revivals)))

    def rows(self, setting: Setting) -> tuple[RevivalRow, ...]:
        """Return the revivals of one setting."""
        return tuple(row for row in self.revivals if row.setting == setting)

    def of_kind(self, kind: str) -> tuple[Curve, ...]:
        """Return the curves of one knob."""
        return tuple(curve for curve in self.curves if curve.kind == kind)


def mean_of(values: list[float | None]) -> float | None:
    """Return the mean of what was measured, None if nothing was."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def mean_scores(rows: tuple[RevivalRow, ...], variant: str) -> Scores:
    """Return the means over rows of a variant's two accuracies."""
    scores = [row.scores.get(variant, Scores()) for row in rows]
    return Scores(*(mean_of([getattr(one, part) for one in scores]) for part in ("target", "others", "cross")))
