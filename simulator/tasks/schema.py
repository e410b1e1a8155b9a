"""The JSON schema of scenario files, built so that an editor marks the wrong key instead of the whole file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Any

from pydantic import TypeAdapter

from simulator.scenarios.tasks import DEFAULT_KINDS, DEFAULT_TASK
from simulator.tasks.contract import scenarios

Node = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> Node:
    """Return the JSON schema of scenario files of every cell, for editors.

    If a tag (``kind``, ``do``, ``dataset``) or the task determines the keys of a table, ``if`` and ``then`` select this one table: a union
    would report errors of all its members at once, but not the wrong key.
    """
    cells = scenarios()
    whole = TypeAdapter(reduce(or_, dict.fromkeys(cells.values()))).json_schema()
    places = dict(zip(dict.fromkeys(cells.values()), whole["anyOf"], strict=True))
    tables = {name: _guided(table) for name, table in whole["$defs"].items()}
    return {"$schema": DIALECT, "title": "Scenario", **_by_cell({name: places[kind] for name, kind in cells.items()}), "$defs": tables}


def _by_cell(places: Mapping[str, Node]) -> Node:
    """Return the rules for a scenario file by its task and federation kind; ``places`` are the schemas of the cells."""
    kinds: dict[str, list[str]] = {}
    for name in places:
        task, _, kind = name.partition("/")
        kinds.setdefault(task, []).append(kind)
    rules = [_then(_is_cell(*name.split("/")), place) for name, place in places.items()]
    for task, known in kinds.items():
        default = DEFAULT_KINDS.get(task)
        table = {"properties": {"kind": {"enum": known}}} | ({} if default else {"required": ["kind"]})
        must = {"properties": {"federation": {"type": "object", **table}}} | ({} if default else {"required": ["federation"]})
        rules.append(_then(_has("task", {"const": task}, task == DEFAULT_TASK), must))
    return {"type": "object", "properties": {"task": {"enum": list(kinds)}}, "allOf": rules}


def _is_cell(task: str, kind: str) -> Node:
    """Return the condition that a file is a scenario of a cell."""
    usual = kind == DEFAULT_KINDS.get(task)
    federation = _has("federation", {"type": "object", **_has("kind", {"const": kind}, usual)}, usual)
    return {"allOf": [_has("task", {"const": task}, task == DEFAULT_TASK), federation]}


def _has(key: str, value: Node, usual: bool) -> Node:
    """Return the condition that a key has a value, or is missing if the value is the default."""
    return {"properties": {key: value}} | ({} if usual else {"required": [key]})


def _then(condition: Node, place: Node) -> Node:
    return {"if": condition, "then": place}


def _guided(node: Any) -> Any:
    """Return a part of the schema with unions replaced by ``if`` and ``then``."""
    if isinstance(node, list):
        return [_guided(part) for part in node]
    if not isinstance(node, dict):
        return node
    made = {key: _guided(part) for key, part in node.items()}
    if isinstance(node.get("discriminator"), dict) and "oneOf" in node:
        return _by_tag(made)
    return _by_type(made) if isinstance(node.get("anyOf"), list) else made


def _by_tag(node: Node) -> Node:
    """Return a tagged union as a table whose tag selects the member."""
    union = node["discriminator"]
    tag, members, usual = union["propertyName"], union["mapping"], union.get("default")
    rest = {key: part for key, part in node.items() if key not in ("discriminator", "oneOf")}
    rules = [_then(_has(tag, {"const": name}, name == usual), {"$ref": place}) for name, place in members.items()]
    told = {"enum": list(members), "description": f"One of {', '.join(members)}."}
    table = {"type": "object", "properties": {tag: told}, "allOf": rules} | ({} if usual else {"required": [tag]})
    return {**rest, **(_by_type({"anyOf": [{"type": "string", "enum": list(members)}, table]}) if union.get("by_name") else table)}


def _by_type(node: Node) -> Node:
    """Return alternatives selected by the type of the value, without null, because unset keys are left out of a file."""
    options = [one for one in node["anyOf"] if one.get("type") != "null"]
    rest = {key: part for key, part in node.items() if key != "anyOf" and (key, part) != ("default", None)}
    if len(options) == 1:
        return {**options[0], **rest}
    types = [_type(one) for one in options]
    if None in types or len(set(types)) < len(types) or {"integer", "number"} <= set(types):
        return {**rest, "anyOf": options}
    rules = [_then({"type": kind}, one) for kind, one in zip(types, options, strict=True)]
    return {**rest, "type": types, "allOf": rules}


def _type(node: Node) -> str | None:
    """Return the type of the values that a schema accepts; None if it is not unique."""
    told = node.get("type")
    return "object" if "$ref" in node else told if isinstance(told, str) else None
