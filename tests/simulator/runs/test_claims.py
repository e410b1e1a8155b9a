"""Each erasure is verified by what it claims, and the ledger keeps what carrying it out led to."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
import pytest

from clients.classification.hdus.peer import Peer
from clients.participant import ROWS
from clients.unlearning.certificates import CERTIFICATES, CertificateSpec, Evidence
from clients.unlearning.contract import Cost, Outcome, certified
from clients.unlearning.general.finetune import Finetune
from server.ledger import RoundRecord
from simulator.runner import resume
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.storage.store import RunStore

DELETE = {"round": 2, "do": "delete", "peer": 2, "rows": {"fraction": 0.2}}
LEAVE = {"round": 3, "do": "leave", "peers": [1], "erase": True}
TINY: dict[str, Any] = {
    "rounds": 3,
    "data": {"dataset": "digits", "rows": 120, "reference": 20, "test": 20, "partition": {"kind": "iid"}},
    "peers": {
        "count": 3,
        "main": [{"kind": "approximate", "base": {"kind": "linear"}, "method": "finetune"}],
        "seed": {"kind": "linear"},
    },
    "training": {"epochs": 1},
    "distillation": {"epochs": 1},
    "topology": {"kind": "complete"},
    "audit": {"counterfactual": False},
}
PLAYED = {"audit": {"counterfactual": True}}
WHO = "erasure 0 (rows of peer 2)"


class Counted(CertificateSpec):
    """A made-up certificate: that the peer has so many rows left. Proves nothing about weights."""

    kind: Literal["counted"] = "counted"
    rows: int

    def disproof(self, evidence: Evidence) -> str | None:
        """Count again."""
        assert evidence.main is not None
        if np.isin(evidence.forgotten, evidence.main[ROWS]).any():
            return "the rows are still there"
        found = len(evidence.main[ROWS])
        return None if found == self.rows else f"{found} rows are left, not {self.rows}"


@pytest.fixture
def counted() -> Iterator[None]:
    CERTIFICATES.register(Counted)
    yield
    del CERTIFICATES.registered["counted"], CERTIFICATES.loaded["counted"]


Pretend = Callable[..., Run]


@pytest.fixture
def pretend(play: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> Pretend:
    """Return a function that runs the small scenario with a method which does, and says, what the test wants."""

    def run_it(say: Callable[..., Outcome], change: float = 0.0, **changes: Any) -> Run:
        def apply(self: Finetune, weights: Any, learning: Any, forget: Any, retain: Any, key: Any) -> Any:
            return {name: array + np.float32(change) for name, array in weights.items()}, say(retain)

        monkeypatch.setattr(Finetune, "apply", apply)
        return play(**TINY | {"event": [DELETE]} | changes)

    return run_it


def erasure(run: Run) -> dict[str, Any]:
    return dict(run.results["erasures"][0])


def test_an_honest_approximation_is_verified_and_said_to_be_one(play: Callable[..., Run]) -> None:
    run = play(**TINY | {"event": [DELETE]} | PLAYED)
    found = erasure(run)
    assert (found["method"], found["guarantee"], found["certificate"], found["notes"]) == ("approximate", "approximate", None, [])
    assert found["max_abs_difference"] > 0, "it is none that would pass as exact"
    assert found["gradient_steps"] > 0
    assert verify(run.folder) == []


def test_a_plugin_that_claims_exact_and_forgets_nothing_is_caught(pretend: Pretend) -> None:
    run = pretend(lambda retain: Outcome(Cost(), "exact"), **PLAYED)
    assert erasure(run)["guarantee"] == "exact"
    assert any(line.startswith(f"{WHO}: differs by") for line in verify(run.folder))


def test_what_does_not_say_so_need_not_be_equal(pretend: Pretend) -> None:
    run = pretend(lambda retain: Outcome(Cost(), "approximate", notes=("nothing was done",)), **PLAYED)
    assert erasure(run)["notes"] == ["nothing was done"]
    assert verify(run.folder) == []


def test_an_approximation_whose_rows_are_still_kept_is_caught(play: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    def keep_everything(self: Peer, ids: Any) -> Outcome:
        return Outcome(Cost(), "approximate")

    monkeypatch.setattr(Peer, "forget", keep_everything)
    run = play(**TINY | {"event": [DELETE]})
    assert any(re.match(rf"{re.escape(WHO)}: its main model still knows \d+ of them", line) for line in verify(run.folder))


@pytest.mark.usefixtures("counted")
def test_a_certificate_stands_in_ledger_and_results_and_is_proven_again(pretend: Pretend) -> None:
    run = pretend(lambda retain: Outcome(Cost(parts=2), certified(1, 1e-4), {"kind": "counted", "rows": len(retain)}))
    found = erasure(run)
    assert found["guarantee"] == "certified(1, 0.0001)"
    assert found["certificate"]["kind"] == "counted"
    assert verify(run.folder) == []
    with sqlite3.connect(run.folder / "run.sqlite") as db:
        ((guarantee, parts, certificate),) = db.execute("select guarantee, parts, certificate from outcomes").fetchall()
    db.close()
    assert (guarantee, parts, json.loads(certificate)) == ("certified(1, 0.0001)", 2, found["certificate"])


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize(
    ("certificate", "said"),
    [
        (None, "claims certified(1, 0.0001), but has no certificate"),
        ({"kind": "counted", "rows": 3}, "its certificate does not hold: "),
        ({"kind": "counted", "rows": "three"}, "its certificate is not one of kind 'counted': input should be a valid integer"),
        ({"kind": "oracle"}, "claims certified(1, 0.0001), but nobody is registered who proves certificates of kind 'oracle' again"),
    ],
)
def test_a_certificate_that_cannot_be_proven_again_is_caught(pretend: Pretend, certificate: Any, said: str) -> None:
    run = pretend(lambda retain: Outcome(Cost(), certified(1, 1e-4), certificate))
    (line,) = verify(run.folder)
    assert line.startswith(f"{WHO}: {said}")


def test_behavioural_means_that_no_weight_has_changed(pretend: Pretend) -> None:
    assert verify(pretend(lambda retain: Outcome(Cost(), "behavioural")).folder) == []
    run = pretend(lambda retain: Outcome(Cost(), "behavioural"), change=1e-3)
    assert verify(run.folder) == [f"{WHO}: claims that no weight has changed, which is not so"]


def test_digests_tell_certificates_apart_and_nothing_else_of_outcomes(pretend: Pretend) -> None:
    digests = [
        pretend(lambda retain, said=said: said).digest
        for said in (
            Outcome(Cost(), "approximate"),
            Outcome(Cost(), "behavioural"),
            Outcome(Cost(), certified(1, 1e-4), {"kind": "a", "bound": 0.1}),
            Outcome(Cost(), certified(1, 1e-4), {"kind": "a", "bound": 0.2}),
        )
    ]
    assert digests[0] == digests[1], "the plan says which method was asked for, and states what became of it"
    assert len(set(digests)) == 3


@pytest.mark.parametrize(
    "statement",
    ["update outcomes set guarantee = 'approximate'", "update outcomes set certificate = '{}'", "delete from outcomes where erasure = 0"],
)
def test_a_changed_outcome_breaks_the_chain(play: Callable[..., Run], statement: str) -> None:
    run = play(**TINY | {"event": [LEAVE]})
    assert verify(run.folder) == []
    with sqlite3.connect(run.folder / "run.sqlite") as db:
        assert db.execute(statement).rowcount == 1
    db.close()
    assert any("round 3" in line for line in verify(run.folder))


def test_a_departure_is_carried_out_when_the_last_receipt_is_there(play: Callable[..., Run]) -> None:
    away = {"round": 3, "do": "offline", "peers": [0], "rounds": 1}
    run = play(**TINY | {"event": [LEAVE, away], "rounds": 4})
    assert [line["holder"] for line in erasure(run)["receipts"]] != []
    with sqlite3.connect(run.folder / "run.sqlite") as db:
        rows = db.execute("select round, peer, guarantee from outcomes").fetchall()
    db.close()
    assert rows == [(4, -1, "exact")], "peer 0, its neighbour, comes back in round 4"


def test_a_departure_that_somebody_refuses_is_never_carried_out(play: Callable[..., Run]) -> None:
    refuse = {"round": 2, "do": "refuse", "peers": [0]}
    run = play(**TINY | {"event": [refuse, LEAVE]})
    assert erasure(run)["notes"] == ["not carried out by the end of the run; the guarantee is what the method claims"]
    assert any("peer 0 gave no receipt" in line for line in verify(run.folder))


def test_a_run_that_is_taken_up_again_books_each_outcome_once(play: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    changes = TINY | {"event": [LEAVE, DELETE]}
    whole = play(**changes)
    commit = RunStore.commit

    def die_after_round_2(self: RunStore, record: RoundRecord) -> None:
        commit(self, record)
        if record.round == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(RunStore, "commit", die_after_round_2)
    with pytest.raises(KeyboardInterrupt):
        play(**changes)
    monkeypatch.setattr(RunStore, "commit", commit)
    folder = max(whole.folder.parent.iterdir(), key=lambda path: path.name)
    assert folder != whole.folder
    assert resume(folder).digest == whole.digest
    with sqlite3.connect(folder / "run.sqlite") as db:
        assert db.execute("select round, erasure, peer from outcomes order by erasure").fetchall() == [(2, 0, 2), (3, 1, -1)]
    db.close()
