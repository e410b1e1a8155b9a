"""The report's data on erased, revived and hidden concepts; ``None`` means *not measured*."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from simulator.report.diffusion import scores
from simulator.report.diffusion.scores import Drawn, Near, Scores

VARIANTS = ("original", "pruned", "revived", "random_signs", "true_signs", "neuron_mean", "defended", "adaptive")
"""The variants of a model's weights, in the order of the report."""

PICTURED = ("original", "pruned", "revived", "random_signs", "defended", "adaptive")
"""The variants with samples in the report."""

SEEDS = "seeds"
"""Takes the place of the policy where seeds of single peers were attacked, which nobody averaged."""


Setting = tuple[str, str, str, str]
"""Policy, adversary, knowledge and completion, which revivals must share to be averaged."""


@dataclass(frozen=True)
class Sample:
    """One sample as a PNG, with the requested concept, and the one that the judge predicts."""

    png: bytes
    asked: str
    judged: str

    @property
    def right(self) -> bool:
        """Whether the judge predicts the requested concept."""
        return self.asked == self.judged


@dataclass(frozen=True)
class Strip:
    """Samples of one variant, of the erased concept and of others; equal positions in two strips have equal start noise."""

    variant: str
    target: tuple[Sample, ...]
    others: tuple[Sample, ...]


@dataclass(frozen=True)
class Named:
    """What an adversary made of a scar: the concept it names first, whether that was erased, the place of the attacked one, and chance."""

    first: str
    right: bool
    place: int
    of: int
    chance: float


@dataclass(frozen=True)
class RevivalRow:
    """One concept under one attack.

    Parameters
    ----------
    concept, policy, adversary, knowledge, completion : str
        The erased concept, and the setting; the completion is empty if the adversary completes nothing.
    round : int
        The round after which the attack was played.
    scores : mapping of str to Scores
        Scores by variant.
    sign_accuracy, sign_accuracy_top_fifth : float, optional
        Share of correct signs among all cut entries, and among the most confident fifth.
    location_auc, column_auc : float, optional
        Area under the curve with which cut entries, and columns with cut entries, are located in the released weights.
    seconds : float, optional
        Duration of the attack.
    n : mapping of str to int
        Numbers of entries behind the shares of signs, by their names; empty if unknown.
    interval : mapping of str to tuple of float
        95 % intervals of these shares and areas, by their names; empty if unknown.
    strips : tuple of Strip
        Samples by variant.
    seed_of : int, optional
        The peer whose seed was attacked, if it was not the release.
    named : Named, optional
        Whom the adversary named, if it named anybody.
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
    n: Mapping[str, int] = field(default_factory=dict)
    interval: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    strips: tuple[Strip, ...] = ()
    seed_of: int | None = None
    named: Named | None = None

    @property
    def label(self) -> str:
        """What it is called in tables."""
        return self.concept if self.seed_of is None else f"{self.concept}, seed of peer {self.seed_of}"

    @property
    def setting(self) -> Setting:
        """The setting that rows must share to be averaged."""
        return self.policy, self.adversary, self.knowledge, self.completion


@dataclass(frozen=True)
class Curve:
    """One concept's scores as a function of a parameter, ``noise``, ``sparsity`` or ``share``; points are sorted by ``x``.

    ``n`` are the numbers of samples of the erased concept, ``target``, and of the ``others``; empty if unknown.
    """

    concept: str
    kind: str
    policy: str
    points: tuple[Mapping[str, float], ...]
    n: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Erased:
    """One request to erase a concept.

    Parameters
    ----------
    concept, method, policy : str
        The concept, the eraser, and the aggregation policy.
    round : int
        The round of the request.
    peers : tuple of int
        The peers that erased it.
    density : float, optional
        Share of the weights that were cut.
    agreement : float, optional
        Share of the cut that two peers have in common.
    survival : float, optional
        Share of the entries cut by any peer that are zero in the aggregate.
    drawn_alone, drawn : float, optional
        Share of samples of these peers that still show the concept, from their own models and with their neighbours' seeds.
    n_drawn : int
        Number of these samples; 0 if unknown.
    before, after : Scores, optional
        Scores of the aggregate.
    outcome : str
        What became of it, if samples do not tell.
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
    n_drawn: int = 0
    before: Scores | None = None
    after: Scores | None = None
    outcome: str = "measured"


@dataclass(frozen=True)
class NotPlayed:
    """One attack or defence that was not played: the round after which it was due, its description, and the reason."""

    round: int
    what: str
    why: str


@dataclass(frozen=True)
class Fill:
    """One fill that was tested: its name with settings, whether it hides the cut, and the area (value, low, high) of each test."""

    name: str
    hides: bool
    tests: Mapping[str, tuple[float, float, float]]


@dataclass(frozen=True)
class Loss:
    """Mean squared error of the predicted noise on the test images after a round.

    Parameters
    ----------
    round : int
        The round.
    alone : float, optional
        Mean over the peers' own models.
    together : float, optional
        Of the aggregate, or the mean over ensembles with neighbours' seeds.
    """

    round: int
    alone: float | None = None
    together: float | None = None


@dataclass(frozen=True)
class Released:
    """The model that a server made of seeds: the policy, how far it moved on from their start, and the share of samples judged right.

    ``n`` is the number of samples; 0 if unknown.
    """

    policy: str
    scale: float
    sampled: float
    n: int = 0


@dataclass(frozen=True)
class Roots:
    """The report's data on the diffusion model of a run.

    Parameters
    ----------
    revivals : tuple of RevivalRow
    curves : tuple of Curve
    judge : float, optional
        The judge's accuracy on real images held out from it.
    n_judge, n_sampled : int
        Numbers of these images, and of the samples of ``sampled`` and ``sampled_alone``; 0 if unknown.
    recommendation : str
        The recommended fill, in a sentence.
    erased : tuple of Erased
    not_played : tuple of NotPlayed
    fills : tuple of Fill
        The fills tested for the recommendation, weakest first.
    losses : tuple of Loss
    sampled : float, optional
        Share of samples of the final model, or of the ensembles, over all classes, in which the judge recognises the requested class.
    sampled_alone : float, optional
        The same for main models without their neighbours, if there are ensembles.
    released : Released, optional
        What the server made of seeds.
    drawn : tuple of Drawn
        Samples of the averaged, or released, model at the end, concept by concept.
    near : Near, optional
        How near they are to real images, those of erased concepts left out.
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
    released: Released | None = None
    drawn: tuple[Drawn, ...] = ()
    near: Near | None = None
    n_judge: int = 0
    n_sampled: int = 0
    settings: tuple[Setting, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", tuple(dict.fromkeys(row.setting for row in self.revivals)))

    def rows(self, setting: Setting) -> tuple[RevivalRow, ...]:
        """Return the revivals of one setting."""
        return tuple(row for row in self.revivals if row.setting == setting)

    def of_kind(self, kind: str) -> tuple[Curve, ...]:
        """Return the curves of one parameter."""
        return tuple(curve for curve in self.curves if curve.kind == kind)


def mean_scores(rows: tuple[RevivalRow, ...], variant: str) -> Scores:
    """Return the means over rows of a variant's scores, of all their samples together."""
    return scores.mean_scores([row.scores.get(variant, Scores()) for row in rows])
