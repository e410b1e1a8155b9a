"""Long loops tell how far they are, and what only could run for ever is refused before anything is trained."""

from __future__ import annotations

import io
from itertools import repeat
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from rich.console import Console

from clients.data.rows import Rows
from clients.progress import listening, told
from clients.training import Training
from server.audit.relearned import steps_until
from simulator.audits import AUDITS
from simulator.progress import Watch


def lines(total: int, items: int) -> list[str]:
    file = io.StringIO()
    console = Console(file=file, width=80)
    with Watch(console) as watch, listening(watch.loop):
        assert list(told("steps", range(items), total)) == list(range(items))
    assert all(not task.visible or task.total == 1 for task in watch.bars.tasks), "a bar goes with its loop"
    return file.getvalue().splitlines()


@pytest.mark.parametrize(
    ("total", "items", "expected"),
    [
        (1, 1, []),
        (3, 3, ["steps: 1 of 3", "steps: 2 of 3"]),
        (100, 100, [f"steps: {done} of 100" for done in range(10, 100, 10)]),
        (100, 25, ["steps: 10 of 100", "steps: 20 of 100"]),
        (11, 11, [f"steps: {done} of 11" for done in (2, 4, 6, 8, 10)]),
    ],
)
def test_a_line_stands_for_every_tenth(total: int, items: int, expected: list[str]) -> None:
    assert lines(total, items) == expected


def test_nobody_has_to_listen() -> None:
    assert list(told("steps", iter("abc"), 3)) == ["a", "b", "c"]


def test_relearning_tells_how_far_it_is() -> None:
    class NeverKnow:
        def relearned(self, *_: Any, **__: Any) -> Any:
            return repeat((np.ones(2), np.zeros(2)))

    begun: list[tuple[str, int]] = []
    done: list[int] = []

    def begin(what: str, total: int) -> Any:
        begun.append((what, total))
        return done.append

    stack: Any = NeverKnow()
    row = Rows(np.arange(1), np.zeros((1, 1), np.float32), np.zeros(1, np.int64))
    with listening(begin):
        steps = steps_until(stack, {"w": np.zeros((2, 1))}, row, lambda *_: np.zeros(2, bool), 5, (), Training())
    assert (steps.tolist(), begun, done) == ([5.0, 5.0], [("relearning: gradient steps", 6)], [1, 2, 3, 4, 5, 6])


@pytest.mark.parametrize(
    ("audit", "setting", "most"),
    [
        ("time_to_forget", "rounds", 1000),
        ("time_to_forget", "hold", 1000),
        ("relearning", "cap", 100_000),
        ("anamnesis", "cap", 100_000),
        ("relearn", "cap", 100_000),
    ],
)
def test_numbers_of_rounds_and_steps_have_a_bound(audit: str, setting: str, most: int) -> None:
    spec = AUDITS.load(audit)
    assert getattr(spec(**{setting: most}), setting) == most
    with pytest.raises(ValidationError, match=f"less than or equal to {most}"):
        spec(**{setting: most + 1})
