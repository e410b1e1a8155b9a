"""Specs: the validated tables a scenario is made of, and the registries that find them by ``kind``.

A spec is a frozen description that can ``build`` the thing it describes. Spec modules import nothing heavy at the top (torch,
scikit-learn and friends are imported inside ``build``), so that checking a scenario stays fast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from clients.descriptions import keys_described, summary
from clients.plugins import Plugin, PluginError, faults, found, loaded
from clients.plugins import located as located
from clients.union import Tagged

TAGS = ("kind", "do", "dataset", "role")
"""Fields that can distinguish the specs of a registry."""


class Spec(BaseModel):
    """A frozen table of a scenario; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @property
    def tag(self) -> str:
        """The name of this spec in its registry; ``AttributeError`` for a table that is in no registry."""
        for name in TAGS:
            if name in type(self).model_fields:
                return str(getattr(self, name))
        raise AttributeError(f"{type(self).__name__} has none of the tags {', '.join(TAGS)}")

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /) -> JsonSchemaValue:
        """Return the JSON schema, in which the docstring describes every key."""
        found = handler(core_schema)
        node, told = handler.resolve_ref_schema(found), keys_described(cls)
        node["description"] = summary(cls)
        for name, key in node.get("properties", {}).items():
            if name in told:
                key.setdefault("description", told[name])
        return found

    @classmethod
    def incomplete(cls) -> str | None:
        """Return why the class cannot be registered, in a few words, or None; the requirements of every contract are checked elsewhere."""
        return None


S = TypeVar("S", bound=Spec)


class Registry(Generic[S]):
    """Classes by name; for most registries, specs by the value of their tag.

    Other distributions add classes through an entry point, notebooks through `register`.

    Parameters
    ----------
    group : str
        Entry-point group in which other distributions register specs, for example ``"lethe.models"``.
    contract : str
        The common base class, as ``"module:Class"``.
    builtin : mapping of str to str
        Name to ``"module:Class"``. A class is imported when it is first requested.
    tag : str
        Name of the field that distinguishes the specs; empty if they are keys of a table and have no such field.
    """

    def __init__(self, group: str, contract: str, builtin: Mapping[str, str], tag: str = "kind") -> None:
        self.group = group
        self.tag = tag
        self.registered: dict[str, type[S]] = {}
        self._contract = contract
        self._builtin = dict(builtin)
        self.loaded: dict[str, type[S]] = {}

    @cached_property
    def contract(self) -> type[S]:
        """The common base class."""
        found_class: type[S] = located(self._contract)
        return found_class

    @cached_property
    def plugins(self) -> dict[str, list[Plugin]]:
        """The plugins of other distributions, by name."""
        return found(self.group)

    def targets(self) -> dict[str, str]:
        """Return name to ``"module:Class"``: built in, from other distributions, and registered by hand, sorted by name."""
        brought = {name: plugins[0].target for name, plugins in self.plugins.items()}
        by_hand = {name: f"{spec.__module__}:{spec.__qualname__}" for name, spec in self.registered.items()}
        return dict(sorted({**brought, **by_hand, **self._builtin}.items()))

    def load(self, kind: str) -> type[S]:
        """Return the class registered under a name.

        Raises
        ------
        KeyError
            If there is none.
        PluginError
            If another distribution's class is broken, or its name is built in or claimed by a second distribution.
        """
        if kind not in self.loaded:
            self.loaded[kind] = self._load(kind)
        return self.loaded[kind]

    def _load(self, kind: str) -> type[S]:
        claims = self.plugins.get(kind, [])
        if claims and kind in self._builtin:
            raise claims[0].error(f"that name is built in ({self.group})", "uninstall it, or have it take another name")
        if len(claims) > 1:
            others = " and ".join(one.distribution for one in claims[1:])
            raise claims[0].error(f"{others} claims that name, too ({self.group})", "uninstall one of them")
        if kind in self.registered:
            return self.registered[kind]
        if claims:
            return loaded(claims[0], self.contract, self.tag, self.group)
        spec: type[S] = located(self._builtin[kind])
        return spec

    def register(self, spec: type[S], name: str | None = None) -> type[S]:
        """Register a class in this process under ``name`` (default: its tag) and return it; a class registered by hand is replaced.

        ``PluginError`` if the class does not fulfil the contract, or the name is taken.
        """
        fields = getattr(spec, "model_fields", {})
        known_as = name or (fields[self.tag].default if self.tag in fields else None)
        if not isinstance(known_as, str):
            cure = f'write {self.tag}: Literal["..."] = "..." into it' if fields and self.tag else "give its name, register(..., name=...)"
            raise PluginError(f"{spec.__qualname__} has no {self.tag or 'name'} by which {self.group} could know it: {cure}")
        if known_as in self._builtin or known_as in self.plugins:
            owner = self.plugins[known_as][0].distribution if known_as in self.plugins else "Lethe itself"
            raise PluginError(f"{known_as!r} is taken in {self.group} by {owner}: give {spec.__qualname__} another name")
        if wrong := next(faults(spec, self.contract, self.tag, known_as), None):
            raise PluginError(f"{known_as!r} cannot be registered in {self.group}: {wrong}: mend the class and register it again")
        self.registered[known_as] = self.loaded[known_as] = spec
        return spec

    def working(self) -> dict[str, type[S]]:
        """Return every class that can be used, in the order of their names."""
        return {kind: spec for kind in self.targets() if isinstance(spec := self._tried(kind), type)}

    def broken(self) -> list[str]:
        """Return one line for each name that cannot be used."""
        return [str(error) for kind in self.plugins if isinstance(error := self._tried(kind), PluginError)]

    def _tried(self, kind: str) -> type[S] | PluginError:
        try:
            return self.load(kind)
        except PluginError as error:
            return error

    def specs(self) -> list[type[S]]:
        """Return every class that can be used, in the order of their names."""
        return list(self.working().values())

    def union(
        self,
        *others: Registry[Any],
        table: Callable[[type[Any]], type[Any]] = lambda spec: spec,
        default: str | None = None,
        by_name: bool = False,
    ) -> Any:
        """Return the union of all specs, and of other registries with the same tag, discriminated by the tag, as a type for pydantic.

        A spec is imported when a value names it. ``table`` maps a spec to its scenario table (default: the spec itself); ``default`` is the
        name if a table gives none; ``by_name`` accepts a name in place of a table that has no other keys.
        """
        return Annotated[Any, Tagged((self, *others), table, default, by_name)]
