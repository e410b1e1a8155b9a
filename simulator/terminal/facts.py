"""The output of ``lethe data``: the facts of a scenario's data as keys of ``[data]``, and remarks as comments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from clients.data import DataError, Dataset, DatasetSpec, one_line
from clients.data.coding import TableSource
from clients.data.facts import ColumnFacts, PublicRows, Source, pasted_column, pasted_labels
from clients.data.rows import Ids
from clients.data.scaling import between
from simulator.errors import ScenarioError
from simulator.scenarios.public import split
from simulator.scenarios.scenario import Scenario

_MOST = 20
"""Maximum number of categories that a comment names."""


def told(scenario: Scenario) -> Iterator[str]:
    """Yield lines of TOML for the ``[data]`` table of a scenario; ``ScenarioError`` if its data cannot be read."""
    table, spec = scenario.data, scenario.data.source()
    try:
        source = spec.read()
        public = split(source, scenario.seed, table.set_aside, table.test, table.validation).shown(table.facts)
        yield from map(one_line, _told(spec, source, public))
    except DataError as error:
        raise ScenarioError([f"{scenario.source}: data: {error}"]) from None


def _told(spec: DatasetSpec, source: Source, public: PublicRows) -> Iterator[str]:
    """Yield the lines of a data set."""
    what = "public" if np.array_equal(public.reference, public.labelled) else "reference"
    shown = "all rows" if len(public.reference) == len(source) else f"{len(public.reference)} {what} rows"
    yield f"# {spec.tag}: {len(source)} rows, ids {source.ids[0]} to {source.ids[-1]}; what is not declared is read off {shown},"
    yield f"# classes off {len(public.labelled)} public rows"
    if isinstance(source, TableSource):
        yield from _columns(spec, source, public)
        yield from _classes(spec, source.classes(source.at(public.labelled)), *source.labels(None))
    elif isinstance(source, Dataset):
        yield from _of_arrays(spec, source, public)


def _columns(spec: DatasetSpec, source: TableSource, public: PublicRows) -> Iterator[str]:
    """Yield the columns of a table, then remarks on them."""
    noticed: list[str] = []
    yield "columns = ["
    for place, fact in zip(source.features, source.tried(spec.columns, source.at(public.reference)), strict=True):
        if isinstance(fact, DataError):
            noticed.append(str(fact))
            continue
        yield f"  {pasted_column(fact)},"
        noticed += _noticed(source, place, fact, source.at(public.reference))
    yield "]"
    yield from (f"# {line}" for line in noticed)


def _noticed(source: TableSource, place: int, fact: ColumnFacts, reference: Ids) -> Iterator[str]:
    """Yield remarks on a column, such as values outside its bounds or categories."""
    try:
        _, beyond = source.coded(place, fact)
    except DataError as error:
        yield str(error)
        return
    texts = source.table.texts(place)
    if fact.categories is not None:
        strange = Counter(cell for cell in texts if cell not in fact.categories).most_common()
        some = ", ".join(f"{cell!r} {count}" for cell, count in strange[:_MOST]) + (", ..." if len(strange) > _MOST else "")
        if strange:
            yield f"{fact.name}: {beyond} of {len(source)} rows are in no category and count as other: {some}"
        return
    values = source.table.numbers(place, source.named, source.features)
    if beyond:
        yield f"{fact.name}: {_outside(beyond, values)}"
    if fact.low == fact.high:
        yield f"{fact.name}: low and high are equal, so every value counts as the same: declare what it may be"
    if source.numbers is None and all(map(str.isdigit, texts)) and len(set(texts)) == len(texts):
        yield f"{fact.name}: a whole number of its own in every row: id = {fact.name!r} would make it their permanent id, no feature"


def _outside(count: int, values: npt.NDArray[np.float64]) -> str:
    """Return how many values of a column are outside its bounds, in words."""
    return f"{count} of {len(values)} rows lie beyond, from {values.min():g} to {values.max():g}, and count as the bound"


def _classes(spec: DatasetSpec, public: tuple[str, ...], held: tuple[str, ...], y: Ids) -> Iterator[str]:
    """Yield the classes, then those that no public row has."""
    known = spec.class_names or public
    hidden = [name for name in held if name not in known] if spec.class_names is None else []
    yield pasted_labels([name for name in held if name in known or name in hidden] if hidden else known)
    counts = np.bincount(y, minlength=len(held))
    for name in hidden:
        yield f"# class {name!r}: none of its {counts[held.index(name)]} rows is public, so that it must be declared"


def _of_arrays(spec: DatasetSpec, source: Dataset, public: PublicRows) -> Iterator[str]:
    """Yield the facts of data that are no table with named columns."""
    if source.published:
        yield "# its classes are published with it: nothing needs to be declared"
        return
    seen = np.unique(source.classes_of(public.labelled)).tolist()
    labels = tuple(source.labels[label] for label in seen)
    if source.columns:
        known = spec.model_copy(update={"labels": source.labels}).known(source, public)
        yield "columns = ["
        yield from (f"  {pasted_column(one)}," for one in known.columns or ())
        yield "]"
        yield from _beyond(source, known)
    yield from _classes(spec, labels, source.labels, source.y)


def _beyond(source: Dataset, known: DatasetSpec) -> Iterator[str]:
    """Yield a remark for each column of an array with values outside its bounds."""
    for place, one in enumerate(known.columns or ()):
        assert one.low is not None
        assert one.high is not None
        values = source.x[:, place].astype(np.float64)
        if count := between(values, one.low, one.high)[1]:
            yield f"# {one.name}: {_outside(count, values)}"
