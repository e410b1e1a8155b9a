"""The app that ``flwr run .`` plays, here on a grid lent by hand."""

import json

import pytest
from flwr.app import Context, RecordDict

from simulator import runner
from simulator.engines.grid import RUN_ID, SERVER_NODE, LocalGrid
from simulator.engines.host import Host
from simulator.engines.inline import _Calls
from simulator.errors import LetheError
from simulator.flower_app import client_app, server_app
from simulator.scenarios.scenario import Scenario

SCENARIO = """
name = "small"
seed = 3
rounds = 2
data = { dataset = "wine", reference = 30, test = 30, partition = { kind = "iid" } }
peers = { count = 4, main = [{ kind = "linear" }], seed = { kind = "linear" } }
training = { epochs = 1 }
distillation = { epochs = 1 }
topology = { kind = "ring" }

[[event]]
round = 2
do = "leave"
peers = [1]
erase = true

[audit]
counterfactual = true
"""


@pytest.fixture
def scenario(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SCENARIO)
    return path


def play(scenario, out, nodes):
    with LocalGrid(_Calls(Host(client_app, nodes)), nodes) as grid:
        server_app(grid, Context(RUN_ID, SERVER_NODE, {}, RecordDict(), {"scenario": str(scenario), "out": str(out)}))


def test_same_digest_as_from_the_command_line(scenario, tmp_path, capsys):
    play(scenario, tmp_path / "flower", 4)
    folder = capsys.readouterr().out.strip().splitlines()[-1]
    results = json.loads((tmp_path / "flower" / folder / "results.json").read_text())
    expected = json.loads((runner.run(Scenario.load(scenario), tmp_path / "inline").folder / "results.json").read_text())
    assert results["engine"] == "flower"
    assert results["digest"] == expected["digest"]
    assert [erasure["max_abs_difference"] for erasure in results["erasures"]] == [0.0]


def test_federation_of_another_size_is_told_how_to_cure_it_before_anything_is_written(scenario, tmp_path):
    with pytest.raises(LetheError, match=r"4 peers, the federation 3 SuperNodes: flwr run \. --federation-config 'num-supernodes=4'"):
        play(scenario, tmp_path / "flower", 3)
    assert not (tmp_path / "flower").exists()
