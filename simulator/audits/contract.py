"""The contract of audits: from an erasure and the final states of some runs to figures in declared columns."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from clients.spec import Spec
from server.timeline import Erasure
from simulator.errors import LetheError

if TYPE_CHECKING:  # heavy imports, which checking a scenario does not need
    from clients.config import PeerConfig
    from clients.data import Dataset
    from clients.data.rows import Rows
    from clients.participant import Participant
    from simulator.storage.store import RunStore

Format = Literal["difference", "area", "steps", "seconds", "bytes", "share"]


@dataclass(frozen=True)
class Row:
    """One run that an audit may examine at its end: its name, the suffix of its figures' names, and its label for users."""

    name: str
    suffix: str
    label: str


RUN = Row("run", "", "as run")
RETRAINED = Row("retrained", "_counterfactual", "never there (retrained)")
AGAIN = Row("retrained again", "_again", "retrained again")
NOTHING = Row("did nothing", "_nothing", "did nothing")
ORIGINAL = Row("original", "_original", "original")
ROWS = (RUN, RETRAINED, AGAIN, NOTHING, ORIGINAL)
"""The run; its counterfactual without the erased data; the counterfactual with other training keys, whose difference shows how much
retraining itself varies; the run with all requests ignored; and the run up to the round before the request."""


@dataclass(frozen=True)
class Column:
    """A quantity that an audit measures.

    Parameters
    ----------
    name : str
        Name in ``results.json``, followed by the suffix of the row for every row but the first of ``rows``.
    heading, unit, meaning : str
        For users: the column's heading, its unit, and how to read it.
    format : str
        How a figure is formatted.
    rows : tuple of Row
        The runs that have such a figure.
    order : int
        Position among the report's columns; costs of forgetting have 10 to 40.
    shown : bool
        Whether terminal and report show the column; if not, it is in the results only.
    counts : str, optional
        Name of the column with the number of cases, which is shown beside the figure, as is its interval, whose ends are in the columns
        ``name_low`` and ``name_high`` if there are such.
    """

    name: str
    heading: str
    unit: str
    format: Format
    meaning: str
    rows: tuple[Row, ...] = ROWS
    order: int = 50
    shown: bool = True
    counts: str | None = None

    def key(self, row: Row) -> str:
        """Return the name of a row's figure in the results."""
        return self.name if row == self.rows[0] else self.name + row.suffix

    def told(self) -> dict[str, Any]:
        """Return the column's description for the results; ``keys`` maps the runs' labels to the names of their figures."""
        described = {"name": self.name, "heading": self.heading, "unit": self.unit, "format": self.format, "meaning": self.meaning}
        counts = {} if self.counts is None else {"counts": self.counts}
        return {**described, **counts, "shown": self.shown, "keys": {row.label: self.key(row) for row in self.rows}}


class NotJudgedError(Exception):
    """An audit cannot judge a peer, an erasure or a federation; the message is the reason, which the results show."""


class AuditError(LetheError):
    """An audit returns a figure that it has not measured or not declared."""


@dataclass(frozen=True)
class Branch:
    """The final state of a run: its ledger and its peers."""

    store: RunStore
    peers: Mapping[int, Participant]


class Branches(Protocol):
    """The runs that an audit may compare; they are executed lazily."""

    @property
    def rows(self) -> Sequence[Row]:
        """The available runs."""

    def __getitem__(self, row: Row) -> Branch:
        """Return a run, executing it if necessary."""

    def learned(self, row: Row) -> Rows:
        """Return the erasure's rows as the models of a run learned them, or would have: with the corrections before the request."""


Figures = Mapping[str, float | None]


class AuditSpec(Spec):
    """An audit with its settings: a key of the ``[audit]`` table, ``true`` or a table.

    A subclass is in a file of its own, and imports heavy modules where it uses them.
    """

    columns: ClassVar[tuple[Column, ...]]
    """The quantities that it measures, the main one first; an erasure without the run's own figure of it is not judged."""
    needs_validation: ClassVar[bool] = False
    """Whether it needs validation rows; a scenario that sets none aside is refused."""
    shadows: ClassVar[bool] = False
    """Whether its figures are of models that it trains itself, so that it may give those of runs at which it has not looked."""
    passes: ClassVar[bool] = False
    """Whether a method passes by it, where it does not fail; other audits by shadow models object or do not."""
    always_told: ClassVar[bool] = False
    """Whether its columns also appear in the reports of runs without this audit, as *not measured*."""
    sections: ClassVar[tuple[str, ...]] = ()
    """Report sections of the audit, as ``"module:name"``; see `simulator.report.contract.Section`."""

    def rows(self, exact: bool) -> tuple[Row, ...]:
        """Return the runs that the audit compares; ``exact`` if the method claims exactness, so that the expected difference is zero."""
        return (RUN, RETRAINED, NOTHING) if exact else ROWS

    def unfit(self, data: Dataset) -> str | None:
        """Return why it cannot judge models of a data set, with the cure, or None; the line follows the audit's name."""
        return None

    def unfit_for(self, config: PeerConfig) -> str | None:
        """Return why it cannot judge peers with such a config, with the cure, or None; the line follows the audit's name."""
        return None

    def barred(self, erasure: Erasure) -> str | None:
        """Return why it cannot judge a request, whatever the run finds, or None.

        A scenario is refused if it can judge none of its requests.
        """
        return None

    @property
    def terms(self) -> tuple[tuple[str, str], ...]:
        """Terms and their meanings, for the report."""
        return tuple((column.heading, column.meaning) for column in self.columns if column.shown)

    @abstractmethod
    def judge(self, erasure: Erasure, targets: Sequence[int], branches: Branches) -> Figures:
        """Return figures by their keys.

        Parameters
        ----------
        erasure : Erasure
        targets : sequence of int
            Peers whose models may still contain the data: the holders of a departed peer's seed, or the owner of deleted rows and edges.
        branches : Branches

        Raises
        ------
        NotJudgedError
            If the erasure cannot be judged.
        """


class RunAuditSpec(AuditSpec):
    """An audit of a run as it ended, whatever was erased; it has no columns, and its findings are listed under ``examined``."""

    columns: ClassVar[tuple[Column, ...]] = ()

    def rows(self, exact: bool) -> tuple[Row, ...]:
        """Return no run: erasures are not compared."""
        return ()

    def judge(self, erasure: Erasure, targets: Sequence[int], branches: Branches) -> Figures:
        """Raise ``NotJudgedError``: no erasure is judged."""
        raise NotJudgedError("the audit is of the run, not of an erasure")

    @abstractmethod
    def examine(self, branch: Branch) -> list[dict[str, Any]]:
        """Return what is found in the run at its end, as values that JSON can represent; ``NotJudgedError`` if it cannot be judged."""

    @abstractmethod
    def lines(self, findings: Sequence[Mapping[str, Any]]) -> Iterator[str]:
        """Yield what `examine` returned as lines for users."""


def keys(columns: Sequence[Column], rows: Sequence[Row] = ROWS) -> Iterator[tuple[str, Row]]:
    """Yield the name of every figure, with its run."""
    for column in columns:
        yield from ((column.key(row), row) for row in column.rows if row in rows)


def keyed(columns: Iterable[Column], row: Row, values: Iterable[float | None]) -> dict[str, float | None]:
    """Return the figures of a run by their names, one of each column."""
    return {column.key(row): value for column, value in zip(columns, values, strict=True)}


def checked(name: str, spec: AuditSpec, found: Figures, rows: Sequence[Row], seen: set[Row]) -> dict[str, Any]:
    """Return an audit's figures; ``AuditError`` if they are not declared or not measured.

    Parameters
    ----------
    name : str
        Name of the audit, for messages.
    found : mapping
        The figures that it returned.
    rows : sequence of Row
        The runs that were available to it.
    seen : set of Row
        The runs that it accessed; it cannot know anything about the others.
    """
    declared = dict(keys(spec.columns, ROWS if spec.shadows else rows))
    for key, value in found.items():
        if key not in declared:
            raise AuditError(f"audit {name}: {key!r} is no figure of its columns ({', '.join(declared)}): declare it, or leave it out")
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            raise AuditError(f"audit {name}: {key} is {value!r}: give a number, or None where nothing was measured")
        if declared[key] not in seen and not spec.shadows:
            raise AuditError(f"audit {name}: gives {key} = {value:g} without having looked at the run {declared[key].name!r}: measure it")
    if found.get(spec.columns[0].name) is None:
        raise AuditError(f"audit {name}: gives no {spec.columns[0].name}, and not why: raise NotJudgedError with the reason")
    return dict(found)
