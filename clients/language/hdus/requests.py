"""How a server tells a peer by which method it forgets its records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from flwr.app import ConfigRecord
from pydantic import TypeAdapter

from clients.participant import Record
from clients.unlearning.general import AnyMethod
from clients.unlearning.general.contract import MethodSpec

METHODS = "methods"
"""Name of the record with the methods that requests name, and their rows."""

_METHOD: TypeAdapter[MethodSpec] = TypeAdapter(AnyMethod)


def methods(asked: Iterable[tuple[MethodSpec, Sequence[int]]]) -> ConfigRecord:
    """Return methods and the ids of the rows that each forgets as a record."""
    return ConfigRecord({"json": json.dumps([[method.model_dump(mode="json"), list(rows)] for method, rows in asked])})


def methods_in(record: Record | None) -> list[tuple[MethodSpec, list[int]]]:
    """Return the methods in a record, with the ids of the rows that each forgets, in the order of their requests."""
    told = json.loads(str(record["json"])) if isinstance(record, ConfigRecord) else []
    return [(_METHOD.validate_python(method), rows) for method, rows in told]
