"""A killed audit goes on after its last row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simulator.audits.counterfactual import Counterfactual
from simulator.audits.membership import MembershipInference
from simulator.audits.relearning import Relearning
from simulator.progress import Watch
from simulator.runner import prepare, resume
from simulator.runs.verify import verify
from simulator.scenarios.scenario import Scenario
from simulator.storage.store import RunStore

EVENTS = [
    {"round": 2, "do": "leave", "peers": [4], "erase": True},
    {"round": 2, "do": "delete", "peer": 2, "rows": {"fraction": 0.2}},
]
NAMES = ("counterfactual", "membership_inference", "relearn")


def counted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Return a list that grows by name and erasure whenever an audit judges."""
    judged: list[tuple[str, int]] = []
    for name, spec in zip(NAMES, (Counterfactual, MembershipInference, Relearning), strict=True):

        def judge(self: Any, erasure: Any, *rest: Any, name: str = name, honest: Any = spec.judge) -> Any:
            judged.append((name, erasure.index))
            return honest(self, erasure, *rest)

        monkeypatch.setattr(spec, "judge", judge)
    return judged


def timeless(found: dict[str, Any]) -> dict[str, Any]:
    rows = [{key: value for key, value in row.items() if "seconds" not in key} for row in found["erasures"]]
    return {"digest": found["digest"], "audits": found["audits"], "erasures": rows}


@pytest.mark.parametrize("after", [1, *(pytest.param(rows, marks=pytest.mark.slow) for rows in (2, 4))])
def test_a_killed_audit_continues_after_its_last_row(
    after: int, scenario: Callable[..., Scenario], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = scenario(rounds=2, event=EVENTS)
    whole = resume(prepare(one, tmp_path), Watch())
    folder = prepare(one, tmp_path)
    write = RunStore.set_audit

    def die(store: RunStore, name: str, value: Any) -> None:
        write(store, name, value)
        if "/" in name and len(store.rows("select 1 from audits where name like '%/%'")) == after:
            raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        before = counted(dying)
        dying.setattr(RunStore, "set_audit", die)
        with pytest.raises(KeyboardInterrupt):
            resume(folder, Watch())
    assert not (folder / "results.json").exists()
    with monkeypatch.context() as watching:
        left = counted(watching)
        again = resume(folder, Watch())
    assert len(before) == after
    assert not set(before) & set(left), "no row is judged twice"
    assert len(before) + len(left) == len(NAMES) * len(EVENTS)
    assert timeless(again.results) == timeless(whole.results)
    assert verify(folder) == []
