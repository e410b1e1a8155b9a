"""A table with a few rows that are like no other, the same without them, and scenarios over both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from clients.data import load
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario

ERASED = "secret-disease"
"""The category that only forgotten rows have."""

MLP = {"kind": "mlp", "hidden": [4]}
MAINS = [
    {"kind": "ridge"},
    {"kind": "naive_bayes"},
    {"kind": "dare", "trees": 3, "depth": 4},
    {"kind": "hedgecut", "trees": 3, "depth": 4},
    {"kind": "sisa", "shards": 2, "slices": 2, "base": MLP},
    {"kind": "retrain", "base": {"kind": "linear"}},
    MLP,
]


def ordinary(count: int = 260) -> list[list[str]]:
    """Return rows of id, two numbers, a category and a class; ids go up in steps, as those of customers do."""
    draw = np.random.default_rng(3)
    a, b = draw.normal(size=(2, count)).round(3).tolist()
    return [[str(1000 + 7 * i), str(a[i]), str(b[i]), "rgb"[i % 3], "yes" if a[i] + b[i] > 0 else "no"] for i in range(count)]


def strange(count: int = 60) -> list[list[str]]:
    """Return rows that are alone with their category, and with a value far from all others."""
    return [[str(1003 + 31 * i * 7), "1e9", "-7", ERASED, "no"] for i in range(count)]


def write(path: Path, rows: list[list[str]], shuffled: bool = False) -> None:
    order = np.random.default_rng(1).permutation(len(rows)) if shuffled else range(len(rows))
    path.write_text("\n".join(["key,a,b,colour,label", *(",".join(rows[i]) for i in order)]) + "\n")


def scenario(folder: Path, file: str, data: dict[str, Any] | None = None, **changes: Any) -> Scenario:
    usual = {"dataset": "csv", "path": file, "id": "key", "reference": 30, "test": 40, "partition": {"kind": "iid", "keyed": True}}
    table = {key: value for key, value in (usual | (data or {})).items() if value is not None}
    told = (
        {
            "name": "facts",
            "seed": 4,
            "rounds": 2,
            "data": table,
            "peers": {"count": len(MAINS), "main": MAINS, "seed": {"kind": "linear"}},
            "training": {"epochs": 1},
            "distillation": {"epochs": 1},
            "topology": {"kind": "complete"},
            "audit": {"counterfactual": False},
        }
        | changes
    )
    return Scenario.parse({key: value for key, value in told.items() if value is not None}, folder=folder)


def both(folder: Path) -> list[int]:
    """Write ``all.csv`` and ``clean.csv``, which lacks the strange rows of the other, and return the ids of those, none of them public."""
    private: list[list[str]] = []
    left = strange()
    while len(private) != len(left):  # where a strange row was public, taking it out makes another one public
        private = left
        write(folder / "all.csv", ordinary() + private)
        load.cache_clear()
        dealt = {row for config in resolve(scenario(folder, "all.csv")).configs for row in config.rows}
        left = [row for row in private if int(row[0]) in dealt]
    write(folder / "clean.csv", ordinary(), shuffled=True)
    return sorted(int(row[0]) for row in private)
