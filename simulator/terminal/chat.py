"""A conversation in a terminal with the language model of a run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from io import TextIOWrapper
from typing import TYPE_CHECKING

import typer

from simulator.errors import LetheError
from simulator.stopping import interruptible

if TYPE_CHECKING:
    from simulator.terminal.conversation import Chat

END = "/quit"


def converse(chat: Chat) -> None:
    """Answer the lines that a user types until ``/quit`` or the end of input; ``LetheError`` if standard input is no terminal."""
    if not sys.stdin.isatty():
        raise LetheError("standard input: is no terminal, and chat answers what is typed: give the command in one, without < or |")
    for line in chat.opening:
        typer.echo(line)
    with interruptible("a chat writes nothing"):
        for line in _typed(chat):
            typer.echo(chat.answer(line))


def _typed(chat: Chat) -> Iterator[str]:
    """Yield the lines that a user types; what is no text in the terminal's encoding comes as replacement characters."""
    with suppress(ImportError):
        import readline  # noqa: F401  # lines can be edited, and earlier ones come back
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    while True:
        try:
            line = input(chat.prompt)
        except EOFError:
            typer.echo()
            return
        if line.strip() == END:
            return
        yield line
