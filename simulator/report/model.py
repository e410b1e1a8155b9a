"""The data of a report as plain values, so that rendering is a pure function. ``None`` means *not measured*, and is shown as such."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from simulator.report.outcomes import ArrivalRow, AuditColumn, ErasureRow
from simulator.runs.verdict import Verdict

Edge = tuple[int, int]
Status = Literal["present", "away", "left", "erased", "never joined"]


@dataclass(frozen=True)
class Accuracy:
    """Shares of correct predictions, in [0, 1].

    Parameters
    ----------
    global_main, global_ensemble : float, optional
        On all test rows: of the main model alone, and of the ensemble.
    local_main, local_ensemble : float, optional
        The same with test rows weighted by the peer's own class distribution.
    """

    global_main: float | None = None
    global_ensemble: float | None = None
    local_main: float | None = None
    local_ensemble: float | None = None


@dataclass(frozen=True)
class RoundRow:
    """One round.

    Parameters
    ----------
    round : int
        Number, from 1.
    live : int
        Number of live peers.
    accuracy : Accuracy
        Means over the live peers.
    seconds : float, optional
        Wall time.
    bytes_overlay, bytes_physical : int, optional
        Bytes that peers and server share, and bytes that the engine moved.
    gradient_steps : int, optional
        Steps of all peers.
    """

    round: int
    live: int
    accuracy: Accuracy = Accuracy()
    seconds: float | None = None
    bytes_overlay: int | None = None
    bytes_physical: int | None = None
    gradient_steps: int | None = None


@dataclass(frozen=True)
class PeerRow:
    """One peer.

    Parameters
    ----------
    peer : int
        Its id.
    main : str
        Its main model, in words.
    counts : tuple of int
        Number of its rows in each class at the start.
    status : {"present", "away", "left", "erased", "never joined"}
        Its status after the last round.
    member, present : tuple of bool
        Whether it was a member, and whether it took part, in each round.
    accuracy : tuple of Accuracy or None
        Its accuracy in each round, None if it was not evaluated.
    final : Accuracy, optional
        Its accuracy in the final evaluation, None if it was absent.
    stored : int, optional
        Bytes of its main model at the end, None if it has none.
    """

    peer: int
    main: str
    counts: tuple[int, ...]
    status: Status
    member: tuple[bool, ...]
    present: tuple[bool, ...]
    accuracy: tuple[Accuracy | None, ...]
    final: Accuracy | None = None
    stored: int | None = None

    @property
    def rows(self) -> int:
        """Number of rows at the start."""
        return sum(self.counts)


@dataclass(frozen=True)
class EventRow:
    """One event.

    Parameters
    ----------
    round : int
        The round in which it happened.
    do : str
        Its kind, as in the scenario.
    peers : tuple of int
        The peers that it concerned.
    detail : str
        Further facts, in words.
    """

    round: int
    do: str
    peers: tuple[int, ...]
    detail: str = ""


@dataclass(frozen=True)
class GraphChange:
    """The graph of peers before and after a round in which it changed; ``leavers`` are the peers that departed."""

    round: int
    leavers: tuple[int, ...]
    nodes_before: tuple[int, ...]
    edges_before: tuple[Edge, ...]
    nodes_after: tuple[int, ...]
    edges_after: tuple[Edge, ...]


@dataclass(frozen=True)
class HoldingsChange:
    """The seeds that peers held just before and just after the erasures of one round.

    Parameters
    ----------
    round : int
        The round of the erasures.
    owners : tuple of int
        Peers whose seeds had to be dropped, or replaced after the deletion of rows.
    before, after : dict of (int, int) to tuple of int
        Versions of the seeds, by holder and owner.
    """

    round: int
    owners: tuple[int, ...]
    before: dict[tuple[int, int], tuple[int, ...]]
    after: dict[tuple[int, int], tuple[int, ...]]


@dataclass(frozen=True)
class ExpectationRow:
    """One expectation of the scenario in words, whether it was met, and what was found."""

    text: str
    passed: bool
    found: str = ""


@dataclass(frozen=True)
class Incident:
    """A fault that was handled: a crashed worker, a refused deletion, a resumed run."""

    round: int
    text: str


@dataclass(frozen=True)
class Machine:
    """The machine of a run: the vector level that was pinned, if any, and further ``facts`` by name."""

    level: str | None
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Figure:
    """A key figure: its label, its value, and a detail such as a value to compare with."""

    label: str
    value: str
    detail: str = ""


@dataclass(frozen=True)
class ReportData:
    """All data of a report.

    Parameters
    ----------
    name, seed, engine, digest, dataset
        Facts of the run; name and engine in words.
    classes : tuple of str
        Names of the classes.
    accuracy : Accuracy
        The primary metric in the final evaluation, called ``measure``.
    rounds, peers, events, graphs, holdings, erasures, expectations, incidents
        The run's rounds, peers, and so on, in order.
    compared : tuple of mapping
        Comparisons of methods, as in the results.
    scenario : str
        The resolved scenario as TOML.
    versions : tuple of (str, str)
        Libraries with their versions.
    verdict : Verdict
        The verdict on the run.
    machine : Machine
        Where it was computed.
    seconds : float, optional
        Wall time of the rounds, without the audits.
    waiting : int
        Number of requests that were never carried out, because their peers were away to the end.
    given : tuple of str
        The conditions of exactness.
    pooled : bool
        Whether peers predict with one model of all rows, instead of ensembles with their neighbours.
    measure : str
        Name of the primary metric.
    metrics : tuple of (str, Accuracy)
        Further metrics in the final evaluation, by name.
    columns, terms
        Columns and glossary entries of the audits.
    examined : tuple of (str, tuple of str)
        Findings of the audits of the run itself, by name, line by line.
    page : str
        The task's `simulator.report.contract.TaskPage`, as ``"module:name"``.
    sections : tuple of str
        Further sections, as ``"module:name"``.
    own : Any
        Additional data of the page's sections.
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
    compared: tuple[Mapping[str, Any], ...] = ()
    expectations: tuple[ExpectationRow, ...] = ()
    incidents: tuple[Incident, ...] = ()
    waiting: int = 0
    given: tuple[str, ...] = ()
    pooled: bool = False
    measure: str = "accuracy"
    metrics: tuple[tuple[str, Accuracy], ...] = ()
    columns: tuple[AuditColumn, ...] = ()
    terms: tuple[tuple[str, str], ...] = ()
    examined: tuple[tuple[str, tuple[str, ...]], ...] = ()
    page: str = "simulator.report.contract:TaskPage"
    sections: tuple[str, ...] = ()
    own: Any = None

    @property
    def varied(self) -> bool:
        """Whether any erasure is compared with a second counterfactual or the original."""
        return any(row.again is not None or row.original is not None for row in self.erasures)

    @property
    def together(self) -> str:
        """Name of the model that peers share."""
        return "model of all" if self.pooled else "ensemble"
