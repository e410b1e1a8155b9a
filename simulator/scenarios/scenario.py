"""The schema of scenario files, and how one is read, changed and written."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from clients.compute import Vectors
from clients.data import DATASETS
from clients.plugins import PluginError
from clients.spec import Spec
from clients.union import Made
from server.topology import TOPOLOGIES, TopologySpec
from simulator.engines import ENGINES, EngineSpec
from simulator.errors import ScenarioError, short
from simulator.events.contract import EventSpec
from simulator.scenarios import bounds
from simulator.scenarios.audits import AuditTable, audit_table
from simulator.scenarios.churn import CHURN, ChurnSpec
from simulator.scenarios.compare import Compare
from simulator.scenarios.data_table import Public, data_table
from simulator.scenarios.expect import Expect
from simulator.scenarios.overrides import override
from simulator.scenarios.tasks import CELLS, name_of
from simulator.scenarios.validation_errors import validation_errors

DEFAULT_ENGINE = "inline"

if TYPE_CHECKING:
    AnyData = Public
    AnyTopology = TopologySpec
    AnyChurn = ChurnSpec
    AnyEngine = EngineSpec
    Audit = AuditTable
else:  # the registries know their members only at run time
    AnyData = DATASETS.union(table=data_table)
    AnyTopology = TOPOLOGIES.union()
    AnyChurn = CHURN.union()
    AnyEngine = ENGINES.union(default=DEFAULT_ENGINE)
    Audit = Annotated[Any, Made(audit_table)]


class Peers(Spec):
    """The participants: ``count`` peers, and names for groups of them.

    Parameters
    ----------
    count : int
        Number of peers.
    groups : table of lists
        Names for groups of peers, for events to use.
    """

    count: bounds.Peers
    groups: dict[str, tuple[int, ...]] = {}

    @model_validator(mode="after")
    def _known(self) -> Self:
        for name, members in self.groups.items():
            if strangers := [peer for peer in members if not 0 <= peer < self.count]:
                raise ValueError(f"group {name} names peer {strangers[0]}: peers are 0 to {self.count - 1}")
        return self


class Scenario(Spec):
    """One scenario, the only input of a run: what scenarios of every task have in common.

    ``load`` and ``parse`` return the scenario of the cell that the file names: its ``task`` (default: ``classification``) and its
    ``federation.kind`` (default for classification: ``hdus``). The tables of a cell are in ``simulator.tasks``.

    Parameters
    ----------
    name : str
        Name of the run: letters, digits, dots, dashes and underscores.
    seed : int
        Keys every random choice.
    rounds : int
        Number of rounds.
    data : table
        The data set, and its partition among the peers.
    peers : table
        The participants.
    event : list of tables
        What happens when.
    churn : table, optional
        Random absences of peers.
    expect : list of tables
        What must hold.
    audit : table
        What is checked after the run.
    compare : list of tables
        Methods that are compared on one request.
    compute : table
        Which instructions of the processor are taken, and where networks are trained.
    engine : table
        How messages are sent, and where peers run.
    task : {"classification", "diffusion", "language"}
        What is learned.
    federation : table
        How peers work together; default for classification: ``hdus``.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)]
    seed: Annotated[int, Field(ge=0)] = 0
    rounds: bounds.Rounds
    data: AnyData
    peers: Peers
    event: tuple[EventSpec, ...] = ()
    churn: AnyChurn | None = None
    expect: tuple[Expect, ...] = ()
    audit: Audit = Field(default_factory=lambda: audit_table()())
    # left out where nothing is set: plans from before there were such tables keep their hash
    compare: tuple[Compare, ...] = Field((), exclude_if=lambda compare: not compare)
    # left out where nothing is set: plans from before every task had such a table keep their hash
    compute: Vectors = Field(Vectors(), exclude_if=lambda compute: compute == Vectors())
    engine: AnyEngine = Field(default_factory=lambda: ENGINES.load(DEFAULT_ENGINE)(kind=DEFAULT_ENGINE))
    _source: str = PrivateAttr("scenario")

    @property
    def source(self) -> str:
        """The file the scenario was read from, for messages."""
        return self._source

    @property
    def cell(self) -> str:
        """What is learned and how peers work together: ``<task>/<federation kind>``."""
        return name_of(self.model_dump(include={"task", "federation"}))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scenario) and self.model_dump() == other.model_dump()

    def _repr_html_(self) -> str:
        """Return what a notebook shows of it: its file."""
        return f"<pre>{escape(self.to_toml())}</pre>"

    __hash__ = None  # type: ignore[assignment]  # groups are a dict

    @classmethod
    def load(cls, path: Path | str, overrides: Sequence[str] = ()) -> Scenario:
        """Read a scenario file.

        Parameters
        ----------
        path : path
        overrides : sequence of str
            Changes ``key.path=value``, the value in TOML (a bare word is text), lists by number: ``event.0.round=4``.

        Raises
        ------
        ScenarioError
            With one line for each thing that is wrong.
        LetheError
            If the file cannot be read or an override cannot be applied.
        """
        file = Path(path)
        return cls.parse(_toml(bounds.text_of(file), str(file)), overrides, str(file), file.resolve().parent)

    @classmethod
    def parse(
        cls, content: Mapping[str, Any] | str, overrides: Sequence[str] = (), source: str = "scenario", folder: Path | None = None
    ) -> Scenario:
        """Return the scenario of a mapping or TOML text; relative paths in it start at ``folder``. Raises as `load` does."""
        raw = _toml(content, source) if isinstance(content, str) else _copied(content, source)
        for setting in overrides:
            override(raw, setting)
        bounds.check_nesting(raw, source)
        try:
            task: type[Scenario] = CELLS.load(name_of(raw, source)).scenario
        except PluginError as error:
            raise ScenarioError([f"{source}: federation: {error}"]) from None
        if folder is not None:
            _anchor(raw, folder, source)
        try:
            # by way of JSON: TOML's lists become tuples, while "8" is not taken for 8
            scenario = task.model_validate_json(json.dumps(raw, default=str), strict=True)
        except ValidationError as error:
            raise ScenarioError(f"{source}: {line}" for line in validation_errors(error, raw, task.model_json_schema())) from None
        scenario._source = source
        return scenario

    def replace(self, **changes: Any) -> Scenario:
        """Return a changed scenario, validated; ``__`` steps into tables: ``replace(rounds=4, topology__on_leave="none")``."""
        raw = self._plain()
        for path, value in changes.items():
            *steps, last = path.split("__")
            table: Any = raw
            for step in steps:
                table = table[int(step)] if step.isdigit() else table.setdefault(step, {})
            plain = _plain(value)
            if isinstance(table, list):
                table[int(last)] = plain
            else:
                table[last] = plain
        return Scenario.parse(raw, source=self.source)

    @property
    def public(self) -> Self:
        """The scenario as it may be passed on: of each event what need not stay with its peer."""
        return self.model_copy(update={"event": tuple(one.public for one in self.event)})

    def to_toml(self) -> str:
        """Return the scenario as the text of a scenario file; parsing it gives an equal scenario."""
        import tomli_w

        return tomli_w.dumps(self._plain())

    def _plain(self) -> dict[str, Any]:
        """Return the scenario as TOML can hold it, in the order of the schema."""
        plain: dict[str, Any] = _plain(self)
        return plain


def _plain(value: Any) -> Any:
    """Return tables as dicts, and no key that is not set."""
    if isinstance(value, Spec):
        return _plain(value.model_dump(mode="json"))
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items() if part is not None}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


def _toml(text: str, source: str) -> dict[str, Any]:
    """Return the content of TOML text, a byte order mark in front of it left out."""
    try:
        return tomllib.loads(text.removeprefix("\ufeff"))
    except RecursionError:
        raise ScenarioError([f"{source}: lists and tables stand more than {bounds.DEPTH} deep in one another: shorten them"]) from None
    except ValueError as error:  # among them numbers with thousands of digits
        reason = str(error)
        raise ScenarioError([f"{source}: is not TOML ({reason}): mend the syntax there{_backslash(text, reason)}"]) from None


def _backslash(text: str, reason: str) -> str:
    """Return a hint at quoting where TOML has stopped at a line with a backslash in double quotes, as Windows paths have."""
    place = re.search(r"at line (\d+)", reason)
    lines = text.splitlines()
    if not place or int(place[1]) > len(lines) or not re.search(r'"[^"]*\\', lines[int(place[1]) - 1]):
        return ""
    return r"; a backslash needs single quotes around the text, as in 'C:\Users\me\rows.csv', or write C:/Users/me/rows.csv"


def _copied(content: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return a mapping's content as plain values."""
    bounds.check_nesting(content, source)
    try:
        return dict(json.loads(json.dumps(content, default=str)))
    except (TypeError, ValueError) as error:
        raise ScenarioError([f"{source}: cannot be written as a file ({error}): use plain values"]) from None


def _anchor(raw: dict[str, Any], folder: Path, source: str) -> None:
    """Let relative paths of tables start at a folder."""
    for name, table in bounds.with_paths(raw):
        if isinstance(path := table.get("path"), str):
            try:
                table["path"] = str(folder / Path(path).expanduser())
            except RuntimeError:
                what = f"{short(path)} starts with the home of a user who is not here: correct it"
                raise ScenarioError([f"{source}: {name}.path: {what}"]) from None
