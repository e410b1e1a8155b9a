"""Types of fields whose members are known when a value is validated, and are imported only when a value names them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, PydanticKnownError, core_schema


class Members(Protocol):
    """The part of a registry that a union needs."""

    tag: str

    def targets(self) -> Mapping[str, str]:
        """Return all names."""

    def load(self, kind: str) -> type[Any]:
        """Return the class of a name."""

    def working(self) -> Mapping[str, type[Any]]:
        """Return all classes that can be used, by name."""


@dataclass(frozen=True)
class Tagged:
    """Annotation that makes a type a union over registries, discriminated by their tag.

    Parameters
    ----------
    registries : tuple of Members
        Names are looked up in this order.
    table : function
        Returns the scenario table of a registered class: the class itself, unless the table has further keys.
    default : str, optional
        The name if a table gives none; without a default, every table must give one.
    by_name : bool
        Whether a name alone is accepted in place of a table that has no other keys.
    """

    registries: tuple[Members, ...]
    table: Callable[[type[Any]], type[Any]]
    default: str | None = None
    by_name: bool = False

    @property
    def tag(self) -> str:
        """The field that distinguishes the members."""
        return self.registries[0].tag

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self._validated)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        members = {name: found for registry in reversed(self.registries) for name, found in registry.working().items()}
        choices = {name: self.table(found).__pydantic_core_schema__ for name, found in sorted(members.items())}
        found = handler(core_schema.tagged_union_schema(choices, self.tag))
        found["discriminator"] |= {"default": self.default, "by_name": self.by_name}
        return found

    def _validated(self, value: Any, info: ValidationInfo) -> Any:
        """Return the value as the member that its tag names; text is validated strictly, like all of a scenario file."""
        if self.by_name and isinstance(value, str):
            value = {self.tag: value}
        if not isinstance(value, Mapping | BaseModel):
            if self.by_name:
                raise PydanticCustomError("name_or_table", "should be a name or a table")
            raise PydanticKnownError("model_attributes_type")
        told = value.get(self.tag, self.default) if isinstance(value, Mapping) else getattr(value, self.tag, None)
        if told is None:
            raise PydanticKnownError("union_tag_not_found", {"discriminator": repr(self.tag)})
        return _read(self.table(self._named(told)), value, info)

    def _named(self, name: Any) -> type[Any]:
        """Return the class of this name."""
        for registry in self.registries:
            if isinstance(name, str) and name in registry.targets():
                return registry.load(name)
        known = ", ".join(sorted({name for registry in self.registries for name in registry.targets()}))
        raise PydanticKnownError("union_tag_invalid", {"discriminator": repr(self.tag), "tag": str(name), "expected_tags": known})


@dataclass(frozen=True)
class Made:
    """Annotation that makes a type a table whose class is known only when a value is validated; ``make`` returns the class."""

    make: Callable[[], type[BaseModel]]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(lambda value, info: _read(self.make(), value, info))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(self.make().__pydantic_core_schema__)


@dataclass(frozen=True)
class CountOr:
    """Annotation that makes a type a whole number above 0, or a table in its place."""

    table: type[BaseModel]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self._validated)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(core_schema.union_schema([core_schema.int_schema(gt=0), self.table.__pydantic_core_schema__]))

    def _validated(self, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, Mapping | BaseModel):
            return _read(self.table, value, info)
        if isinstance(value, bool) or not isinstance(value, int):
            raise PydanticKnownError("int_type")
        if value <= 0:
            raise PydanticKnownError("greater_than", {"gt": 0})
        return value


def _read(table: type[Any], value: Any, info: ValidationInfo) -> Any:
    """Return the value as this table."""
    if info.mode == "json":
        return table.model_validate_json(json.dumps(value), strict=True)
    return table.model_validate(value)
