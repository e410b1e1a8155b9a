"""Extension points: the registries by entry-point group, and classes that a notebook registers by hand."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

from clients import config
from clients.plugins import PluginError, located
from clients.spec import Registry
from simulator.engines import EngineSpec
from simulator.errors import LetheError
from simulator.requests import REQUESTS
from simulator.scenarios.plan import Plan
from simulator.scenarios.tasks import CELLS

HOMES = {
    "lethe.adversaries": "server.revival.adversaries:ADVERSARIES",
    "lethe.audits": "simulator.audits:AUDITS",
    "lethe.cells": "simulator.scenarios.tasks:CELLS",
    "lethe.certificates": "clients.unlearning.certificates:CERTIFICATES",
    "lethe.churn": "simulator.scenarios.churn:CHURN",
    "lethe.completions": "server.revival.completion_specs:COMPLETIONS",
    "lethe.configs": "clients.config:CONFIGS",
    "lethe.datasets": "clients.data:DATASETS",
    "lethe.diffusion_events": "simulator.tasks.diffusion.events:EVENTS",
    "lethe.engines": "simulator.engines:ENGINES",
    "lethe.erasers": "clients.unlearning.pruning:ERASERS",
    "lethe.events": "simulator.events:EVENTS",
    "lethe.fills": "server.defences.fills:FILLS",
    "lethe.judges": "clients.diffusion.judges.spec:JUDGES",
    "lethe.language_events": "simulator.tasks.language.events:EVENTS",
    "lethe.language_models": "clients.language.spec:LANGUAGE_MODELS",
    "lethe.locations": "server.revival.locate:LOCATIONS",
    "lethe.matchers": "clients.unlearning.prompts.matchers:MATCHERS",
    "lethe.methods": "clients.unlearning.general:METHODS",
    "lethe.models": "clients.models:MODELS",
    "lethe.partitions": "clients.data.partitions:PARTITIONS",
    "lethe.policies": "server.diffusion.release.policies:POLICIES",
    "lethe.requests": "simulator.requests:REQUESTS",
    "lethe.topologies": "server.topology:TOPOLOGIES",
    "lethe.unlearners": "clients.unlearning:UNLEARNERS",
}
"""Location of the registry of each entry-point group, as ``"module:NAME"``."""

C = TypeVar("C", bound=type[Any])


def registries() -> Iterator[Registry[Any]]:
    """Yield every registry, in the order of their groups."""
    for home in HOMES.values():
        yield located(home)


def register(cls: C, *, group: str | None = None, name: str | None = None) -> C:
    """Register a class under its tag, in this process only, and return it; a class decorator for notebooks.

    Parameters
    ----------
    cls : type
        A subclass of the contract of some registry, for example of `clients.models.ModelSpec`.
    group : str, optional
        The entry-point group of its registry; default: every group with its contract.
    name : str, optional
        Its name, for classes without a tag (cells, audits, requests).

    Raises
    ------
    LetheError
        If it fulfils no contract, lacks a part of its contract, or has a name that is built in or used by another distribution.
    """
    if group is not None and group not in HOMES:
        raise LetheError(f"group = {group!r} is no entry-point group: take one of {', '.join(HOMES)}")
    wished = [one for one in registries() if group in (None, one.group)]
    fitting = [one for one in wished if isinstance(cls, type) and issubclass(cls, one.contract)]
    if not fitting:
        contracts = ", ".join(dict.fromkeys(f"{one.contract.__module__}.{one.contract.__qualname__}" for one in wished))
        told = getattr(cls, "__qualname__", cls)
        raise LetheError(f"{told} keeps no contract that could be registered: derive it from one of {contracts}")
    try:
        for one in fitting:
            one.register(cls, name)
    except PluginError as error:
        raise LetheError(str(error)) from None
    config.read.cache_clear()  # otherwise peers would still use the class registered under this name before
    return cls


def by_hand(plan: Plan) -> dict[str, list[str]]:
    """Return the names of all classes registered by hand that a plan uses, by entry-point group."""
    used = _classes(plan)
    found: dict[str, list[str]] = {}
    for registry in registries():
        for name, brought in sorted(registry.registered.items()):
            if brought in used:
                found.setdefault(registry.group, []).append(name)
    return found


def versions(plan: Plan) -> dict[str, str]:
    """Return the versions of the other distributions whose classes a plan uses, by distribution name."""
    used = _classes(plan)
    brought = [plugins[0] for one in registries() for name, plugins in one.plugins.items() if one.loaded.get(name) in used]
    return dict(sorted(plugin.distribution.split(" ", 1) for plugin in brought))


def refuse_elsewhere(used: Mapping[str, list[str]], engine: EngineSpec) -> None:
    """Raise ``LetheError`` if peers would run in processes that cannot import the classes registered by hand."""
    if used and engine.elsewhere:
        raise LetheError(
            f"engine.kind = {engine.tag!r} has peers in other processes, which cannot import what this one registered by hand"
            f" ({in_words(used)}): take engine.kind = 'inline', or put it into a distribution with an entry point"
        )


def refuse_unknown(used: str | None, folder: object) -> None:
    """Raise ``LetheError`` if a run used classes (listed as JSON) registered by hand in another process but not in this one."""
    told: dict[str, list[str]] = json.loads(used or "{}")
    known = {one.group: one.registered for one in registries() if one.group in told}
    if missing := {group: left for group, names in told.items() if (left := [name for name in names if name not in known.get(group, {})])}:
        raise LetheError(
            f"{folder}: was made with classes registered by hand ({in_words(missing)}), which this process cannot import:"
            " register them here first, or put them into a distribution with an entry point"
        )


def in_words(used: Mapping[str, list[str]]) -> str:
    """Return names by group as text."""
    return "; ".join(f"{group}: {', '.join(names)}" for group, names in used.items())


def _classes(plan: Plan) -> set[type[Any]]:
    """Return every class that a plan's scenario, peers or cell use, including base classes."""
    tables = [*_tables(plan.scenario), *plan.configs[:1]]
    requests = {REQUESTS.load(one.kind) for one in plan.timeline.erasures}
    return {kind for table in tables for kind in type(table).__mro__} | {CELLS.load(plan.scenario.cell)} | requests


def say_what_compiles(plan: Plan) -> None:
    """Print to standard error which kernels peers in other processes will compile, since the output of those processes may be lost."""
    for path in sorted({getattr(kind, "implementation", "") for kind in _classes(plan)} - {""}):
        located(path)
    if kernels := sys.modules.get("clients.unlearning.exact.compiled"):
        kernels.say_ahead()


def _tables(value: Any) -> Iterator[BaseModel]:
    """Yield every table in a value, itself included."""
    if isinstance(value, BaseModel):
        yield value
        for name in type(value).model_fields:
            yield from _tables(getattr(value, name))
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _tables(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tables(part)
