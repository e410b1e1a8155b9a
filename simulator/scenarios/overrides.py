"""Overrides of single keys of a scenario from the command line."""

from __future__ import annotations

import tomllib
from typing import Any

from simulator.errors import LetheError, short
from simulator.scenarios.bounds import DEPTH


def override(raw: dict[str, Any], setting: str) -> None:
    """Apply ``key.path=value`` to the content of a scenario file, in place; ``LetheError`` if the path or value is not valid."""
    path, equals, text = setting.partition("=")
    steps = path.strip().split(".")
    if not equals or not all(steps):
        raise LetheError(f"--set {short(setting)}: is no change: write key.path=value, for example training.epochs=3 or event.0.round=4")
    if len(steps) > DEPTH:
        raise LetheError(f"--set {short(setting)}: leads more than {DEPTH} tables deep: shorten the path")
    place: Any = raw
    for depth, step in enumerate(steps):
        where = ".".join(steps[:depth])
        if isinstance(place, list):
            if not (step.isascii() and step.isdigit() and len(step) < 10 and int(step) < len(place)):
                entries = f"has {len(place)} entries, 0 to {len(place) - 1}" if place else "is empty"
                raise LetheError(f"--set {short(setting)}: {where} {entries}: {short(repr(step))} is none of them")
            key: Any = int(step)
        elif isinstance(place, dict):
            key = step
        else:
            raise LetheError(f"--set {short(setting)}: {where} is {short(repr(place))}, not a table: shorten the path to {where}")
        if depth == len(steps) - 1:
            place[key] = _value(text.strip(), setting)
        else:
            place = place[key] if isinstance(place, list) else place.setdefault(key, {})


def _value(text: str, setting: str) -> Any:
    """Parse a TOML value; text that is not TOML is returned as a string."""
    try:
        table = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    except (ValueError, RecursionError):
        raise LetheError(f"--set {short(setting)}: the value has too many digits or brackets: shorten it") from None
    return table["value"] if len(table) == 1 else text
