"""``lethe name``: which of several concepts was erased from a pipeline, from the scar alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simulator.checkpoints.name import Named, Suspect, table, told

SUSPECTS = ("--concept", "dog", "--concept", "golf ball", "--concept", "church")
QUICK = ("--calls", 2, "--steps", 4, "--samples", 4)


def test_the_pruned_concept_comes_first(
    saved: dict[str, Path], lethe: Callable[..., Any], pruning: tuple[object, ...], tmp_path: Path, helpers: Any
) -> None:
    assert lethe("prune", saved["plain"], *pruning, "--out", tmp_path / "pruned").status == 0
    before = helpers.tree(tmp_path)
    said = lethe("name", tmp_path / "pruned", *SUSPECTS, *QUICK, "--json")
    assert said.status == 0, said.err
    found = json.loads(said.out)
    first, *others = found["suspects"]
    assert (first["concept"], first["first"], first["n"]) == ("golf ball", 4, 4)
    assert all(first["likeness"] > one["likeness"] for one in others)
    assert sum(one["first"] for one in found["suspects"]) == 4
    assert found["chance"] == pytest.approx(1 / 3)
    assert found["named"] == "golf ball"
    assert found["p"] <= 0.05
    assert helpers.tree(tmp_path) == before


def test_a_whole_model_names_nobody(saved: dict[str, Path], lethe: Callable[..., Any]) -> None:
    said = lethe("name", saved["plain"], *SUSPECTS, *QUICK)
    assert said.status == 0
    assert "nobody is named" in said.out


def _named(*first: int, runs: int, p: float = 0.001) -> Named:
    return Named(tuple(Suspect(str(number), 0.5 - number / 10, count) for number, count in enumerate(first)), runs, p)


def test_nobody_is_named_where_chance_explains_it() -> None:
    assert next(iter(told(_named(9, 1, 0, runs=10)))).startswith("named: 0; of scars with shuffled columns, 0.1% are as like")
    whole = next(iter(told(_named(10, 0, 0, runs=10, p=0.4))))
    assert whole.startswith("nobody is named: 0 is the likeliest, but of scars with shuffled columns, 40.0% are as like")
    assert whole.endswith("a guess among 3 is right 33% of the time")


def test_shares_stand_with_their_number_and_interval() -> None:
    found: Any = table(_named(9, 1, 0, runs=10))
    assert [next(iter(column.cells)) for column in found.columns] == ["0", "0.500", "9", "10", "0.90", "[0.60, 0.98]"]


def test_one_suspect_is_refused(saved: dict[str, Path], lethe: Callable[..., Any]) -> None:
    said = lethe("name", saved["plain"], "--concept", "dog", *QUICK)
    assert (said.status, said.out) == (2, "")
    assert "--concept 'dog': is the only suspect; name two or more" in said.err
