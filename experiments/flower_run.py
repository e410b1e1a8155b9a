"""Run a scenario with ``flwr run``: ``python -m experiments.flower_run [SCENARIO] [OUT]``; the last printed line is the run directory.

In contrast to ``flwr run .``, the number of SuperNodes equals the scenario's number of peers; the installed packages are used, while Flower
would install all of them again, including gigabytes of CUDA; the SuperLink is stopped at the end; and the exit status is that of
``lethe run``, 1 if no run ended, while Flower's is always 0.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOLS = Path(sys.executable).parent
SECONDS = 60
"""Time that a SuperLink may take to answer."""


def free_port() -> int:
    """Return an unused loopback port."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def environment(home: Path) -> dict[str, str]:
    """Return the environment of Flower's programs: a separate home, no installation, no telemetry."""
    quiet = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    path = os.pathsep.join((str(TOOLS), os.environ.get("PATH", "")))
    return os.environ | quiet | {"FLWR_HOME": str(home), "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1", "PATH": path}


@contextmanager
def superlink(home: Path) -> Iterator[str]:
    """Run a SuperLink on the loopback inside the context, and yield its name for ``flwr``; its child processes end with it."""
    port = free_port()
    (home / "config.toml").write_text(f'[superlink.lethe]\naddress = "127.0.0.1:{port}"\ninsecure = true\n', encoding="utf-8")
    command = ["flower-superlink", "--insecure", "--simulation", "--host", "127.0.0.1", "--port", str(port)]
    with (home / "superlink.log").open("wb") as log:
        process = subprocess.Popen(
            [str(TOOLS / command[0]), *command[1:]], env=environment(home), stdout=log, stderr=log, start_new_session=True
        )
    try:
        for _ in range(10 * SECONDS):
            with socket.socket() as one:
                if process.poll() is not None or one.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        if process.poll() is not None:
            raise SystemExit(f"flower-superlink ended with status {process.returncode}: {(home / 'superlink.log').read_text()[-2000:]}")
        yield "lethe"
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
                process.wait(timeout=10)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue


def play(scenario: Path, out: Path) -> int:
    """Run a scenario on Flower; return the exit status."""
    from simulator.runs.run import Run
    from simulator.scenarios.scenario import Scenario
    from simulator.terminal.ending import exit_status

    peers = Scenario.load(scenario).peers.count
    before = set(out.glob("*/report.html"))
    with tempfile.TemporaryDirectory() as folder, superlink(Path(folder)) as name:
        run_config = f'scenario="{scenario.resolve()}" out="{out.resolve()}"'
        federation = f"num-supernodes={peers} client-resources-num-cpus=1"
        command = [str(TOOLS / "flwr"), "run", str(ROOT), name, "--stream", "--run-config", run_config, "--federation-config", federation]
        subprocess.run(command, env=environment(Path(folder)), check=True)
    done = sorted(set(out.glob("*/report.html")) - before)
    for report in done:
        print(report.parent)
    return max((exit_status(Run(report.parent)) for report in done), default=1)


def main(arguments: list[str]) -> int:
    """Run the scenario of the arguments; return the exit status."""
    from simulator.errors import LetheError

    scenario = Path(arguments[0]) if arguments else ROOT / "experiments" / "scenarios" / "departures.toml"
    try:
        return play(scenario, Path(arguments[1] if len(arguments) > 1 else "runs"))
    except LetheError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
