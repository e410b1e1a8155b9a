"""Mutants of scenario files: valid scenarios with a few random errors."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from typing import Any

import tomli_w

from clients.data import DATASETS
from clients.data.partitions import PARTITIONS
from clients.models import MODELS
from clients.unlearning import UNLEARNERS
from server.diffusion.release.policies import POLICIES
from server.topology import TOPOLOGIES
from simulator.engines import ENGINES
from simulator.events import EVENTS
from simulator.scenarios.churn import CHURN
from simulator.tasks.diffusion.events import EVENTS as DIFFUSION_EVENTS

Table = dict[str, Any]
Place = tuple[Any, Any]
"""A table or list, and a key or index in it."""

VALUES: tuple[Any, ...] = (
    *(0, 1, -1, 2, 7, 1000, 10_001, 10**6, 10**9, 2**31, 2**53, 2**63 - 1, -(2**63), 2**63, 10**30),
    *(0.0, -0.0, 0.5, 1.0, -1.0, 1e-308, 5e-324, 1e15, 1e308, -1e308, float("nan"), float("inf"), float("-inf")),
    *("", " ", "a", "0", "3", "true", "nan", "iid", "digits", "all", "a b", "a\nb", "a\x00b", "\x1b[2J", "ä" * 50, "x" * 3000),
    *("{", "'", '"'),
    *("/etc/passwd", "/dev/zero", "/dev/null", "/dev/tty", "/proc/self/mem", "/", ".", "..", "~nobody-here/x", "a?b#c%20d", "/tmp/a\x00b"),
    *(True, False, [], {}, [[]], [{}], {"": ""}, [0], [0, 0], [0, 1], [-1], [1.5], ["a"], [True], [[0, 1]], [[0, 0]], [2**70]),
    *({"kind": "x"}, {"kind": []}, {"kind": {}}, {"kind": 3}, {"do": []}, {"a\nb": 1}, {"a.b": {"c": 1}}),
    *(list(range(300)), [[0] * 50] * 50),
    *(datetime(2026, 1, 1, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC).date(), datetime(1, 1, 1, tzinfo=UTC).time()),
)
SIMPLE: tuple[Any, ...] = (
    *(1, 2, 3, 0.5, 0.25, 100, "a", [0], [1, 2], [[0, 1]], [0.5], True),
    *({"kind": "linear"}, {"fraction": 0.5}, {"ids": [3]}),
)
TAGS = ("kind", "do", "dataset")
REGISTRIES = (TOPOLOGIES, PARTITIONS, CHURN, EVENTS, ENGINES, UNLEARNERS, MODELS, DATASETS, POLICIES, DIFFUSION_EVENTS)
KEYS = ("kind", "do", "dataset", "path", "task", "", "a b", "a\nb", "\x1b[2J", "x" * 500, "__class__", "rounds", "peers", "seed", "ä")
TEXTS = ("\n", "=", "[", "]", "{", "}", '"', "'", "#", ".", ",", "\x00", "\t", "\ufeff", "[[", "]]", "'''", "1e999", "inf", "\\u0000", "é")


def places(content: Any) -> list[Place]:
    """Return every place in the content; tables and lists come before their entries."""
    found: list[Place] = []
    waiting = [content]
    while waiting:
        here = waiting.pop()
        inside = list(here.items()) if isinstance(here, dict) else list(enumerate(here)) if isinstance(here, list) else []
        found += [(here, key) for key, _ in inside]
        waiting += [value for _, value in inside]
    return found


def _replace(raw: Table, random: Random) -> None:
    here, key = random.choice(places(raw))
    here[key] = copy.deepcopy(random.choice(VALUES))


def _remove(raw: Table, random: Random) -> None:
    here, key = random.choice(places(raw))
    del here[key]


def _add(raw: Table, random: Random) -> None:
    tables = [raw, *(here[key] for here, key in places(raw) if isinstance(here[key], dict))]
    random.choice(tables)[random.choice(KEYS)] = copy.deepcopy(random.choice(VALUES))


def _repeat(raw: Table, random: Random) -> None:
    lists = [here[key] for here, key in places(raw) if isinstance(here[key], list) and here[key]]
    if lists:
        chosen = random.choice(lists)
        chosen.extend(copy.deepcopy(random.choice(chosen)) for _ in range(random.choice((1, 5, 200))))


def _exchange(raw: Table, random: Random) -> None:
    (here, key), (there, other) = random.choice(places(raw)), random.choice(places(raw))
    mine, theirs = copy.deepcopy(here[key]), copy.deepcopy(there[other])
    there[other], here[key] = mine, theirs


def _number(raw: Table, random: Random) -> None:
    numbers = [(here, key) for here, key in places(raw) if type(here[key]) in (int, float)]
    if numbers:
        here, key = random.choice(numbers)
        here[key] = random.choice([value for value in VALUES if type(value) is type(here[key])])


def _scale(raw: Table, random: Random) -> None:
    numbers = [(here, key) for here, key in places(raw) if type(here[key]) in (int, float)]
    if numbers:
        here, key = random.choice(numbers)
        factor = random.choice((-1, 0, 2, 10, 1000, 10**6, 10**12))
        here[key] = min(max(here[key] * factor, -(10**30)), 10**30)


def _nest(raw: Table, random: Random) -> None:
    here, key = random.choice(places(raw))
    for _ in range(random.choice((1, 20, 40, 90))):
        here[key] = [here[key]] if random.random() < 0.5 else {"a": here[key]}


def _kind(raw: Table, random: Random) -> None:
    """Change the kind of a table, and add some keys of the new kind."""
    tables = [(here[key], tag) for here, key in places(raw) if isinstance(here[key], dict) for tag in TAGS if tag in here[key]]
    table, tag = random.choice(tables) if tables else (raw, "")
    registries = [one for one in REGISTRIES if one.tag == tag and str(table.get(tag)) in one.targets()]
    if registries:
        kind = random.choice(list(registries[0].targets()))
        keys = [key for key in registries[0].load(kind).model_fields if key not in (tag, *table) and random.random() < 0.5]
        table[tag] = kind
        table.update({key: random.choice(SIMPLE) for key in keys})


TABLES: tuple[Callable[[Table, Random], None], ...] = (
    *(_replace, _replace, _remove, _add, _repeat, _exchange, _nest),
    *(_kind, _kind, _kind),
    *(_scale, _scale, _number, _number, _number),
)


def _insert(text: str, random: Random) -> str:
    place = random.randrange(len(text) + 1)
    return text[:place] + random.choice(TEXTS) + text[place:]


def _cut(text: str, random: Random) -> str:
    first, after = sorted((random.randrange(len(text) + 1), random.randrange(len(text) + 1)))
    return text[:first] + text[min(after, first + random.choice((1, 3, 80, 10**6))) :]


def _double(text: str, random: Random) -> str:
    lines = text.splitlines(keepends=True) or [""]
    place = random.randrange(len(lines))
    return "".join([*lines[:place], lines[place], *lines[place:]])


def _deep(text: str, random: Random) -> str:
    return text + random.choice(
        (f"\n[x]\ny = {'[' * 5000}{']' * 5000}\n", f"\n[{'.'.join('a' * 5000)}]\n", f"\nz = {'{a=' * 2000}1{'}' * 2000}\n")
    )


def _digits(text: str, random: Random) -> str:
    number = random.choice(("9" * 5000, "0x" + "f" * 5000, "1." + "0" * 5000, "1e" + "9" * 400, "-" + "1" * 4299))
    lines = text.splitlines()
    numbered = [i for i, line in enumerate(lines) if "=" in line]
    place = random.choice(numbered or [0])
    lines[place] = f"{lines[place].partition('=')[0]}= {number}"
    return "\n".join(lines)


WRITTEN: tuple[Callable[[str, Random], str], ...] = (_insert, _cut, _double, _deep, _digits)


def mutant(raw: Table, random: Random) -> str:
    """Return the text of a scenario file that differs from a valid one in one to three ways."""
    changed = copy.deepcopy(raw)
    if random.random() < 0.2:
        return random.choice(WRITTEN)(tomli_w.dumps(changed), random)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        if places(changed):
            random.choice(TABLES)(changed, random)
    return tomli_w.dumps(changed)


def setting(raw: Table, random: Random) -> str:
    """Return a ``--set`` that is likely to be wrong."""
    path = _path(raw, random)
    if random.random() < 0.3:
        steps = path.split(".")
        steps[random.randrange(len(steps))] = random.choice(("", "99", "-1", "x", "²", "9" * 5000, "a\nb", "kind"))
        path = ".".join(steps)
    if random.random() < 0.05:
        path = ".".join(["a"] * random.choice((40, 5000)))
    value = random.choice(VALUES)
    written = tomli_w.dumps({"v": value}).partition("=")[2].strip() if not isinstance(value, dict) else "{a = 1}"
    odd = ("", "=", "1\nrounds = 3", "[" * 5000, "9" * 5000, "1 # x", "'", '"""', "{", "\x00", "nan", "1_000")
    return path + random.choice(("=", "=", "=", "=", " = ", "", "==")) + (written if random.random() < 0.7 else random.choice(odd))


def _path(raw: Table, random: Random) -> str:
    """Return the dotted path of a random place."""
    steps: list[str] = []
    here: Any = raw
    while isinstance(here, dict | list) and here and (not steps or random.random() < 0.7):
        key = random.choice(list(here)) if isinstance(here, dict) else random.randrange(len(here))
        steps.append(str(key))
        here = here[key]
    return ".".join(steps)
