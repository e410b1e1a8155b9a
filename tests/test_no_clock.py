"""No test asserts how long something took: on a busy machine it takes longer, and is as right."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from hypothesis import settings

ROOT = Path(__file__).resolve().parent
CLOCKS = {"monotonic", "perf_counter", "process_time", "monotonic_ns", "perf_counter_ns"}


def reads_clock(node: ast.AST, names: set[str]) -> bool:
    """Return whether an expression reads a clock, or a name that was made from one."""
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and (part.attr in CLOCKS or (part.attr == "time" and getattr(part.value, "id", "") == "time")):
            return True
        if isinstance(part, ast.Name) and (part.id in CLOCKS or (part.id in names and isinstance(part.ctx, ast.Load))):
            return True
    return False


def asserted(source: str) -> Iterator[int]:
    """Yield the lines on which something is asserted about a clock, function by function."""
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef):
            continue
        names: set[str] = set()
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and reads_clock(node.value, names):
                names |= {part.id for target in node.targets for part in ast.walk(target) if isinstance(part, ast.Name)}
        for node in ast.walk(function):
            if isinstance(node, ast.Assert) and reads_clock(node.test, names):
                yield node.lineno


def test_no_test_asserts_how_long_something_took() -> None:
    files = [path for path in ROOT.rglob("*.py") if path != Path(__file__)]
    assert len(files) > 100
    assert [f"{path}:{line}" for path in files for line in asserted(path.read_text(encoding="utf-8"))] == []


def test_the_control_is_noticed() -> None:
    code = "def test():\n    begun = time.monotonic()\n    work()\n    took = time.monotonic() - begun\n    assert took < 30\n"
    assert list(asserted(code)) == [5]
    assert list(asserted("def test():\n    assert time.perf_counter() < 3\n")) == [2]
    assert list(asserted("def test():\n    begun = time.monotonic()\n    assert work() == 3\n")) == []


def test_hypothesis_has_no_deadline() -> None:
    assert settings.default is not None
    assert settings.default.deadline is None
