"""Influence on an averaged classifier: the server solves with products that are sums over peers, as if all rows were in one place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clients.classification.averaging.peer import AveragedClassifierPeer
from clients.corrections import Corrections
from clients.data.rows import Rows
from clients.training import Arrays
from clients.unlearning.general.curvature import Curvature
from clients.unlearning.general.derivatives import SUM, Asked, Local
from clients.unlearning.general.influence import Influence
from simulator.errors import LetheError, ScenarioError
from simulator.runner import prepare, resume, run
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.storage.reading import reading
from tests.clients.unlearning.general.test_influence import asked
from tests.simulator.tasks.classification.sums.impatient import Impatient

METHOD: dict[str, Any] = {"kind": "influence", "tolerance": 1e-3, "iterations": 12, "damping": 0.1}
DELETE: dict[str, Any] = {"round": 3, "do": "delete", "peers": [0, 2], "rows": {"fraction": 0.2}, "method": METHOD}
CORRECT: dict[str, Any] = {"round": 3, "do": "correct", "peers": [0, 2], "rows": {"fraction": 0.2}, "label": 3, "method": METHOD}
AWAY: dict[str, Any] = {"round": 3, "do": "offline", "peers": [1], "rounds": 1}
SMALL: dict[str, Any] = {
    "name": "by_server",
    "seed": 7,
    "rounds": 4,
    "federation": {"kind": "fedavg", "cohort": 2},
    "data": {
        "dataset": "digits",
        "rows": 200,
        "reference": 1,
        "test": 60,
        "partition": {"kind": "dirichlet", "alpha": 0.5, "min_rows": 15},
    },
    "peers": {"count": 4, "main": [{"kind": "mlp", "hidden": [4]}]},
    "training": {"epochs": 3, "optimizer": {"kind": "sgd", "lr": 0.5, "weight_decay": 0.001}},
    "audit": {"counterfactual": False},
    "event": [DELETE, AWAY],
}


class Seen:
    """What the server solved: where it began, where it ended in float64, and the rows that peers answered for, at the first question."""

    def __init__(self, patch: pytest.MonkeyPatch, fault: float = 1.0) -> None:
        self.parts: list[tuple[Rows, Rows]] = []
        self.begin: Arrays = {}
        self.end = torch.zeros(0)
        self.exchanges = 0
        adjusted, answer, solve = Influence.step, Influence.answer, Influence.solve

        def solving(method: Any, weights: Arrays, *rest: Any) -> Any:
            self.begin, self.learning = weights, rest[0]
            return solve(method, weights, *rest)

        def adjusting(method: Any, curvature: Curvature, found: Asked, *rest: Any) -> Any:
            told = adjusted(method, curvature, found, *rest)
            self.end, self.exchanges = curvature.flat(), found.exchanges
            return told

        def answering(method: Any, weights: Any, learning: Any, forget: Rows, retain: Rows, question: Arrays) -> Arrays:
            if "direction" not in question:
                self.parts.append((forget, retain))
            found = answer(method, weights, learning, forget, retain, question)
            return found | {SUM: found[SUM] * (fault if not len(forget) else 1.0)}

        patch.setattr(Influence, "solve", solving)
        patch.setattr(Influence, "step", adjusting)
        patch.setattr(Influence, "answer", answering)

    def pooled(self) -> torch.Tensor:
        """Return where the same step leads with all answered rows in one place."""
        none = self.parts[0][0].without(self.parts[0][0].ids)
        forget, retain = none, none
        for gone, kept in self.parts:
            forget, retain = forget.joined(gone), retain.joined(kept)
        curvature = Curvature(self.learning.network, self.begin, self.learning.training)
        Influence.model_validate(METHOD).step(curvature, asked(Local(curvature, forget, retain)), self.learning, ())
        return curvature.flat()

    def moved(self) -> float:
        return float((self.end - Curvature(self.learning.network, self.begin, self.learning.training).flat()).norm())


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Run, Seen]]:
    def played(fault: float = 1.0, **changes: Any) -> tuple[Run, Seen]:
        with pytest.MonkeyPatch.context() as patch:
            seen = Seen(patch, fault)
            return run(Scenario.parse(SMALL | changes), tmp_path_factory.mktemp("runs")), seen

    return played


@pytest.mark.parametrize("event", [DELETE, CORRECT], ids=["delete", "correct"])
def test_the_step_is_that_on_the_rows_of_all_present_peers(play: Callable[..., tuple[Run, Seen]], event: dict[str, Any]) -> None:
    done, seen = play(event=[event, AWAY])
    configs, erasures = done.plan.configs, done.plan.timeline.erasures
    assert len({len(one.rows) for one in configs}) > 1, "peers are unequal"
    assert [len(forget) for forget, _ in seen.parts] == [len(erasures[0].rows), len(erasures[1].rows), 0], "one of four is away"
    gone = 0 if event is CORRECT else sum(len(one.rows) for one in erasures)
    assert sum(len(retain) for _, retain in seen.parts) == sum(len(configs[peer].rows) for peer in (0, 2, 3)) - gone
    assert float((seen.end - seen.pooled()).norm()) < 1e-9 * float(seen.end.norm())
    assert seen.moved() > 1e-3 * float(seen.end.norm())
    for one in done.results["erasures"]:
        assert (one["method"], one["guarantee"]) == ("influence", "approximate")
        assert any(f"{seen.exchanges} exchanges with peers" in note for note in one["notes"])
        assert "members that were away, whose rows did not count: 1" in one["notes"]
    with reading(done.folder) as store:
        ((sent,),) = store.rows("select value from metrics where round = 3 and name = 'bytes_replayed'")
    size = len(seen.end)
    assert sent > seen.exchanges * 3 * 8 * size, "what was asked and answered is counted"
    assert verify(done.folder) == []


def test_sums_of_a_peer_with_the_wrong_sign_are_seen(play: Callable[..., tuple[Run, Seen]]) -> None:
    _, seen = play(fault=-1.0)
    assert float((seen.end - seen.pooled()).norm()) > 1e-6 * float(seen.end.norm())


PUBLIC = {"data": SMALL["data"] | {"validation": 40}}
FEW = {"iterations": 4, "damping": 0.1}
OTHERS: list[dict[str, Any]] = [
    {**CORRECT, "peers": [0], "method": {"kind": "features_labels", "order": "first"}},
    {**CORRECT, "peers": [2], "method": {"kind": "features_labels", "layers": 1, **FEW}},
    {**DELETE, "peers": [3], "method": {"kind": "l_codec", "copies": 40, "units": 3, "gap": 0.5, **FEW}},
    {**DELETE, "round": 4, "method": {"kind": "puma", **FEW}},
]


def test_other_steps_of_sums_are_taken_by_the_server(play: Callable[..., tuple[Run, Seen]]) -> None:
    done, _ = play(event=[*OTHERS, AWAY], **PUBLIC)
    found = done.results["erasures"]
    assert [(one["round"], one["method"]) for one in found] == [
        *[(3, "features_labels"), (3, "features_labels"), (3, "l_codec")],
        *[(4, "puma"), (4, "puma")],
    ]
    assert {one["guarantee"] for one in found} == {"approximate"}
    assert all(any("exchanges with peers" in note for note in one["notes"]) for one in found)
    assert verify(done.folder) == []


def test_puma_without_public_rows_is_refused() -> None:
    with pytest.raises(ScenarioError) as raised:
        resolve(Scenario.parse(SMALL | {"event": [{**DELETE, "method": "puma"}]}))
    (line,) = str(raised.value).splitlines()
    assert line == "scenario: event.0.method: needs validation rows, and none are set aside: set data.validation"


def test_what_was_asked_is_forgotten_and_corrected_by_its_holders(play: Callable[..., tuple[Run, Seen]]) -> None:
    done, _ = play(event=[DELETE, {**CORRECT, "peers": [3]}])
    peers = done.peers()
    for one in done.plan.timeline.erasures:
        peer = peers[one.peer]
        assert isinstance(peer, AveragedClassifierPeer)
        if one.correction is None:
            assert not np.isin(one.rows, peer.rows).any()
        else:
            assert peer.corrections == Corrections().joined([one.correction])
    assert {one.kind for one in done.plan.timeline.erasures} == {"rows", "correction"}


def test_a_killed_run_goes_on_to_the_same_end(play: Callable[..., tuple[Run, Seen]], tmp_path: Path) -> None:
    crash = {"round": 3, "do": "crash", "peers": [2], "phase": "before_training"}
    asked = Scenario.parse(SMALL | {"event": [DELETE, crash]})
    folder = prepare(asked, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        resume(folder, Impatient(3))
    assert resume(folder).digest == play(event=[DELETE, crash])[0].digest


@pytest.mark.slow
@pytest.mark.parametrize("engine", [{"kind": "ray", "workers": 2}, {"kind": "grpc"}], ids=str)
def test_every_engine_solves_alike(play: Callable[..., tuple[Run, Seen]], tmp_path: Path, engine: dict[str, Any]) -> None:
    assert run(Scenario.parse(SMALL | {"engine": engine}), tmp_path).digest == run(Scenario.parse(SMALL), tmp_path / "inline").digest


FAR: list[dict[str, Any]] = [
    {"kind": "features_labels", "order": "first", "tau": 1e300},
    {"kind": "neggrad_plus", "alpha": 0.0, "optimizer": {"kind": "sgd", "lr": 1e38}},
]


@pytest.mark.parametrize("method", FAR, ids=["server", "peer"])
def test_weights_that_are_not_finite_are_refused_before_they_replace_the_model(tmp_path: Path, method: dict[str, Any]) -> None:
    scenario = Scenario.parse(SMALL | {"event": [{**DELETE, "method": method}]})
    with pytest.raises(LetheError, match=f"{method['kind']}: leaves entries of '1.weight' that are not finite: take settings"):
        run(scenario, tmp_path)
    with reading(next(tmp_path.iterdir())) as store:
        assert store.rows("select max(round) from rounds") == [(2,)], "the round with the request was not written"
