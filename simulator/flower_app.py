"""Lethe as a Flower app, for ``flwr run .`` on any federation.

Set the scenario and the folder of the run directory with ``--run-config 'scenario="path.toml" out="runs"'``. The federation needs one
SuperNode per peer (``--federation-config 'num-supernodes=10'``), which is checked first. ``experiments.flower_run`` does all of this.
"""

from __future__ import annotations

from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from simulator.engines.flower import lent
from simulator.engines.flower_runtime import OneThread

ROOT = Path(__file__).resolve().parents[1]

client_app = OneThread("clients.app:app")
server_app = ServerApp()


@server_app.main()
def main(grid: Grid, context: Context) -> None:
    """Run the scenario of the run configuration on Flower's grid, and print the path of the run directory.

    ``LetheError``, before anything is written, unless the federation has one node per peer.
    """
    from simulator import runner
    from simulator.errors import LetheError
    from simulator.scenarios.scenario import Scenario

    path = Path(str(context.run_config["scenario"]))
    scenario = Scenario.load(path if path.exists() else ROOT / path, ["engine.kind=flower"])
    peers, nodes = scenario.peers.count, len(list(grid.get_node_ids()))
    if nodes != peers:
        cure = f"""flwr run . --federation-config 'num-supernodes={peers}' --run-config 'scenario="{path}"'"""
        raise LetheError(f"engine flower: the scenario has {peers} peers, the federation {nodes} SuperNodes: {cure}")
    with lent(grid, context):
        run = runner.run(scenario, Path(str(context.run_config.get("out", "runs"))).resolve())
    print(run.folder, flush=True)
