"""Validation errors of a scenario in words: one line per error, with place, value and cure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

Place = tuple[str | int, ...]
_TAGS = ("kind", "do", "dataset")
_PLAIN = ("null", "boolean", "integer")
"""Types that may stand in the place of a table."""


def validation_errors(error: ValidationError, raw: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """Return one line per wrong place, in the order of the file.

    Parameters
    ----------
    error : ValidationError
    raw : mapping
        The validated content.
    schema : mapping
        The JSON schema it was validated against.
    """
    found: dict[Place, list[ErrorDetails]] = {}
    for one in error.errors():
        place = _place(one["loc"], raw)
        if not _counts_only_valid_entries(one, _value(place, raw)):
            found.setdefault(place, []).append(one)
    keys = list(raw)
    in_order = sorted(found.items(), key=lambda one: keys.index(one[0][0]) if one[0] and one[0][0] in keys else len(keys))
    return [f"{name_place(place)}: {_words(place, errors, raw, schema)}" for place, errors in in_order]


def _counts_only_valid_entries(error: ErrorDetails, value: Any) -> bool:
    """Return whether a list counts as too short only because some of its entries are invalid, which have errors of their own."""
    return error["type"] == "too_short" and isinstance(value, list) and len(value) >= error["ctx"]["min_length"]


def name_place(place: Iterable[str | int]) -> str:
    """Describe a place: ``peers.main.2.channels``, or ``event 4 (event.3.peers)``, where events count from 1."""
    steps = tuple(place)
    path = ".".join(str(step) if len(str(step)) < 60 else f"{str(step)[:57]}..." for step in steps) or "the file"
    if len(steps) > 1 and steps[0] in ("event", "expect", "compare") and isinstance(steps[1], int):
        return f"{steps[0]} {steps[1] + 1} ({path})"
    return path


def suggestion(word: object, known: Iterable[str]) -> str:
    """Return ``did you mean ...?`` and the known words."""
    words = sorted(known)
    close = get_close_matches(str(word), words, n=1)
    return (f"did you mean {close[0]}? " if close else "") + f"known: {', '.join(words)}"


def _place(loc: Place, raw: Any) -> Place:
    """Return an error's place as a path in the file, without the names of union members that pydantic adds."""
    steps: list[str | int] = []
    here = raw
    for step in loc:
        if isinstance(here, dict):
            if step not in here and step in (here.get(tag) for tag in _TAGS):
                continue
            steps.append(step)
            here = here.get(step)
        elif isinstance(here, list) and isinstance(step, int):
            steps.append(step)
            here = here[step] if step < len(here) else None
    return tuple(steps)


def _value(place: Place, raw: Any) -> Any:
    """Return the value at a place in the file; None if there is none."""
    for step in place:
        try:
            raw = raw[step]
        except (KeyError, IndexError, TypeError):
            return None
    return raw


def _words(place: Place, errors: list[ErrorDetails], raw: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """Describe the error at a place, and the cure."""
    value = _value(place, raw)
    told = list(dict.fromkeys(_WORDS[one["type"]](one, value) for one in errors if one["type"] in _WORDS))
    first = errors[0]
    if first["type"] == "extra_forbidden":
        return f"is not a key here: remove it or mend it; {suggestion(place[-1], _keys(place[:-1], raw, schema))}"
    if first["type"] == "union_tag_not_found":
        tag = str(first["ctx"]["discriminator"]).strip("'")
        return f"has no {tag}: add one; known: {', '.join(_tags(_schema_at(place, raw, schema), schema))}"
    if first["type"] == "union_tag_invalid":
        tag = str(first["ctx"]["discriminator"]).strip("'")
        return (
            f"{tag} = {first['ctx']['tag']!r} is unknown: {suggestion(first['ctx']['tag'], _tags(_schema_at(place, raw, schema), schema))}"
        )
    head = f"{_is(value)}: write "
    if len(told) > 1 and all(words.startswith(head) for words in told):
        told = [head + " or ".join(words.removeprefix(head) for words in told)]
    return " or ".join(told) if told else _other(first, value)


def _is(value: Any) -> str:
    """Format a value for a message, shortened if it is long."""
    text = repr(value)
    return f"is {text if len(text) < 60 else text[:57] + '...'}"


def _must(what: str) -> Callable[[ErrorDetails, Any], str]:
    """Return a function that words the error of a value that must be something else."""
    return lambda error, value: f"{_is(value)}: write {what.format(**error.get('ctx', {}))}"


def _own_words(error: ErrorDetails, value: Any) -> str:
    """Return the message of one of our own validators."""
    return str(error["ctx"]["error"])


def _other(error: ErrorDetails, value: Any) -> str:
    """Return the library's message."""
    return f"{_is(value)}: {error['msg'].lower()}"


_WORDS: dict[str, Callable[[ErrorDetails, Any], str]] = {
    "missing": lambda error, value: "is missing: add this key",
    "value_error": _own_words,
    "int_type": _must("a whole number"),
    "int_parsing": _must("a whole number"),
    "int_from_float": _must("a whole number"),
    "float_type": _must("a number"),
    "finite_number": _must("a finite number"),
    "bool_type": _must("true or false"),
    "string_type": _must("text in quotes"),
    "tuple_type": _must("a list, [..]"),
    "list_type": _must("a list, [..]"),
    "dict_type": _must("a table"),
    "model_type": _must("a table"),
    "model_attributes_type": _must("a table"),
    "name_or_table": _must("one name in quotes, or a table with its kind"),
    "greater_than": _must("a number above {gt}"),
    "greater_than_equal": _must("a number of at least {ge}"),
    "less_than": _must("a number below {lt}"),
    "less_than_equal": _must("a number of at most {le}"),
    "literal_error": _must("{expected}"),
    "too_short": _must("at least {min_length} entries"),
    "too_long": _must("at most {max_length} entries"),
    "string_too_short": _must("at least {min_length} characters"),
    "string_too_long": _must("at most {max_length} characters"),
    "string_pattern_mismatch": _must("letters, digits, dots, dashes and underscores only, a letter or digit first"),
    "missing_argument": lambda error, value: "is too short: add what is missing",
    "none_required": lambda error, value: f"{_is(value)}: leave it out",
}


def _resolved(node: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a schema node with references resolved; for an optional node, the table."""
    while True:
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
        elif "anyOf" in node and len(options := [one for one in node["anyOf"] if one.get("type") not in _PLAIN]) == 1:
            node = options[0]
        elif len(node.get("allOf", ())) == 1:
            node = node["allOf"][0]
        else:
            return node


def _schema_at(place: Place, raw: Any, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of a place, which is an unresolved union if its tag is unknown."""
    node, here = _resolved(schema, schema), raw
    for step in place:
        node = _member(node, here, schema)
        node = node.get("items", {}) if isinstance(step, int) else node.get("properties", {}).get(step, {})
        node, here = _resolved(node, schema), _value((step,), here)
    return node


def _member(node: Mapping[str, Any], value: Any, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the member of a tagged union that a value selects."""
    if "discriminator" not in node or not isinstance(value, dict):
        return node
    tag = value.get(node["discriminator"]["propertyName"])
    target = node["discriminator"]["mapping"].get(tag)
    return _resolved({"$ref": target}, schema) if target else node


def _keys(place: Place, raw: Any, schema: Mapping[str, Any]) -> list[str]:
    """Return the keys that the table at a place may have."""
    return list(_member(_schema_at(place, raw, schema), _value(place, raw), schema).get("properties", {}))


def _tags(node: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """Return the tags of a union's members."""
    if "discriminator" in node:
        return sorted(node["discriminator"]["mapping"])
    return sorted(str(one["const"]) for name, one in node.get("properties", {}).items() if name in _TAGS and "const" in one)
