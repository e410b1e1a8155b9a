"""Whole runs on a device other than the CPU, where there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_runs_keep_their_tensors_where_they_are_told() -> None:
    cases = Path(__file__).with_name("on_a_pretended_card.py")
    command = [sys.executable, "-m", "pytest", "-p", "no:xdist", "-p", "no:cacheprovider", str(cases)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout[-3000:]
    assert " passed" in found.stdout
    assert "skipped" not in found.stdout
