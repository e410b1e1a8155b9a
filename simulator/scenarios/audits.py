"""The ``[audit]`` table: one key per audit, ``true`` or a table of its settings."""

from __future__ import annotations

from functools import cache, partial
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, create_model

from clients.descriptions import summary
from clients.spec import Spec
from simulator.audits import AUDITS
from simulator.audits.contract import AuditSpec

ALWAYS_HASHED = ("counterfactual", "membership_inference", "relearn")
"""Keys that have been in plans from the start; others are left out of a plan's hash while they are off."""

ON = ("counterfactual",)
"""Audits that are on by default."""


class AuditTable(Spec):
    """The audits that follow the run; an audit that is off is None.

    ``counterfactual`` repeats the run without the erased data; ``membership_inference`` and ``relearn`` attack the remaining models.
    """

    @property
    def asked(self) -> dict[str, AuditSpec]:
        """The audits that are on, with their settings, by name, in the order of the table."""
        return {name: spec for name in type(self).model_fields if (spec := getattr(self, name)) is not None}


def audit_table() -> type[AuditTable]:
    """Return the table with a key for each registered audit."""
    working = AUDITS.working()
    return _table(tuple(working.items()), tuple(AUDITS.targets().keys() - working.keys()))


@cache
def _table(audits: tuple[tuple[str, type[AuditSpec]], ...], broken: tuple[str, ...]) -> type[AuditTable]:
    """Return the table with a key for each of these audits, and for each broken one."""
    keys = {name: _key(name, spec) for name, spec in audits}
    keys |= {name: (Annotated[None, BeforeValidator(partial(_refuse, name))], Field(None, exclude=True)) for name in broken}
    in_order = sorted(keys, key=lambda name: (name not in ALWAYS_HASHED, name))
    return create_model("Audit", __base__=AuditTable, __doc__=AuditTable.__doc__, **{name: keys[name] for name in in_order})


def _refuse(name: str, value: Any) -> None:
    """Raise the error of a broken audit from another distribution if the scenario requests it."""
    if value:
        AUDITS.load(name)


def _key(name: str, spec: type[AuditSpec]) -> Any:
    """Return the type of an audit's key, and its default."""
    read = BeforeValidator(partial(_settings, spec), json_schema_input_type=bool | spec)
    default = spec() if name in ON else None
    written = PlainSerializer(_told)
    left_out = None if name in ALWAYS_HASHED else lambda value: value is None
    return Annotated[spec | None, read, written], Field(default, exclude_if=left_out, description=summary(spec))


def _settings(spec: type[AuditSpec], value: Any) -> Any:
    """Return the settings of an audit that is on; None for one that is off."""
    if value is True and (named := [name for name, field in spec.model_fields.items() if field.is_required()]):
        raise ValueError(f"needs to be told {' and '.join(named)}: write a table with these keys")
    if value is None or isinstance(value, dict | AuditSpec):
        return value
    if isinstance(value, bool):
        return {} if value else None
    raise ValueError(f"is {value!r}: write true, false, or a table of settings")


def _told(value: AuditSpec | None) -> Any:
    """Serialise an audit: True if it has its default settings, else the settings."""
    return value is not None and (value.model_dump(mode="json") if value.model_dump(exclude_defaults=True) else True)
