"""Audits compute with one thread, as peers do: neither their figures nor their time depend on how many cores there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from simulator.audits.membership import MembershipInference
from simulator.runs.run import Run


@pytest.fixture
def several() -> Iterator[int]:
    """Let torch use three threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield 3
    torch.set_num_threads(before)


def test_audits_have_one_thread_and_give_the_others_back(play: Callable[..., Run], several: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    honest = MembershipInference.judge
    monkeypatch.setattr(MembershipInference, "judge", lambda *given: (seen.append(torch.get_num_threads()), honest(*given))[1])
    changes: dict[str, Any] = {"counterfactual": False, "membership_inference": True}
    play(rounds=1, event=[{"round": 1, "do": "delete", "peer": 2, "rows": {"fraction": 0.2}}], audit=changes)
    assert seen == [1]
    assert torch.get_num_threads() == several
