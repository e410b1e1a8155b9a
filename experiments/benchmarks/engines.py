"""Seconds per round of every engine, a plain loop and Flower's own simulation: ``python -m experiments.benchmarks.engines [--quick]``.

The work is one round of FedAvg with a small network on digits, with the same pair of apps everywhere; the plain loop calls the same
training function without messages. A peer's work is calibrated to 1 ms and to 5 ms on the machine. Every measurement has processes of its
own; the first round, in which workers still import, is reported separately and not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import pairwise
from statistics import median
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1", "RAY_USAGE_STATS_ENABLED": "0"}

import numpy as np
import numpy.typing as npt
import psutil  # type: ignore[import-untyped]
import torch
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from rich.console import Console
from rich.table import Table

from clients import wire
from experiments.bars import status
from simulator.engines import ENGINES

ROWS = 64
CONTENDERS = {
    "plain loop": None,
    "inline": {"kind": "inline"},
    "ray, 1 worker": {"kind": "ray", "workers": 1},
    "ray, 2 workers": {"kind": "ray", "workers": 2},
    "Flower's simulation": {"kind": "flower", "workers": 2},
}
ROUNDS = {10: 20, 100: 8, 1000: 4}
Weights = dict[str, npt.NDArray[np.float32]]


@lru_cache(maxsize=1)
def digits() -> tuple[torch.Tensor, torch.Tensor]:
    """Return the images, float32 [1797, 64] in [0, 1], and their labels."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return torch.from_numpy(images.astype(np.float32) / 16), torch.from_numpy(labels)


def first_weights() -> Weights:
    """Return a network 64-64-10 with small weights."""
    rng = np.random.default_rng(0)
    shapes = {"a": (64, 64), "b": (64,), "c": (64, 10), "d": (10,)}
    return {name: (rng.standard_normal(shape) * 0.1).astype(np.float32) for name, shape in shapes.items()}


def train(weights: Weights, peer: int, steps: int) -> Weights:
    """Return the weights after some steps of gradient descent on the peer's rows."""
    images, labels = digits()
    rows = (torch.arange(ROWS) + peer * ROWS) % len(labels)
    x, y = images[rows], labels[rows]
    here = {name: torch.from_numpy(array.copy()).requires_grad_() for name, array in weights.items()}
    optimizer = torch.optim.SGD(here.values(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        logits = torch.relu(x @ here["a"] + here["b"]) @ here["c"] + here["d"]
        torch.nn.functional.cross_entropy(logits, y).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return {name: tensor.detach().numpy() for name, tensor in here.items()}


def average(replies: Sequence[Weights]) -> Weights:
    """Return the mean of the peers' weights, in their order."""
    return {name: np.mean([reply[name] for reply in replies], axis=0, dtype=np.float32) for name in replies[0]}


client = ClientApp()


@client.query("hello")
def hello(message: Message, context: Context) -> Message:
    """Reply with the number of this peer."""
    return Message(RecordDict({"who": ConfigRecord({"peer": int(context.node_config["partition-id"])})}), reply_to=message)


@client.train()
def on_train(message: Message, context: Context) -> Message:
    """Train from the received weights and send the result back."""
    weights = wire.from_bytes(wire.unpack(message.content.array_records["weights"]))
    steps = int(message.content.config_records["order"]["steps"])  # type: ignore[arg-type]
    after = train(weights, int(context.node_config["partition-id"]), steps)
    return Message(RecordDict({"weights": wire.pack(wire.to_bytes(after))}), reply_to=message)


@dataclass(frozen=True)
class Measured:
    """Seconds of every counted round, seconds until the end of the first, and total megabytes of all processes at the end."""

    rounds: list[float]
    first: float
    megabytes: float
    digest: str


def measure(table: dict[str, Any] | None, peers: int, steps: int, rounds: int) -> Measured:
    """Time one contender in this process and its children."""
    start, clocks, memory, final = time.perf_counter(), [], [], []

    def drive(one_round: Callable[[Weights], Weights]) -> None:
        weights = first_weights()
        for _ in range(rounds + 1):
            weights = one_round(weights)
            clocks.append(time.perf_counter())
        memory.append(megabytes())
        final.append(wire.sha256(wire.to_bytes(weights)))

    if table is None:
        torch.set_num_threads(1)
        drive(lambda weights: average([train(weights, peer, steps) for peer in range(peers)]))
    else:
        ENGINES.load(table["kind"])(**table).play(server_app(drive, steps, peers), "experiments.benchmarks.engines:client", peers)
    return Measured([b - a for a, b in pairwise(clocks)], clocks[0] - start, memory[0], final[0])


def server_app(drive: Callable[[Callable[[Weights], Weights]], None], steps: int, peers: int) -> ServerApp:
    """Return the server app of the benchmark: FedAvg with all peers in every round."""
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        hellos = [Message(RecordDict(), dst_node_id=node, message_type="query.hello") for node in grid.get_node_ids()]
        found = {
            int(reply.content.config_records["who"]["peer"]): reply.metadata.src_node_id  # type: ignore[arg-type]
            for reply in grid.send_and_receive(hellos)
        }
        nodes = [found[peer] for peer in range(peers)]

        def one_round(weights: Weights) -> Weights:
            record, order = wire.pack(wire.to_bytes(weights)), ConfigRecord({"steps": steps})
            messages = [Message(RecordDict({"weights": record, "order": order}), dst_node_id=node, message_type="train") for node in nodes]
            replies = grid.send_and_receive(messages)
            return average([wire.from_bytes(wire.unpack(reply.content.array_records["weights"])) for reply in replies])

        drive(one_round)

    return app


def megabytes() -> float:
    """Return the memory of this process, its children, and the Ray processes among them, shared pages counted once (PSS)."""
    me = psutil.Process()
    return float(sum(process.memory_full_info().pss for process in [me, *me.children(recursive=True)])) / 2**20


def calibrate(milliseconds: float) -> int:
    """Return the number of training steps that take about this long on this machine."""
    torch.set_num_threads(1)
    weights = first_weights()
    train(weights, 0, 20)
    times = []
    for _ in range(30):
        start = time.perf_counter()
        train(weights, 0, 10)
        times.append(time.perf_counter() - start)
    return max(1, round(10 * milliseconds / 1000 / median(times)))


def measured_apart(name: str, peers: int, steps: int, rounds: int) -> Measured:
    """Time a contender in a process of its own."""
    command = [sys.executable, "-m", "experiments.benchmarks.engines", "--one", name, "--steps", str(steps)]
    command += ["--peers", str(peers), "--rounds", str(rounds)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return Measured(**json.loads(output.strip().splitlines()[-1]))


def report(work: float, peers: int, rows: dict[str, Measured]) -> Table:
    """Return one table of the results for a number of peers and milliseconds of work."""
    plain, flower = rows.get("plain loop"), rows.get("Flower's simulation")
    table = Table(title=f"{peers:,} peers, about {work:g} ms of work each", title_justify="left")
    table.add_column("engine", no_wrap=True)
    for head in ("seconds a round [min - max]", "x plain loop", "Flower's / this", "first round, s", "memory, MB"):
        table.add_column(head, justify="right")
    for name, row in rows.items():
        here = median(row.rounds)
        table.add_row(
            name,
            f"{here:.4f} [{min(row.rounds):.4f} - {max(row.rounds):.4f}]",
            f"{here / median(plain.rounds):.2f}" if plain else "",
            f"{median(flower.rounds) / here:.1f}" if flower else "",
            f"{row.first:.1f}",
            f"{row.megabytes:.0f}",
        )
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all contenders and print a table for each number of peers and amount of work; return 1 if their weights ever differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=int, nargs="+", default=[10, 100, 1000], help="federation sizes")
    parser.add_argument("--rounds", type=int, help="rounds that are timed (default: 20, 8 and 4 for 10, 100 and 1,000 peers)")
    parser.add_argument("--work", type=float, nargs="+", default=[1.0, 5.0], help="milliseconds of work a peer")
    parser.add_argument("--engines", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), help="contenders")
    parser.add_argument("--quick", action="store_true", help="10 peers, 3 rounds, 1 ms")
    parser.add_argument("--one", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--steps", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        print(json.dumps(asdict(measure(CONTENDERS[options.one], options.peers[0], options.steps, options.rounds))))
        return 0
    if options.quick:
        options.peers, options.rounds, options.work = [10], 3, [1.0]
    console = Console(width=120)
    equal = []
    for work in options.work:
        steps = calibrate(work)
        for peers in options.peers:
            rounds = options.rounds or ROUNDS.get(peers, max(3, 800 // peers))
            rows = {name: measured_apart(name, peers, steps, rounds) for name in options.engines}
            console.print(report(work, peers, rows))
            equal.append(len({row.digest for row in rows.values()}) == 1)
            console.print(f"{steps} steps a peer; final weights {'equal to the bit on all' if equal[-1] else 'NOT EQUAL'}\n")
    return status(equal)


if __name__ == "__main__":
    sys.exit(main())
