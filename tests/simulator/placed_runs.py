"""Small runs that compute where they are told: what classifiers and denoisers do on a card, real or pretended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from simulator.progress import Watch
from simulator.runner import run
from simulator.runs.run import Run
from simulator.scenarios.scenario import Scenario
from tests.simulator.conftest import DELETE, LEAVE, SMALL
from tests.simulator.tasks.diffusion.averaging.test_diffusion import ATTACK, ERASE, SMOKE
from tests.simulator.tasks.diffusion.hdus import test_hdus_diffusion as seeds

NETWORKS = [
    {"kind": "mlp", "hidden": [16]},
    {"kind": "sisa", "shards": 2, "slices": 2, "base": {"kind": "linear"}},
    {"kind": "approximate", "base": {"kind": "mlp", "hidden": [16]}, "method": "finetune"},
]
HDUS = SMALL | {"event": [LEAVE, DELETE], "peers": SMALL["peers"] | {"main": NETWORKS}}
AVERAGED = {name: value for name, value in SMALL.items() if name not in ("distillation", "topology", "audit")} | {
    "peers": {"count": 6, "main": [{"kind": "mlp", "hidden": [16]}]},
    "federation": {"kind": "fedprox"},
    "event": [DELETE | {"method": "finetune"}],
}
JUDGE = {"judge": {"kind": "cnn", "steps": 5, "widths": [8]}}
DRAWN = SMOKE | JUDGE | {"rounds": 2}
PRUNED = DRAWN | {"event": [ERASE]}
SEEDS = seeds.SMALL["federation"] | {"judged": 4}
LENT = seeds.SMALL | JUDGE | {"federation": SEEDS, "event": [seeds.LEAVE, seeds.ERASE]}
ATTACKED = DRAWN | {
    "event": [
        ERASE,
        ATTACK | {"adversary": {"kind": "zero_scan", "revival": {"completion": {"kind": "polar_momentum"}}}},
        {"round": 2, "do": "defend", "fill": {"kind": "gaussian", "relative": 1.0}},
    ]
}
CLASSIFIERS = {"hdus": HDUS, "averaged": AVERAGED}
DENOISERS = {"pruned": PRUNED, "lent": LENT, "attacked": ATTACKED}

Play = Callable[..., Run]


def player(folder: Path, patch: pytest.MonkeyPatch) -> Play:
    """Return a function that runs a scenario on a device, with an empty cache."""

    def play(raw: dict[str, Any], device: str, **compute: Any) -> Run:
        patch.setenv("LETHE_CACHE", mkdtemp(dir=folder))
        return run(Scenario.parse(raw | {"compute": {"device": device, **compute}}), folder / "runs", Watch())

    return play
