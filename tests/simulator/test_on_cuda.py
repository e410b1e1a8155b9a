"""Smoke tests on a real card: runs end there, come near to what the CPU comes to, and repeat where they are told to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.simulator.placed_runs import CLASSIFIERS, DENOISERS, Play, player

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device here; `make gpu` runs these where there is one"),
]


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    return player(tmp_path, monkeypatch)


@pytest.mark.parametrize("raw", [*CLASSIFIERS.values(), *DENOISERS.values()], ids=[*CLASSIFIERS, *DENOISERS])
def test_a_run_ends_and_repeats(raw: dict[str, Any], play: Play) -> None:
    first, second = (play(raw, "cuda", deterministic=True).digest for _ in range(2))
    assert first == second


@pytest.mark.parametrize("raw", CLASSIFIERS.values(), ids=CLASSIFIERS)
def test_classifiers_are_about_as_good_as_on_the_cpu(raw: dict[str, Any], play: Play) -> None:
    there, here = (play(raw, device).accuracy["global"] for device in ("cuda", "cpu"))
    assert there == pytest.approx(here, abs=0.1)
