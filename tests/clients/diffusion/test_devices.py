"""Training and sampling on a device other than the CPU."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_weights_may_lie_on_another_device() -> None:
    cases = Path(__file__).with_name("on_a_far_device.py")
    command = [sys.executable, "-m", "pytest", "-p", "no:xdist", "-p", "no:cacheprovider", str(cases)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout[-3000:]
    assert " passed" in found.stdout
    assert "skipped" not in found.stdout
