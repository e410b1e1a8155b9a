"""Whole runs on a device other than the CPU, where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.apart import check_apart


@pytest.mark.slow
def test_runs_keep_their_tensors_where_they_are_told() -> None:
    check_apart(Path(__file__).with_name("on_a_pretended_card.py"))
