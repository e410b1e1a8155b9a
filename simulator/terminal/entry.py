"""The way into the command line, and out of it: whatever goes wrong is one line on standard error, with its exit status."""

from __future__ import annotations

import os
import sqlite3
import sys

import typer
from click.exceptions import NoArgsIsHelpError, UsageError

from clients.plugins import PluginError
from simulator.errors import LetheError, file_error, is_full, one_line
from simulator.stopping import UNANSWERED, stopped_by, terminable


def enter(app: typer.Typer) -> None:
    """Run the commands of an app; the exit statuses are in the README."""
    try:
        with terminable():
            status = app(prog_name="lethe", standalone_mode=False)
        if status == UNANSWERED:
            word, status = stopped_by()
            typer.echo(f"lethe: {word}: give the command again", err=True)
        sys.exit(status)
    except UsageError as error:
        if not isinstance(error, NoArgsIsHelpError):  # which has printed the help
            typer.echo(one_line(_misused(error)), err=True)
        sys.exit(2)
    except (LetheError, PluginError) as error:
        typer.echo(f"lethe: {error}", err=True)
        sys.exit(getattr(error, "status", 2))
    except sqlite3.DatabaseError as error:
        typer.echo(f"lethe: run.sqlite: cannot be read ({one_line(str(error))}): `lethe verify` says what is damaged", err=True)
        sys.exit(2)
    except OSError as error:
        typer.echo(f"lethe: {one_line(file_error(error, 'standard output'))}: make room or access", err=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python tries again to write what is left over
        sys.exit(3 if is_full(error) else 2)


def _misused(error: UsageError) -> str:
    """Return the line about wrong words on the command line: the command, what is wrong, and where the right ones are listed."""
    command = "lethe" if error.ctx is None else error.ctx.command_path
    said = error.format_message()
    return f"{command}: {said}{'' if said.endswith(('.', '?', '?)')) else '.'} See `{command} --help`."
