"""The contract of audits: an erasure, and the ends of some runs, in; numbers under declared columns out."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from clients.spec import Spec
from server.timeline import Erasure
from simulator.errors import LetheError

if TYPE_CHECKING:  # heavy to import, and nobody needs them to check a scenario
    from clients.participant import Participant
    from simulator.storage.store import RunStore

Format = Literal["difference", "area", "steps", "seconds", "bytes", "share"]


@dataclass(frozen=True)
class Row:
    """One run at whose end an audit may look: its name, what its figures' names end in, and what people call it."""

    name: str
    suffix: str
    label: str


RUN = Row("run", "", "as run")
RETRAINED = Row("retrained", "_counterfactual", "never there (retrained)")
AGAIN = Row("retrained again", "_again", "retrained again")
NOTHING = Row("did nothing", "_nothing", "did nothing")
ORIGINAL = Row("original", "_original", "original")
ROWS = (RUN, RETRAINED, AGAIN, NOTHING, ORIGINAL)
"""The run; the same without what was erased; that once more, training keyed otherwise: the floor of what retraining itself varies by; the
run with all requests ignored; and the run up to the round before the request."""


@dataclass(frozen=True)
class Column:
    """What an audit measures.

    Parameters
    ----------
    name : str
        In ``results.json``; behind it stands the suffix of every row but the first of ``rows``.
    heading, unit, meaning : str
        For people: what stands over the column, what it is counted in, and how it is read.
    format : str
        How a figure is written.
    rows : tuple of Row
        The runs of which there is such a figure.
    order : int
        Columns stand in this order in the report; costs of forgetting have 10 to 40.
    shown : bool
        Whether terminal and report show it; if not, it is in the results alone.
    """

    name: str
    heading: str
    unit: str
    format: Format
    meaning: str
    rows: tuple[Row, ...] = ROWS
    order: int = 50
    shown: bool = True

    def key(self, row: Row) -> str:
        """Return what the figure of a row is called in the results."""
        return self.name if row == self.rows[0] else self.name + row.suffix

    def told(self) -> dict[str, Any]:
        """Return what the results say of this column; ``keys`` are its figures' names by what people call the run that they are of."""
        described = {"name": self.name, "heading": self.heading, "unit": self.unit, "format": self.format, "meaning": self.meaning}
        return {**described, "shown": self.shown, "keys": {row.label: self.key(row) for row in self.rows}}


class NotJudgedError(Exception):
    """An audit cannot judge a peer, an erasure or a federation; the message is the reason, which the results tell."""


class AuditError(LetheError):
    """An audit that claims what it has not measured, or gives what it has not declared."""


@dataclass(frozen=True)
class Branch:
    """A run at its end: its ledger, and its peers."""

    store: RunStore
    peers: Mapping[int, Participant]


class Branches(Protocol):
    """The runs that an audit may compare; one that nobody looks at is not played."""

    @property
    def rows(self) -> Sequence[Row]:
        """Which there are."""

    def __getitem__(self, row: Row) -> Branch:
        """Return a run, played if it has not been."""


Figures = Mapping[str, float | None]


class AuditSpec(Spec):
    """An audit with its settings: a key of the ``[audit]`` table, ``true`` or a table.

    A subclass lies in a file of its own, and what is heavy is imported where it is used.
    """

    columns: ClassVar[tuple[Column, ...]]
    """What it measures; the first is what it is there for, and an erasure of which the run's own figure is missing is not judged."""
    always_told: ClassVar[bool] = False
    """Whether its columns stand in the report of runs that did not ask for it, where they say *not measured*."""
    sections: ClassVar[tuple[str, ...]] = ()
    """Sections of the report that it brings, as ``"module:name"``; see `simulator.report.contract.Section`."""

    def rows(self, exact: bool) -> tuple[Row, ...]:
        """Return the runs that it wants to see; ``exact`` if the method claims exactness, so that its floor is zero."""
        return (RUN, RETRAINED, NOTHING) if exact else ROWS

    @property
    def terms(self) -> tuple[tuple[str, str], ...]:
        """What the report explains of it: terms and their meanings."""
        return tuple((column.heading, column.meaning) for column in self.columns if column.shown)

    @abstractmethod
    def judge(self, erasure: Erasure, targets: Sequence[int], branches: Branches) -> Figures:
        """Return figures by their keys.

        Parameters
        ----------
        erasure : Erasure
        targets : sequence of int
            Peers whose models may still remember: the holders of a departed peer's seed, or the owner of deleted rows and edges.
        branches : Branches

        Raises
        ------
        NotJudgedError
            If it cannot.
        """


def keys(columns: Sequence[Column], rows: Sequence[Row] = ROWS) -> Iterator[tuple[str, Row]]:
    """Yield what every figure is called, with the run that it is of."""
    for column in columns:
        yield from ((column.key(row), row) for row in column.rows if row in rows)


def checked(name: str, spec: AuditSpec, found: Figures, rows: Sequence[Row], seen: set[Row]) -> dict[str, Any]:
    """Return an audit's figures; ``AuditError`` where they are not what it has declared and measured.

    Parameters
    ----------
    name : str
        Of the audit, for messages.
    found : mapping
        What it gave.
    rows : sequence of Row
        The runs that it could look at.
    seen : set of Row
        Those that it did look at: of any other it can know nothing.
    """
    declared = dict(keys(spec.columns, rows))
    for key, value in found.items():
        if key not in declared:
            raise AuditError(f"audit {name}: {key!r} is no figure of its columns ({', '.join(declared)}): declare it, or leave it out")
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            raise AuditError(f"audit {name}: {key} is {value!r}: give a number, or None where nothing was measured")
        if declared[key] not in seen:
            raise AuditError(f"audit {name}: gives {key} = {value:g} without having looked at the run {declared[key].name!r}: measure it")
    if found.get(spec.columns[0].name) is None:
        raise AuditError(f"audit {name}: gives no {spec.columns[0].name}, and not why: raise NotJudgedError with the reason")
    return dict(found)
