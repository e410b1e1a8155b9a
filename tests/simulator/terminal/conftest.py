from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from simulator import cli

Ended = tuple[int, list[str], list[str]]


@pytest.fixture
def lethe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Return a function that runs a command in this process and returns its exit status and the lines of both outputs."""

    def command(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["lethe", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out.splitlines(), said.err.splitlines()

    return command
