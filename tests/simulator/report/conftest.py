from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from simulator.report.model import ReportData


@pytest.fixture(scope="session")
def example() -> Callable[..., ReportData]:
    """Makes up runs of any size."""
    spec = importlib.util.spec_from_file_location("report_example", Path(__file__).with_name("example.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.example  # type: ignore[no-any-return]
