"""What is varied: values of keys, and seeds, as the command line and Python give them."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

from simulator.errors import LetheError, short
from simulator.scenarios.bounds import INTEGER

MOST_RUNS = 10_000
"""Runs of a sweep."""

AS_IT_IS = "as it is"
"""Label of the only variant where no key is varied."""


@dataclass(frozen=True)
class Variant:
    """A value for every varied key.

    Parameters
    ----------
    values : tuple of (str, str)
        Key path and value, written as TOML.
    """

    values: tuple[tuple[str, str], ...] = ()

    @property
    def label(self) -> str:
        """The variant in words."""
        return ", ".join(f"{key} = {value}" for key, value in self.values) or AS_IT_IS

    @property
    def cells(self) -> dict[str, Any]:
        """The values by key as a table holds them: lists and tables as TOML."""
        read = {key: tomllib.loads(f"value = {value}")["value"] for key, value in self.values}
        return {key: value if isinstance(read[key], list | dict) else read[key] for key, value in self.values}

    @property
    def overrides(self) -> tuple[str, ...]:
        """The variant as changes of a scenario, as ``--set`` takes them."""
        return tuple(f"{key}={value}" for key, value in self.values)


def seeds_of(text: str) -> range:
    """Return the seeds of ``FIRST:END``, END left out; ``LetheError`` if it is not of this form or there are none."""
    found = re.fullmatch(r"(\d{1,19}):(\d{1,19})", text, re.ASCII)
    cure = "write FIRST:END, for example 0:5 for the seeds 0 to 4"
    if found is None:
        raise LetheError(f"--seeds {short(text)}: is no range of seeds: {cure}")
    seeds = range(int(found[1]), int(found[2]))
    if not seeds:
        raise LetheError(f"--seeds {text}: there is no seed in it: {cure}")
    return seeds


def varied_of(setting: str) -> tuple[str, list[Any]]:
    """Return key and values of ``key.path=[value, ...]``, the list in TOML; ``LetheError`` if it is not of this form."""
    key, _, text = setting.partition("=")
    cure = "write key.path=[value, value], for example data.partition.alpha='[0.1, 0.3, 1]', with texts in quotes"
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        table = {}
    if not key.strip() or table.keys() != {"value"} or not isinstance(table["value"], list):
        raise LetheError(f"--vary {short(setting)}: is no key with a list of values: {cure}")
    return key.strip(), table["value"]


def varied(settings: Iterable[str]) -> dict[str, list[Any]]:
    """Return the values of keys by key; ``LetheError`` if one is not of the form, or a key is given twice."""
    found: dict[str, list[Any]] = {}
    for setting in settings:
        key, values = varied_of(setting)
        if key in found:
            raise LetheError(f"--vary {short(setting)}: {key} is varied twice: give all its values in one list")
        found[key] = values
    return found


def check_seeds(seeds: Iterable[int]) -> tuple[int, ...]:
    """Return the seeds; ``LetheError`` if there are none, or one is given twice or is no whole number from 0."""
    chosen: list[int] = []
    for seed in seeds:
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= INTEGER:
            raise LetheError(f"seeds: {short(repr(seed))} is no seed: give whole numbers from 0 to {INTEGER}")
        chosen.append(seed)
        if len(chosen) > MOST_RUNS:
            raise LetheError(f"seeds: there are more than {MOST_RUNS}, and as many runs at most: give fewer")
    if not chosen:
        raise LetheError("seeds: there are none: give one or more")
    if len(set(chosen)) < len(chosen):
        raise LetheError(f"seeds: {next(seed for seed in chosen if chosen.count(seed) > 1)} is given twice: give each once")
    return tuple(chosen)


def variants(vary: Mapping[str, Sequence[Any]], seeds: int) -> tuple[Variant, ...]:
    """Return every combination of values, the last key changing fastest.

    ``LetheError`` if a key has no values or one twice, if it is the seed, or if with this number of ``seeds`` there are too many runs.
    """
    written: dict[str, list[str]] = {}
    for key, values in vary.items():
        if key == "seed":
            raise LetheError("vary seed: is not varied like other keys: name the seeds themselves (--seeds 0:5, or seeds = range(5))")
        if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
            raise LetheError(f"vary {short(key)}: {short(repr(values))} is no list of values: give a list")
        texts = written[key] = [as_toml(value, key) for value in values]
        if not texts:
            raise LetheError(f"vary {short(key)}: has no values: give one or more")
        if twice := [text for text in texts if texts.count(text) > 1]:
            raise LetheError(f"vary {short(key)}: {short(twice[0])} is given twice: give each value once")
    if (count := prod(map(len, written.values())) * seeds) > MOST_RUNS:
        raise LetheError(f"vary: {count} runs are more than {MOST_RUNS}: give fewer values or seeds")
    return tuple(Variant(tuple(zip(written, choice, strict=True))) for choice in product(*written.values()))


def as_toml(value: Any, key: str = "") -> str:
    """Return a value as TOML on one line; ``LetheError`` with the key if TOML has no such values."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{as_toml(str(name))} = {as_toml(part, key)}" for name, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(as_toml(part, key) for part in value) + "]"
    raise LetheError(f"vary {short(key)}: {short(repr(value))} cannot stand in a scenario file: give numbers, texts, lists or tables")
