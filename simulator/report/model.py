"""What a report needs to know of a run, and nothing more: plain values, so that rendering is a pure function.

``None`` means *not measured* everywhere, and is shown as such.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from simulator.runs.verdict import Verdict

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
    gradient_steps : int, optional
    seconds : float, optional
    bytes : int, optional
        Sent because of the request.
    holders, receipts : int, optional
        Peers that held a seed that had to go; receipts that they gave.
    audited : mapping of str to float
        What audits found, by the names of their columns.
    not_judged : frozenset of str
        Columns of audits that could not judge.
    """

    gradient_steps: int | None = None
    seconds: float | None = None
    bytes: int | None = None
    holders: int | None = None
    receipts: int | None = None
    audited: Mapping[str, float | None] = field(default_factory=dict)
    not_judged: frozenset[str] = frozenset()

    @property
    def difference(self) -> float | None:
        """Largest absolute difference to the counterfactual over all remaining parameters and answers."""
        return self.audited.get("max_abs_difference")


UNCOMPARED = Verdict("measured", "not compared")
"""The verdict on an erasure of which nothing is known."""


@dataclass(frozen=True)
class ErasureRow:
    """One erasure and its outcome beside retraining without the data (the counterfactual) and doing nothing.

    Erasures of one ``request`` share a counterfactual. ``again`` is another counterfactual, its training keyed otherwise, ``original`` the
    run just before; None where neither was played. ``not_judged`` are pairs of an audit and why it could not judge;
    ``notes`` what the method says; ``verdict`` what became of its claim, which the verdict on the run sums up.
    """

    round: int
    kind: str
    peer: int
    rows: int
    method: str
    guarantee: str
    outcome: Outcome
    retrained: Outcome = Outcome()
    nothing: Outcome = Outcome()
    request: int = 0
    edges: int = 0
    again: Outcome | None = None
    original: Outcome | None = None
    not_judged: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    verdict: Verdict = UNCOMPARED


@dataclass(frozen=True)
class ArrivalRow:
    """Rows that reached a peer: how it took them in, what that cost, and whether it ends as if it had been given them before training."""

    round: int
    peer: int
    rows: int
    method: str
    guarantee: str
    gradient_steps: int | None = None
    seconds: float | None = None
    equal: bool | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class AuditColumn:
    """A column that an audit brings: its name among the outcomes' figures, its heading, how figures are written, and its place."""

    name: str
    heading: str
    format: str
    order: int = 50


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
class Machine:
    """Where a run was computed: the vector level that it pinned, and ``facts`` by what they are called."""

    level: str | None
    facts: tuple[tuple[str, str], ...]


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
    is the wall time of the rounds, audits left out. Where it is ``pooled``, one model of all rows stands in the place of ensembles, and
    peers have no neighbours. ``given`` is what exact takes as given. ``columns`` and ``terms`` are those of the audits. ``page`` names
    what the cell brings (a `simulator.report.contract.TaskPage`) and ``sections`` what others bring, as ``"module:name"``; ``own`` is what
    the page's sections need beyond the rest.
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
    verdict: Verdict
    machine: Machine
    seconds: float | None = None
    events: tuple[EventRow, ...] = ()
    graphs: tuple[GraphChange, ...] = ()
    holdings: tuple[HoldingsChange, ...] = ()
    erasures: tuple[ErasureRow, ...] = ()
    arrivals: tuple[ArrivalRow, ...] = ()
    expectations: tuple[ExpectationRow, ...] = ()
    incidents: tuple[Incident, ...] = ()
    given: tuple[str, ...] = ()
    pooled: bool = False
    measure: str = "accuracy"
    metrics: tuple[tuple[str, Accuracy], ...] = ()
    columns: tuple[AuditColumn, ...] = ()
    terms: tuple[tuple[str, str], ...] = ()
    page: str = "simulator.report.contract:TaskPage"
    sections: tuple[str, ...] = ()
    own: Any = None

    @property
    def varied(self) -> bool:
        """Whether any erasure stands beside more than the usual runs."""
        return any(row.again is not None or row.original is not None for row in self.erasures)

    @property
    def together(self) -> str:
        """What peers make of what they share."""
        return "model of all" if self.pooled else "ensemble"
