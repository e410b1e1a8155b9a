"""The round loop knows the metrics of a run, and takes no others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from clients.classification.hdus.peer import Peer
from clients.metrics import Metric
from server.coordinator import Coordinator
from server.ledger import RoundRecord
from server.timeline import Round
from simulator.errors import LetheError
from simulator.progress import Watch
from simulator.runner import prepare, resume
from simulator.scenarios.scenario import Scenario
from simulator.tasks.classification.hdus.federation import HdusClassification
from tests.tiny import TINY


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return prepare(Scenario.parse(TINY | {"name": "loop"}), tmp_path)


def and_also(name: str) -> Callable[[Peer], tuple[dict[str, float], object]]:
    honest = Peer.evaluate

    def evaluate(peer: Peer) -> tuple[dict[str, float], object]:
        scores, answers = honest(peer)
        return {**scores, name: 0.5}, answers

    return evaluate


def test_a_reply_with_an_undeclared_metric_is_an_error_that_names_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Peer, "evaluate", and_also("acuracy.global.main"))
        with pytest.raises(LetheError) as error:
            resume(folder, Watch())
    expected = "round 1: the reply of peer 0: metric 'acuracy.global.main' is not declared: did you mean accuracy.global.main?"
    assert str(error.value).startswith(expected)
    assert "\n" not in str(error.value)
    assert resume(folder, Watch()).accuracy["global"]["main"] is not None, "nothing of the refused round was written down"


@pytest.mark.parametrize("declared", [False, True])
def test_what_a_coordinator_books_is_declared_too(declared: bool, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Counting(Coordinator):
        metrics = (Metric("heartbeat", "sum", "beats"),) if declared else ()

        def close(self, now: Round, mailbox: object, record: RoundRecord) -> None:
            record.metrics.append((-1, "heartbeat", 1.0))

    monkeypatch.setattr(HdusClassification, "coordinator", lambda *_: Counting())
    monkeypatch.setattr(HdusClassification, "measured", Counting.metrics)
    if declared:
        run = resume(folder, Watch())
        assert list(run.metrics.query("name == 'heartbeat'").value) == [1.0, 1.0]
    else:
        with pytest.raises(LetheError, match=r"^round 1: metric 'heartbeat' is not declared: "):
            resume(folder, Watch())
