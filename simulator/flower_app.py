"""Lethe as a Flower app: what ``flwr run .`` plays, on whatever federation it is told to.

Set the scenario and the folder of the run directory with ``--run-config 'scenario="path.toml" out="runs"'``; the federation needs one
SuperNode a peer (``--federation-config 'num-supernodes=10'``).
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
    """Run the scenario that the run configuration names, on Flower's grid, and print where the run directory is."""
    from simulator import runner
    from simulator.scenarios.scenario import Scenario

    path = Path(str(context.run_config["scenario"]))
    scenario = Scenario.load(path if path.exists() else ROOT / path, ["engine.kind=flower"])
    with lent(grid, context):
        run = runner.run(scenario, Path(str(context.run_config.get("out", "runs"))).resolve())
    print(run.folder, flush=True)
