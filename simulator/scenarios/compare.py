"""The ``[[compare]]`` tables of a scenario: methods to carry out one of its requests by, and what resolution makes of a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, field_validator

from clients.spec import Spec
from clients.unlearning.general import AnyMethod
from clients.unlearning.general.contract import MethodSpec
from server.timeline import Timeline
from simulator.events.contract import EventSpec
from simulator.scenarios.validation_errors import name_place


class NotComparedError(Exception):
    """A method by which a federation cannot carry a request out; the message is the reason and the cure, in one line."""


class Compare(Spec):
    """Plays the run up to an event's request, then on by each method, in memory; every method is a row of one table.

    Parameters
    ----------
    event : int
        The event whose request is carried out, counted from 0 as in ``--set event.0.round=4``.
    methods : list of str or table
        Unlearning methods, each by its name or as a table with its settings; see ``lethe methods``.
    """

    event: Annotated[int, Field(ge=0)]
    methods: Annotated[tuple[AnyMethod, ...], Field(min_length=1)]

    @field_validator("methods")
    @classmethod
    def _once(cls, methods: tuple[MethodSpec, ...]) -> tuple[MethodSpec, ...]:
        names = [label(one) for one in methods]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"names {twice} twice: name each method once, or with other settings")
        return methods


class Comparison(Spec):
    """A ``[[compare]]`` table once the timeline is known.

    Parameters
    ----------
    event : int
        Position of the event, from 0.
    request : int
        Number of its request.
    first, last : int
        Rounds in which the first and the last of its erasures are carried out; the runs end with the latter.
    methods : tuple of MethodSpec
    """

    event: int
    request: int
    first: int
    last: int
    methods: tuple[AnyMethod, ...]


def label(method: MethodSpec) -> str:
    """Return the name of a method's row: its kind, with those settings that are not the defaults."""
    told = method.model_dump(exclude_defaults=True, exclude={"kind"})
    return method.tag + (f" ({', '.join(f'{name} = {value}' for name, value in told.items())})" if told else "")


def refusals(tables: Sequence[Compare], events: Sequence[EventSpec]) -> Iterator[tuple[str, str]]:
    """Yield place and reason of every table that names no event, one that makes no request, or one that another table names."""
    requests = [number for number, event in enumerate(events) if event.request is not None]
    cure = f"name one of the requests: {', '.join(map(str, requests))}" if requests else "no event is one: remove the table"
    for i, table in enumerate(tables):
        place = name_place(("compare", i, "event"))
        if table.event >= len(events):
            yield place, f"is {table.event}, and there is no such event, counted from 0: {cure}"
        elif table.event not in requests:
            yield place, f"is {table.event}, a {events[table.event].tag} that asks for nothing to be forgotten: {cure}"
        elif table.event in [one.event for one in tables[:i]]:
            yield place, f"is {table.event}, which another table compares: put all methods into one"


def resolved(
    tables: Sequence[Compare], timeline: Timeline, requested: Mapping[int, int], wrong: Callable[[str, str], None]
) -> Iterator[Comparison]:
    """Yield tables with their requests and rounds.

    Parameters
    ----------
    tables : sequence of Compare
    timeline : Timeline
    requested : mapping of int to int
        Number of the request of each event that made one.
    wrong : callable
        Takes place and reason of each table whose event made no request, or none that is alone in its rounds.
    """
    for i, table in enumerate(tables):
        request, place = requested.get(table.event), name_place(("compare", i, "event"))
        rounds = [one.round for one in timeline.erasures if one.request == request]
        if request is None or not rounds:
            wrong(place, f"is {table.event}, which is never carried out: name another, or move it to a round with its peers")
            continue
        first, last = min(rounds), max(rounds)
        if others := [one.round for one in timeline.erasures if one.request != request and first <= one.round <= last]:
            shared = f"is {table.event}, carried out together with another request in round {others[0]}"
            wrong(place, f"{shared}, so that cost and trace cannot be told apart: move one of them to another round")
            continue
        yield Comparison(event=table.event, request=request, first=first, last=last, methods=table.methods)


def unable(plan: Any, branched: Callable[[Any, Comparison, MethodSpec], object]) -> Iterator[tuple[str, str]]:
    """Yield place and reason of every method by which a plan's federation cannot carry the request out.

    Parameters
    ----------
    plan : Plan
    branched : callable
        See `simulator.tasks.contract.Cell.branched`.
    """
    for i, one in enumerate(plan.comparisons):
        for j, method in enumerate(one.methods):
            try:
                branched(plan, one, method)
            except NotComparedError as reason:
                yield name_place(("compare", i, "methods", j)), str(reason)
