"""Fuzz test with wrong scenarios: ``python -m experiments.campaigns.scenarios [--count 3000] [--settings 200] [--seed 0]``.

Every shipped scenario, on small data, is mutated in one to three ways, then read, resolved and described as by ``lethe check``. Each must
be accepted, or refused with error lines. A mutant that raises anything else, computes for longer than 20 s, prints control characters, or
quotes a foreign file is printed with its seed and stored in ``--keep``; the exit status is then 1.
"""

from __future__ import annotations

import argparse
import faulthandler
import io
import resource
import signal
import sys
import tomllib
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from experiments.campaigns.scenario_mutations import mutant, setting

SCENARIOS = Path(__file__).parents[1] / "scenarios"
SECONDS = 20
"""Limit of processor time; the limit of wall-clock time, for busy machines and for hangs, is six times as long."""
MEMORY = 24 << 30
TRIES = 8
SMALL = {"dataset": "digits", "rows": 300, "reference": 40, "test": 40}
EVENTS: list[dict[str, Any]] = [
    {"round": 2, "do": "offline", "peers": [1], "rounds": 2},
    {"round": 2, "do": "join", "peers": [5]},
    {"round": 3, "do": "crash", "peers": [0], "phase": "before_training"},
    {"round": 3, "do": "straggle", "peers": [2], "delay": 1, "rounds": 2},
    {"round": 3, "do": "arrive", "peers": [0, 1], "rows": {"fraction": 0.2}},
    {"round": 3, "do": "correct", "peers": [0, 2], "rows": {"fraction": 0.1}, "label": 1},
    {"round": 3, "do": "link", "edges": [[0, 3]]},
    {"round": 4, "do": "refuse", "peers": [3]},
    {"round": 4, "do": "cut", "edges": [[0, 3]]},
    {"round": 5, "do": "leave", "peers": [4], "erase": True},
    {"round": 6, "do": "rejoin", "peers": [4]},
]


class TooLongError(Exception):
    """A scenario has exceeded the time limit."""


def originals() -> list[dict[str, Any]]:
    """Return valid scenarios on small data: the shipped ones, and one with many events."""
    found = []
    for path in sorted(SCENARIOS.glob("*.toml")):
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        if raw["data"]["dataset"] in ("csv", "digits", "idx", "npz"):
            raw["data"] = SMALL | {"partition": raw["data"]["partition"]}
            raw["data"]["partition"].pop("min_rows", None)
        found.append(raw)
    busy = tomllib.loads((SCENARIOS / "departures.toml").read_text(encoding="utf-8"))
    busy["data"] = SMALL | {"partition": {"kind": "iid"}}
    busy["peers"] = {"count": 8, "groups": {"some": [0, 2]}, "main": [{"kind": "linear"}], "seed": {"kind": "linear"}}
    busy |= {"topology": {"kind": "small_world", "k": 4, "p": 0.2, "on_leave": "rewire"}, "event": EVENTS}
    busy["churn"] = {"kind": "markov", "p_off": 0.1, "p_on": 0.5}
    busy["expect"] = [{"after": 8, "metric": "accuracy.global.main", "min": 0.0}, {"after": 6, "absent": 4}]
    return [*found, busy]


@contextmanager
def watched() -> Iterator[None]:
    """Raise `TooLongError` after 20 s of processor time or two minutes; if that has no effect, kill the process with all stacks."""

    def late(*_: object) -> None:
        raise TooLongError(f"more than {SECONDS} s")

    timers = {signal.ITIMER_PROF: (signal.SIGPROF, SECONDS), signal.ITIMER_REAL: (signal.SIGALRM, 6 * SECONDS)}
    for timer, (number, seconds) in timers.items():
        signal.signal(number, late)
        signal.setitimer(timer, seconds)
    faulthandler.dump_traceback_later(9 * SECONDS, exit=True)
    try:
        yield
    finally:
        for timer in timers:
            signal.setitimer(timer, 0)
        faulthandler.cancel_dump_traceback_later()


def check(text: str, settings: Sequence[str] = ()) -> str:
    """Do what ``lethe check`` does; return ``taken`` or ``refused``, or raise."""
    from rich.console import Console

    from simulator.errors import LetheError
    from simulator.scenarios.resolution import resolve
    from simulator.scenarios.scenario import Scenario
    from simulator.tasks.contract import plan_of
    from simulator.terminal.check import describe

    try:
        with watched():
            plan = resolve(Scenario.parse(text, settings, "mutant.toml", SCENARIOS))
            Console(file=io.StringIO(), width=120).print(describe(plan))
            if plan_of(plan.model_dump_json()).digest != plan.digest:
                raise ValueError("the plan that is read is not the one that was written")
    except LetheError as error:
        _check_words(str(error))
        return "refused"
    return "taken"


def refused_early(text: str) -> bool:
    """Return whether a scenario is refused on reading, before anything is drawn."""
    from simulator.errors import LetheError
    from simulator.scenarios.scenario import Scenario

    try:
        Scenario.parse(text, (), "mutant.toml", SCENARIOS)
    except LetheError:
        return True
    except Exception:  # left to the trial to report
        return False
    return False


def _check_words(message: str) -> None:
    """Raise unless a refusal consists of readable lines without content of other files."""
    lines = message.splitlines()
    if not message or not all(line.strip() and line.isprintable() for line in lines):
        raise ValueError(f"not made of printable lines: {message!r}")
    if any(len(line) > 3000 for line in lines):
        raise ValueError(f"a line of {max(map(len, lines))} characters")
    for secret in Path("/etc/passwd").read_text(encoding="utf-8").splitlines():
        if secret and secret in message:
            raise ValueError(f"quotes another file: {secret}")


def trial(name: str, make: Callable[[], tuple[str, Sequence[str]]], keep: Path | None) -> str:
    """Return the outcome for one mutant; print and store it if it ``failed``."""
    text, settings = make()
    try:
        return check(text, settings)
    except (Exception, TooLongError):
        trace = traceback.format_exc()
        print(f"{name}: --set {settings[0][:200]!r}" if settings else name, trace[-3000:], sep="\n", flush=True)
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            (keep / f"{name}.toml").write_text(text, encoding="utf-8")
            (keep / f"{name}.txt").write_text("\n".join([*settings, trace]), encoding="utf-8")
        return "failed"


def campaign(count: int, settings: int, seed: int, keep: Path | None = None) -> Counter[str]:
    """Return the numbers of mutants that were accepted, refused, and failed."""
    import tomli_w

    raws = originals()
    for raw in raws:  # control: the originals are valid, so that refusals are due to mutations
        check(tomli_w.dumps(raw))

    def scenario(number: int) -> tuple[str, Sequence[str]]:
        random = Random(f"{seed} scenario {number}")
        text = mutant(random.choice(raws), random)
        for _ in range(TRIES if number % 2 else 0):  # half of the mutants should pass reading and reach resolution
            if not refused_early(text):
                break
            text = mutant(random.choice(raws), random)
        return text, ()

    def with_setting(number: int) -> tuple[str, Sequence[str]]:
        random = Random(f"{seed} setting {number}")
        raw = random.choice(raws)
        return tomli_w.dumps(raw), (setting(raw, random),)

    answers: Counter[str] = Counter()
    for number in range(count):
        answers[trial(f"scenario-{seed}-{number}", lambda number=number: scenario(number), keep)] += 1  # type: ignore[misc]
    for number in range(settings):
        answers[trial(f"setting-{seed}-{number}", lambda number=number: with_setting(number), keep)] += 1  # type: ignore[misc]
    return answers


def main() -> int:
    """Run the campaign; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=3000, help="mutated scenarios")
    parser.add_argument("--settings", type=int, default=200, help="changes by --set")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations")
    parser.add_argument("--keep", type=Path, help="folder for mutants that fail")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    warnings.simplefilter("error", RuntimeWarning)
    answers = campaign(options.count, options.settings, options.seed, options.keep)
    words = ", ".join(f"{answers[kind]} {kind}" for kind in ("taken", "refused", "failed"))
    print(f"{options.count} scenarios and {options.settings} settings: {words}")
    return 1 if answers["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
