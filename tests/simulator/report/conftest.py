from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from simulator.report.model import ReportData
from simulator.report.render import render


@pytest.fixture(scope="session")
def load_example() -> Callable[[str], ModuleType]:
    """Loads a module of made-up runs that lies beside the tests."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"report_{name}", Path(__file__).parent / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def example(load_example: Callable[[str], ModuleType]) -> Callable[..., ReportData]:
    """Makes up runs of any size."""
    return load_example("example").example  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def text(run: ReportData) -> str:
    """The page of the run that the module's tests look at."""
    return render(run)
