"""Lethe as a Flower app: what ``flwr run .`` plays, on whatever federation it is told to.

Set the scenario and the folder of the run directory with ``--run-config 'scenario="path.toml" out="runs"'``; the federation needs one
SuperNode a peer (``--federation-config 'num-supernodes=10'``), which is looked at before anything else. ``experiments.flower_run`` does all
of this.
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
    """Run the scenario that the run configuration names, on Flower's grid, and print where the run directory is.

    ``LetheError`` at once, and nothing written, unless the federation has one node a peer.
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
