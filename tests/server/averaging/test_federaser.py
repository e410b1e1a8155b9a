"""FedEraser's skeleton as a third party would add it: one folder outside the tree, one registration by an entry point.

Liu et al., "FedEraser: Enabling Efficient Client-Level Data Removal from Federated Learning Models", IWQoS 2021: the server stores updates
and, on a request, replays them without the leaver's, each along a direction that its peer calibrates anew.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]

COORDINATOR = '''
"""A server that stores updates and replays them."""

from dataclasses import replace

import numpy as np

from clients import wire
from server.classification.averaging.coordinator import ClassifierAveraging


def norm(update):
    return float(np.sqrt(sum(float((array.astype(np.float64) ** 2).sum()) for array in update.values())))


class FedEraserServer(ClassifierAveraging):
    rescaled = True

    def carry_out(self, due, now, mailbox, record, exchanges):
        stored = {number: self.history.updates(number) for number in range(1, now.round)}
        models = {number: self.model_after(number) for number in range(now.round)}
        steps = {
            number: {peer: self.step(self.read(peer, self.bytes_of(name)), models[number - 1]) for peer, name in sent.items()}
            for number, sent in stored.items()
        }
        self.adopt({})
        self.history.cut(1)
        record.rewritten = 1
        mailbox.newest.clear()
        exchanges.begin_again(self.past.touched(1, now.round))
        for number in range(1, now.round):
            again = self.past.again(number, now.round)
            self.train(again, exchanges)
            calibrated = self.collect(again, mailbox, record)
            if number > 1 and self.rescaled:
                calibrated = [self.along(update, norm(steps[number][update.peer])) for update in calibrated]
            self.fold(number, calibrated)
            self.remember(number, record)
            self.drop_obsolete(mailbox, record, exchanges)
        record.findings.append(("federaser", {"rounds": now.round - 1, "updates": sum(map(len, stored.values()))}))

    def guarantee(self, erasure):
        return "approximate"

    def model_after(self, number):
        name = self.history.state(number).get("global")
        return self.start if name is None else wire.from_bytes(self.bytes_of(name))

    @staticmethod
    def step(update, model):
        return {name: array - model[name] for name, array in update.weights.items()}

    def along(self, update, length):
        step = self.step(update, self.weights)
        scale = length / norm(step) if norm(step) else 0.0
        return replace(update, weights={name: self.weights[name] + np.float32(scale) * array for name, array in step.items()})


class Unscaled(FedEraserServer):
    rescaled = False
'''

CELL = '''
"""The cell: how a scenario names it."""

from typing import Literal

from pydantic import Field

from server.averaging.contract import Averaged
from server.averaging.history import Keeping
from simulator.tasks.classification.averaging.federation import AveragedClassification
from simulator.tasks.classification.averaging.plan import AveragedPlan
from simulator.tasks.classification.averaging.scenario import AveragedScenario
from simulator.tasks.classification.averaging.tables import FedAvg


class Table(FedAvg):
    kind: Literal["federaser"] = "federaser"
    rescaled: bool = True


class FedEraserScenario(AveragedScenario):
    federation: Table


class FedEraserPlan(AveragedPlan):
    scenario: FedEraserScenario


class FedEraserCell(AveragedClassification):
    scenario = FedEraserScenario
    plan = FedEraserPlan

    def coordinator(self, plan, store, watch):
        from federaser.coordinator import FedEraserServer, Unscaled

        table, past = plan.scenario.federation, self.past(plan)
        keeping = Keeping(models=True, updates=True)
        server = FedEraserServer if table.rescaled else Unscaled
        return server(plan.configs[0], Averaged(table.optimizer(), plan.timeline, store, past.cohorts, table.weighting, keeping))

    def method(self, plan, erasure):
        return "federaser", "approximate"

    def methods(self, request):
        return ()

    def problems(self, plan, store):
        return iter(())
'''

PLAY = """
import json, sys
from pathlib import Path
import numpy as np
from clients import wire
from simulator import Scenario, run, verify
from simulator.storage.store import RunStore

found = {}
for name, federation in json.loads(sys.argv[1]).items():
    done = run(Scenario.parse({**json.loads(sys.argv[2]), "name": name, "federation": federation}), sys.argv[3])
    store = RunStore(done.folder)
    weights = wire.from_bytes(store.artefact(store.model("global")))
    found[name] = {
        "weights": np.concatenate([array.ravel() for array in weights.values()]).tolist(),
        "erasures": done.results["erasures"],
        "problems": verify(done.folder),
        "findings": store.findings("federaser"),
        "kept": store.rows("select name, peer, made from history where until is null"),
    }
print("FOUND" + json.dumps(found))
"""

SCENARIO: dict[str, Any] = {
    "seed": 7,
    "rounds": 5,
    "data": {"dataset": "digits", "rows": 400, "reference": 1, "test": 80, "partition": {"kind": "iid"}},
    "peers": {"count": 4, "main": [{"kind": "linear"}]},
    "training": {"epochs": 2},
    "event": [{"round": 4, "do": "leave", "peers": [2], "erase": True}],
}
FEDERATIONS = {"fedavg": {"kind": "fedavg"}, "federaser": {"kind": "federaser"}, "unscaled": {"kind": "federaser", "rescaled": False}}


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder outside the tree with the package, and a distribution that registers it."""
    package, metadata = tmp_path / "federaser", tmp_path / "federaser-0.1.dist-info"
    package.mkdir()
    metadata.mkdir()
    (package / "__init__.py").write_text('"""FedEraser for Lethe."""\n')
    (package / "coordinator.py").write_text(COORDINATOR)
    (package / "cell.py").write_text(CELL)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: federaser\nVersion: 0.1\n")
    (metadata / "entry_points.txt").write_text("[lethe.cells]\nclassification/federaser = federaser.cell:FedEraserCell\n")
    return tmp_path


@pytest.mark.slow
def test_updates_are_stored_and_replayed_by_a_plugin(outside: Path):
    path = os.pathsep.join([str(ROOT), str(outside), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-c", PLAY, json.dumps(FEDERATIONS), json.dumps(SCENARIO), str(outside / "runs")]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, timeout=300, cwd=outside)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.partition("FOUND")[2])
    plugin = found["federaser"]
    (row,) = plugin["erasures"]
    assert (row["method"], row["guarantee"]) == ("federaser", "approximate")
    assert row["max_abs_difference"] > 0
    assert plugin["problems"] == []
    assert plugin["findings"] == [{"rounds": 3, "updates": 9}], "three rounds of the four peers, without the leaver's"
    assert not [one for one in plugin["kept"] if one[0] == "update" and one[1] == 2], "nothing of the leaver is stored"

    def apart(name: str) -> float:
        return max(abs(a - b) for a, b in zip(found[name]["weights"], found["fedavg"]["weights"], strict=True))

    assert apart("unscaled") < 1e-6, "with every round calibrated whole, and no rescaling, it is retraining"
    assert apart("federaser") > 1e-5
