"""What a report needs to know of a run, and nothing more: plain values, so that rendering is a pure function.

``None`` means *not measured* everywhere, and is shown as such.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from simulator.report.diffusion.model import Roots

Edge = tuple[int, int]
Status = Literal["present", "away", "left", "erased"]


@dataclass(frozen=True)
class Accuracy:
    """Shares of correct predictions in [0, 1]: on the global test rows and on the peer's own class mix, main model alone and ensemble."""

    global_main: float | None = None
    global_ensemble: float | None = None
    local_main: float | None = None
    local_ensemble: float | None = None


@dataclass(frozen=True)
class RoundRow:
    """One round: peers live, wall time in seconds, bytes sent by edge (overlay) and through the relay, means over the live peers."""

    round: int
    live: int
    accuracy: Accuracy = Accuracy()
    seconds: float | None = None
    bytes_overlay: int | None = None
    bytes_physical: int | None = None
    gradient_steps: int | None = None


@dataclass(frozen=True)
class PeerRow:
    """One peer: its main model in words, its rows by class at the start, and for each round whether it belonged, was there, and did well.

    ``member``, ``present`` and ``accuracy`` have one entry a round (``accuracy`` None where the peer did not answer); ``final`` is what it
    reached in the final evaluation after the last round, None if it was not there.
    """

    peer: int
    main: str
    counts: tuple[int, ...]
    status: Status
    member: tuple[bool, ...]
    present: tuple[bool, ...]
    accuracy: tuple[Accuracy | None, ...]
    final: Accuracy | None = None

    @property
    def rows(self) -> int:
        """Rows at the start."""
        return sum(self.counts)


@dataclass(frozen=True)
class EventRow:
    """One thing that happened: ``do`` as in the scenario, the peers it concerned, and what else is to be said."""

    round: int
    do: str
    peers: tuple[int, ...]
    detail: str = ""


@dataclass(frozen=True)
class GraphChange:
    """The graph before and after the departures of one round."""

    round: int
    leavers: tuple[int, ...]
    nodes_before: tuple[int, ...]
    edges_before: tuple[Edge, ...]
    nodes_after: tuple[int, ...]
    edges_after: tuple[Edge, ...]


@dataclass(frozen=True)
class HoldingsChange:
    """Who held whose seed just before and just after the erasures of one round: ``{(holder, owner): versions}``.

    ``owners`` are the peers whose seeds had to go, or to be replaced because rows were deleted.
    """

    round: int
    owners: tuple[int, ...]
    before: dict[tuple[int, int], tuple[int, ...]]
    after: dict[tuple[int, int], tuple[int, ...]]


@dataclass(frozen=True)
class Outcome:
    """What one way of answering a request led to.

    Parameters
    ----------
    difference : float, optional
        Largest absolute difference to the counterfactual over all remaining parameters and ensemble probabilities.
    gradient_steps : int, optional
    seconds : float, optional
    bytes : int, optional
        Sent because of the request.
    holders, receipts : int, optional
        Peers that held a seed that had to go; receipts that they gave.
    mia_auc : float, optional
        Class-matched area under the curve of membership inference, in [0, 1].
    relearn_steps : float, optional
        Gradient steps to learn the erased rows again, mean over the holders.
    """

    difference: float | None = None
    gradient_steps: int | None = None
    seconds: float | None = None
    bytes: int | None = None
    holders: int | None = None
    receipts: int | None = None
    mia_auc: float | None = None
    relearn_steps: float | None = None


@dataclass(frozen=True)
class ErasureRow:
    """One erasure and its outcome beside retraining without the data (the counterfactual) and doing nothing.

    Erasures of one ``request`` share a counterfactual.
    """

    round: int
    kind: Literal["peer", "rows", "edges"]
    peer: int
    rows: int
    method: str
    guarantee: str
    outcome: Outcome
    retrained: Outcome = Outcome()
    nothing: Outcome = Outcome()
    request: int = 0
    edges: int = 0


@dataclass(frozen=True)
class ExpectationRow:
    """One expectation of the scenario in words, whether it was met, and what was found."""

    text: str
    passed: bool
    found: str = ""


@dataclass(frozen=True)
class Incident:
    """Something that went wrong and was dealt with: a crashed worker, a refused deletion, a resumed run."""

    round: int
    text: str


@dataclass(frozen=True)
class Figure:
    """A key figure: what, how much, and compared with what."""

    label: str
    value: str
    detail: str = ""


@dataclass(frozen=True)
class ReportData:
    """Everything a report shows.

    ``accuracy`` is that of the final evaluation after the last round, ``measure`` what it is called, ``metrics`` further ones by name;
    ``scenario`` is the resolved scenario as TOML; ``classes`` names the labels; ``versions`` are pairs of library and version; ``seconds``
    is the wall time of the rounds, audits left out. ``task`` is the scenario's; where it is ``pooled``, one model of all rows stands in the
    place of ensembles, and peers have no neighbours; ``roots`` is what became of concepts that were cut out of a diffusion model.
    """

    name: str
    seed: int
    engine: str
    digest: str
    dataset: str
    classes: tuple[str, ...]
    accuracy: Accuracy
    rounds: tuple[RoundRow, ...]
    peers: tuple[PeerRow, ...]
    scenario: str
    versions: tuple[tuple[str, str], ...]
    seconds: float | None = None
    events: tuple[EventRow, ...] = ()
    graphs: tuple[GraphChange, ...] = ()
    holdings: tuple[HoldingsChange, ...] = ()
    erasures: tuple[ErasureRow, ...] = ()
    expectations: tuple[ExpectationRow, ...] = ()
    incidents: tuple[Incident, ...] = ()
    task: str = "classification"
    pooled: bool = False
    measure: str = "accuracy"
    metrics: tuple[tuple[str, Accuracy], ...] = ()
    roots: Roots | None = None

    @property
    def together(self) -> str:
        """What peers make of what they share."""
        return "model of all" if self.pooled else "ensemble"
