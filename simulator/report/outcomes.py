"""Erasures, arrivals and their audits in a report, as plain values. ``None`` means *not measured*, and is shown as such."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.runs.verdict import Verdict


@dataclass(frozen=True)
class Outcome:
    """Costs and audited figures of one run, in view of one request.

    Parameters
    ----------
    gradient_steps : int, optional
        Steps that the request cost.
    seconds : float, optional
        Time that the request cost.
    bytes : int, optional
        Bytes sent because of the request.
    holders, receipts : int, optional
        Number of peers that held a seed to be dropped, and of receipts that they gave.
    audited : mapping of str to float
        Figures of audits, by the names of their columns.
    not_judged : frozenset of str
        Names of the columns of audits that could not judge.
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
        """Largest absolute difference to the counterfactual over all remaining parameters and predictions."""
        return self.audited.get("max_abs_difference")


UNCOMPARED = Verdict("measured", "not compared")
"""The verdict on an erasure of which nothing is known."""


@dataclass(frozen=True)
class ErasureRow:
    """One erasure, and the runs with which it is compared.

    Parameters
    ----------
    round : int
        The round of the request.
    kind : str
        Kind of the request.
    peer : int
        The peer that left, or that owned the forgotten data.
    rows, edges : int
        Numbers of forgotten rows and edges.
    method, guarantee : str
        The method, and the guarantee that its outcome claims.
    outcome, retrained, nothing : Outcome
        Of the run itself, of the counterfactual (retrained without the data), and of the run that ignored the request.
    request : int
        Number of the request; its erasures share a counterfactual.
    again, original : Outcome, optional
        Of a second counterfactual with another key, and of the run just before the request, if they were played.
    not_judged : tuple of (str, str)
        Audits that could not judge, with the reasons.
    notes : tuple of str
        Notes of the method.
    verdict : Verdict
        The verdict on its claim, as in the results.
    certificate : mapping, optional
        The table of its certificate.
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
    certificate: Mapping[str, Any] | None = None


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
    """A column of the table of erasures, defined by an audit.

    Parameters
    ----------
    name : str
        Name of its figures among those of an outcome.
    heading : str
        Its heading.
    format : str
        Format of its figures, one of `simulator.report.words.FORMATS`.
    order : int
        Columns are sorted by it.
    counts : str, optional
        Name of the figure that is the number of cases; see `simulator.audits.contract.Column`.
    """

    name: str
    heading: str
    format: str
    order: int = 50
    counts: str | None = None
