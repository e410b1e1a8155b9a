"""Tests that run in a process of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def check_apart(cases: Path) -> None:
    """Run the tests of a file in a process of their own, and check that all of them run and pass."""
    command = [sys.executable, "-m", "pytest", "-p", "no:xdist", "-p", "no:cacheprovider", str(cases)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout[-3000:]
    assert " passed" in found.stdout
    assert "skipped" not in found.stdout
