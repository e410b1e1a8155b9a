"""The JSON schema of scenario files: every key described, every ready scenario valid, and one typo marked where it is."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Callable, Iterator
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from simulator.tasks.contract import scenarios
from simulator.tasks.schema import schema

jsonschema = pytest.importorskip("jsonschema", reason="the package jsonschema is not installed")
READY = sorted((Path(__file__).resolve().parents[3] / "experiments" / "scenarios").rglob("*.toml"))
DEPARTURES = tomllib.loads(next(path for path in READY if path.stem == "departures").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def validator() -> Any:
    made = schema()
    jsonschema.Draft202012Validator.check_schema(made)
    return jsonschema.Draft202012Validator(made)


def marked(validator: Any, raw: dict[str, Any]) -> set[str]:
    """Return the places of all errors, as dotted paths."""
    return {".".join(map(str, error.absolute_path)) for error in validator.iter_errors(raw)}


def undescribed(made: dict[str, Any]) -> Iterator[str]:
    for name, table in made["$defs"].items():
        for key, place in table.get("properties", {}).items():
            if not place.get("description") and "const" not in place:
                yield f"{name}.{key}"


def test_every_key_has_a_description() -> None:
    made = schema()
    assert list(undescribed(made)) == []
    assert made["$defs"]["HdusScenario"]["properties"]["engine"]["properties"]["kind"]["description"]
    del made["$defs"]["Training"]["properties"]["epochs"]["description"]
    assert list(undescribed(made)) == ["Training.epochs"], "the control"


@pytest.mark.parametrize("path", READY, ids=lambda path: path.stem)
def test_ready_scenarios_are_valid(validator: Any, path: Path) -> None:
    assert marked(validator, tomllib.loads(path.read_text(encoding="utf-8"))) == set()


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], Any], set[str]]] = {
    "a key of an event": (lambda raw: raw["event"][0].update(peerz=[1]), {"event.0"}),
    "a value in a table of a kind": (lambda raw: raw["topology"].update(k="a"), {"topology.k"}),
    "a key of a model in a list": (lambda raw: raw["peers"]["main"][1].update(hiden=[3]), {"peers.main.1"}),
    "a name of a kind": (lambda raw: raw["peers"]["main"][1].update(kind="mpl"), {"peers.main.1.kind"}),
    "a kind that is missing": (lambda raw: raw["topology"].pop("kind"), {"topology"}),
    "a setting of an audit": (lambda raw: raw["audit"].update(relearn={"capp": 3}), {"audit.relearn"}),
    "a type of an audit": (lambda raw: raw["audit"].update(relearn=3), {"audit.relearn"}),
    "a method by name": (lambda raw: raw["event"][0].update(method="drop_sed"), {"event.0.method"}),
    "a task": (lambda raw: raw.update(task="clasification"), {"task"}),
    "a federation": (lambda raw: raw.update(federation={"kind": "fedav"}), {"federation.kind"}),
    "a task that must name its federation": (lambda raw: raw.update(task="diffusion"), {""}),
    "nothing: the usual engine": (lambda raw: raw.update(engine={"workers": 2}), set()),
    "nothing: a method by its name": (lambda raw: raw["event"][0].update(method="drop_seed"), set()),
}


@pytest.mark.parametrize(("change", "places"), CHANGES.values(), ids=CHANGES.keys())
def test_one_typo_is_marked_where_it_is(validator: Any, change: Callable[[dict[str, Any]], Any], places: set[str]) -> None:
    raw = copy.deepcopy(DEPARTURES)
    change(raw)
    assert marked(validator, raw) == places


def test_a_plain_union_marks_the_whole_file() -> None:
    """The control: what ``if`` and ``then`` are for."""
    plain = TypeAdapter(reduce(or_, dict.fromkeys(scenarios().values()))).json_schema()
    raw = copy.deepcopy(DEPARTURES)
    raw["event"][0]["peerz"] = [1]
    assert marked(jsonschema.Draft202012Validator(plain), raw) == {""}
