"""The ``lethe`` command."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from simulator.checkpoints import commands

app = typer.Typer(
    no_args_is_help=True,
    suggest_commands=False,  # click does
    pretty_exceptions_enable=False,
)

File = Annotated[Path, typer.Argument(help="Scenario file (TOML).", show_default=False)]
Folder = Annotated[Path, typer.Argument(help="Run directory, as `lethe run` prints it last.", show_default=False)]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY.PATH=VALUE", help="Change a key of the scenario; may be given again.")
]
Engine = Annotated[str | None, typer.Option(help="inline, ray, grpc or flower, whatever the scenario says.")]
Workers = Annotated[int | None, typer.Option(help="How many peers work at once.")]
Junit = Annotated[Path | None, typer.Option(help="Write expectations and claims as test cases into this file, too.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.")]


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"lethe {version('lethe-federated')}")
        raise typer.Exit


@app.callback()
def lethe(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")] = False,
) -> None:
    """Simulate federations that must forget: scripted departures, deletions, and proof that what was erased is gone."""


@app.command()
def run(
    file: File,
    engine: Engine = None,
    workers: Workers = None,
    settings: Settings = None,
    out: Annotated[Path, typer.Option(help="Where to make the run directory.")] = Path("runs"),
    json: Json = False,
    junit: Junit = None,
) -> None:
    """Run a scenario and write its report; prints results, the run directory, and the verdict. Exits 1 unless it is proven or measured."""
    from clients.data import load
    from simulator.levels import start_again_at
    from simulator.runner import prepare
    from simulator.runs.directory import read_plan
    from simulator.scenarios.scenario import Scenario
    from simulator.terminal.ending import carry_on, exit_status
    from simulator.terminal.junit import check_place, write_junit

    if junit is not None:
        check_place(junit)
    chosen = list(settings or [])
    chosen += [f'engine.kind="{engine}"'] * (engine is not None) + [f"engine.workers={workers}"] * (workers is not None)
    scenario = Scenario.load(file, chosen)
    start_again_at(scenario.compute.level)
    folder = prepare(scenario, out)
    for note in load(read_plan(folder).configs[0].data).notes:
        typer.echo(f"data: {note}", err=True)
    done = carry_on(folder, json=json)
    if junit is not None:
        write_junit({done.plan.name: done}, junit)
    raise typer.Exit(exit_status(done))


@app.command()
def sweep(
    file: File,
    seeds: Annotated[str | None, typer.Option(metavar="FIRST:END", help="Seeds, END left out: 0:5 is 0 to 4.", show_default=False)] = None,
    vary: Annotated[
        list[str] | None, typer.Option("--vary", metavar="KEY.PATH=[VALUE, ...]", help="Try each value of a key; may be given again.")
    ] = None,
    settings: Settings = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="How many runs are played at once.")] = 1,
    out: Annotated[Path, typer.Option(help="Where to make the directory of the sweep.")] = Path("sweeps"),
    json: Json = False,
    junit: Junit = None,
) -> None:
    """Run a scenario with every combination of varied values with every seed, and write one table of means and intervals.

    Given again, it goes on where it was stopped. Prints the table, the directory of the sweep, and the verdict. The exit status is the
    worst of its runs.
    """
    from simulator.levels import start_again_at
    from simulator.scenarios.scenario import Scenario
    from simulator.sweeps.sweep import sweep as play
    from simulator.sweeps.variants import seeds_of, varied
    from simulator.terminal.junit import check_place, write_junit
    from simulator.terminal.sweep import carry_out

    if junit is not None:
        check_place(junit)
    chosen, values = None if seeds is None else seeds_of(seeds), varied(vary or ())
    start_again_at(Scenario.load(file, settings or ()).compute.level)
    done = carry_out(lambda: play(file, chosen, values, out, settings=settings or (), jobs=jobs), json=json)
    if junit is not None:
        write_junit({one.planned.label: one.run for one in done.played if one.run is not None}, junit, done.stopped)
    raise typer.Exit(done.status)


@app.command()
def resume(folder: Folder) -> None:
    """Take up an interrupted run where its ledger ends."""
    from simulator.levels import start_again_at
    from simulator.runs.directory import read_plan
    from simulator.terminal.ending import carry_on, exit_status

    start_again_at(read_plan(folder).scenario.compute.level)
    raise typer.Exit(exit_status(carry_on(folder)))


@app.command()
def audit(
    folder: Folder,
    names: Annotated[list[str] | None, typer.Option("--with", metavar="NAME", help="Audit by shadow models; may be given again.")] = None,
    json: Json = False,
) -> None:
    """Judge a finished run by shadow models, by the audits that let a method pass unless some are named; plan and digest stay."""
    from simulator.auditing import add
    from simulator.levels import start_again_at
    from simulator.runs.directory import read_plan
    from simulator.stopping import interruptible
    from simulator.terminal.ending import as_json
    from simulator.terminal.results import show_results

    start_again_at(read_plan(folder).scenario.compute.level)
    with interruptible("trained models are kept: give the command again"):
        done = add(folder, names or (), lambda line: typer.echo(line, err=True))
    if json:
        _print_json(as_json(done))
    else:
        show_results(done)


@app.command()
def check(file: File, settings: Settings = None, json: Json = False) -> None:
    """Say what a scenario will do and what it will cost; train nothing."""
    from rich.console import Console

    from simulator.scenarios.resolution import resolve
    from simulator.scenarios.scenario import Scenario
    from simulator.terminal.check import describe
    from simulator.terminal.check_json import plain

    plan = resolve(Scenario.load(file, settings or ()))
    if json:
        _print_json(plain(plan))
    else:
        Console().print(describe(plan))


@app.command()
def data(file: File, settings: Settings = None) -> None:
    """Print the facts of a scenario's data as keys of its data table, ready to paste, and what was noticed as comments."""
    from simulator.scenarios.scenario import Scenario
    from simulator.terminal.facts import told

    typer.echo("\n".join(told(Scenario.load(file, settings or ()))))


@app.command()
def verify(folder: Folder, json: Json = False) -> None:
    """Prove again, from the run directory alone, that what was erased is nowhere, and list what stays by design; exit 1 if not."""
    from simulator.runs.verify import examine

    found = examine(folder)
    if json:
        _print_json({"folder": str(folder), "holds": not found.problems, **asdict(found)})
    for line in found.problems:
        typer.echo(line, err=True)
    for line in found.not_checked:
        typer.echo(f"not checked: {line}", err=True)
    for line in found.remaining:
        typer.echo(f"stays by design: {line}", err=json)
    if found.problems:
        raise typer.Exit(1)
    if not json:
        typer.echo(f"{folder}: hashes, receipts and erasures hold")


@app.command()
def report(
    folder: Folder,
    out: Annotated[Path | None, typer.Option(help="Where to write the page; report.html in the run directory unless told.")] = None,
) -> None:
    """Write the HTML report of a finished run again and print its path."""
    from simulator.report.writing import write_report

    typer.echo(write_report(folder, out))


@app.command()
def show(folder: Folder, json: Json = False) -> None:
    """Show a finished run's results as tables, and the verdict last."""
    from rich.console import Console

    from simulator.runs.run import Run
    from simulator.terminal.ending import as_json, show_verdict
    from simulator.terminal.results import show_results

    found = Run(folder)
    if json:
        _print_json(as_json(found))
    else:
        show_results(found)
        show_verdict(found, Console())


@app.command()
def chat(
    folder: Folder,
    peer: Annotated[
        int | None, typer.Option(help="Whose user asks: of this peer, with what it keeps to itself; else of any.", show_default=False)
    ] = None,
) -> None:
    """Ask the language model of a finished run by hand, in a terminal: with the guards that stand at its end, or without."""
    from simulator.terminal.chat import converse
    from simulator.terminal.conversation import opened

    converse(opened(folder, peer))


@app.command()
def methods(json: Json = False) -> None:
    """List systems of the literature with a scenario each, methods and unlearners, erasers of concepts, adversaries, fills and judges."""
    from simulator.terminal.methods import as_json, table

    if json:
        _print_json(as_json())
    else:
        typer.echo(table())


@app.command()
def schema() -> None:
    """Print the JSON schema of scenario files, for editors."""
    from simulator.tasks.schema import schema as scenarios

    _print_json(scenarios())


def _print_json(content: object) -> None:
    """Print plain values as JSON."""
    from json import dumps

    typer.echo(dumps(content, indent=1))


commands.register(app)


def main() -> None:
    """Run the command line; what goes wrong is one line on standard error. The exit statuses are in the README."""
    from simulator.terminal.entry import enter

    enter(app)


if __name__ == "__main__":
    main()
