"""Plugins from entry points of other distributions: their origin, and their defects in one line.

A plugin is loaded only when it is named, so a broken plugin does not affect those who do not use it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Literal, get_args, get_origin

from pydantic import PydanticUndefinedAnnotation

LOCATED = ("implementation", "participant")
"""Class variables that name a class as ``"module:Class"``."""


class PluginError(ValueError):
    """A third-party class cannot be used; the message is one line that names its distribution and the cure."""


@dataclass(frozen=True)
class Plugin:
    """One entry point: its name, its ``"module:Class"``, and the distribution that provides it."""

    name: str
    target: str
    distribution: str

    def error(self, why: str, cure: str) -> PluginError:
        """Return an error with the reason and the cure."""
        return PluginError(f"{self.name!r} comes from the distribution {self.distribution}, but {why}: {cure}")


def located(target: str) -> Any:
    """Import the module of ``"module:name"`` and return the named object."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


def found(group: str) -> dict[str, list[Plugin]]:
    """Return the entry points of a group by name; several under one name if distributions claim the same name."""
    plugins: dict[str, list[Plugin]] = {}
    for point in entry_points(group=group):
        distribution = f"{point.dist.name} {point.dist.version}" if point.dist else "that declares it"
        plugins.setdefault(point.name, []).append(Plugin(point.name, point.value, distribution))
    return plugins


def loaded(plugin: Plugin, contract: type[Any], tag: str, group: str) -> type[Any]:
    """Return the class of a plugin; ``PluginError`` if it cannot be imported or violates its contract."""
    mend = f"mend or uninstall {plugin.distribution.partition(' ')[0]}"
    try:
        brought = located(plugin.target)
    except (Exception, SystemExit) as error:  # importing runs third-party code, which may raise anything
        raise plugin.error(f"{plugin.target} cannot be imported ({_in_short(error)})", mend) from None
    if wrong := next(faults(brought, contract, tag, plugin.name), None):
        raise plugin.error(wrong, f"{mend} (entry point {plugin.name!r} of {group})")
    found_class: type[Any] = brought
    return found_class


def faults(brought: Any, contract: type[Any], tag: str, name: str) -> Iterator[str]:
    """Yield the reasons why a class cannot be registered under a name in a registry with this contract."""
    if not (inspect.isclass(brought) and issubclass(brought, contract)):
        yield f"{getattr(brought, '__qualname__', repr(brought))} is no subclass of {contract.__module__}.{contract.__qualname__}"
        return
    where = brought.__qualname__
    if not getattr(brought, "__pydantic_complete__", True):
        incomplete: Any = brought
        try:
            incomplete.model_rebuild()
        except PydanticUndefinedAnnotation as error:
            yield f"{where} has a field of the type {error.name}, a name that its module does not define when it is imported"
            return
    for variable in sorted(_required(contract)):
        if not hasattr(brought, variable):
            yield f"{where} has no class variable {variable}"
    if missing := sorted(getattr(brought, "__abstractmethods__", ())):
        yield f"{where} does not define {', '.join(missing)}"
    if lacking := getattr(brought, "incomplete", lambda: None)():
        yield f"{where} {lacking}"
    yield from _wrong_tag(brought, tag, name)
    for variable in LOCATED:
        if target := getattr(brought, variable, ""):
            try:
                located(target)
            except (Exception, SystemExit) as error:
                yield f"{where}.{variable} = {target!r} cannot be imported ({_in_short(error)})"


def _wrong_tag(brought: type[Any], tag: str, name: str) -> Iterator[str]:
    """Yield the reason why a spec's tag does not match the name; classes other than specs have no tag."""
    fields = getattr(brought, "model_fields", None)
    if fields is None or not tag:
        return
    told = fields.get(tag)
    wish = f'{tag}: Literal["{name}"] = "{name}"'
    if told is None or get_origin(told.annotation) is not Literal:
        yield f"{brought.__qualname__} does not say {wish}"
    elif get_args(told.annotation) != (name,) or told.default != name:
        yield f"{brought.__qualname__} has the {tag} {told.default!r} where {wish} is meant"


def _required(contract: type[Any]) -> set[str]:
    """Return the class variables that a contract declares without a value."""
    hints = [hint for base in contract.__mro__ for hint in vars(base).get("__annotations__", {}).items()]
    declared = {name for name, hint in hints if "ClassVar" in str(hint)}
    return {name for name in declared if not name.startswith("_") and not hasattr(contract, name)}


def _in_short(error: BaseException) -> str:
    """Return an error in one line."""
    return f"{type(error).__name__}: {error}".strip().splitlines()[0]
