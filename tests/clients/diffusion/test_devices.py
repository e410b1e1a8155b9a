"""Training and sampling on a device other than the CPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.apart import check_apart


@pytest.mark.slow
def test_weights_may_lie_on_another_device() -> None:
    check_apart(Path(__file__).with_name("on_a_far_device.py"))
