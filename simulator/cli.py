"""The ``lethe`` command."""

from __future__ import annotations

import sys
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
) -> None:
    """Run a scenario and write its report; the last line printed is the run directory."""
    from clients.data import load
    from simulator.runner import prepare
    from simulator.runs.directory import read_plan
    from simulator.scenarios.scenario import Scenario

    chosen = list(settings or [])
    chosen += [f'engine.kind="{engine}"'] * (engine is not None) + [f"engine.workers={workers}"] * (workers is not None)
    scenario = Scenario.load(file, chosen)
    folder = prepare(scenario, out)
    for note in load(read_plan(folder).configs[0].data).notes:
        typer.echo(f"data: {note}", err=True)
    _carry_on(folder)


@app.command()
def resume(folder: Folder) -> None:
    """Take up an interrupted run where its ledger ends."""
    _carry_on(folder)


def _carry_on(folder: Path) -> None:
    from simulator.runner import resume as carry_on
    from simulator.terminal.results import show_results

    try:
        done = carry_on(folder)
    except KeyboardInterrupt:
        typer.echo(f"interrupted; nothing committed is lost: lethe resume {folder}", err=True)
        raise typer.Exit(130) from None
    show_results(done)
    for one in done.unmet:
        typer.echo(f"expectation {one['expect']} failed after round {one['after']}: expected {one['expected']}; {one['found']}", err=True)
    typer.echo(done.folder)
    if done.unmet:
        raise typer.Exit(1)


@app.command()
def check(file: File, settings: Settings = None) -> None:
    """Say what a scenario will do and what it will cost; train nothing."""
    from rich.console import Console

    from simulator.scenarios.resolution import resolve
    from simulator.scenarios.scenario import Scenario
    from simulator.terminal.check import describe

    Console().print(describe(resolve(Scenario.load(file, settings or ()))))


@app.command()
def data(file: File, settings: Settings = None) -> None:
    """Print the facts of a scenario's data as keys of its [data] table, ready to paste, and what was noticed as comments."""
    from simulator.scenarios.scenario import Scenario
    from simulator.terminal.facts import told

    typer.echo("\n".join(told(Scenario.load(file, settings or ()))))


@app.command()
def verify(folder: Folder) -> None:
    """Prove again, from the run directory alone, that what was erased is nowhere; exit 1 if not."""
    from simulator.runs.verify import examine

    found = examine(folder)
    for line in found.problems:
        typer.echo(line, err=True)
    for line in found.not_checked:
        typer.echo(f"not checked: {line}", err=True)
    if found.problems:
        raise typer.Exit(1)
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
def show(folder: Folder) -> None:
    """Show a finished run's results as tables."""
    from simulator.runs.run import Run
    from simulator.terminal.results import show_results

    show_results(Run(folder))


@app.command()
def methods() -> None:
    """List methods and unlearners with their guarantees, erasers of concepts, adversaries, fills and judges."""
    from simulator.terminal.methods import table

    typer.echo(table())


@app.command()
def schema() -> None:
    """Print the JSON schema of scenario files, for editors."""
    import json

    from simulator.tasks.schema import schema as scenarios

    typer.echo(json.dumps(scenarios(), indent=1))


commands.register(app)


def main() -> None:
    """Run the command line; what the user can mend is one line on standard error and exit status 2, a run that stopped on its way 3."""
    from clients.plugins import PluginError
    from simulator.errors import LetheError

    try:
        app()
    except (LetheError, PluginError) as error:
        typer.echo(f"lethe: {error}", err=True)
        sys.exit(getattr(error, "status", 2))


if __name__ == "__main__":
    main()
