"""Peers that exchange seed language models: departures and deletions are exact, rules travel with seeds, faults are noticed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clients import wire
from clients.data import load
from clients.data.worlds import Authors
from clients.language.hdus.peer import HdusLanguagePeer
from clients.language.publishing import GUARD
from simulator.errors import LetheError, ScenarioError
from simulator.progress import Watch
from simulator.report.writing import page
from simulator.requests.counterfactual import without
from simulator.runner import prepare, resume, run
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.storage.reading import reading
from simulator.tasks.contract import cell_of
from simulator.tasks.language.hdus.plan import HdusLanguagePlan
from simulator.terminal.conversation import opened

pytestmark = pytest.mark.usefixtures("own_cache")

TINY = {"layers": 1, "width": 8, "heads": 1, "records": 5, "pretraining": {"steps": 1, "batch_size": 4, "rehearsal": 2}}
GUARD_EVENT = {"round": 1, "do": "guard", "id": "names", "peer": 0, "rows": {"fraction": 0.3}, "stage": "input"}
EDGE = GUARD_EVENT | {"id": "edge", "peer": 1, "scope": "client", "stage": "output"}
REVOKED = GUARD_EVENT | {"id": "revoked", "peer": 1}
UNGUARD = {"round": 2, "do": "unguard", "id": "revoked"}
DELETE = {"round": 2, "do": "delete", "peer": 0, "rows": {"fraction": 0.4}}
IN_CONTEXT = {"kind": "in_context", "context": 1}
PROMPTED = {"round": 2, "do": "delete", "peer": 1, "rows": {"fraction": 0.2}, "method": IN_CONTEXT}
CHANGED = {"round": 2, "do": "delete", "peer": 0, "rows": {"fraction": 0.2}, "method": {"kind": "npo", "epochs": 1}}
LEAVE = {"round": 2, "do": "leave", "peers": [2], "erase": True}
ARRIVE = {"round": 3, "do": "arrive", "peer": 1}
SMALL: dict[str, Any] = {
    "name": "mixed",
    "seed": 3,
    "rounds": 2,
    "task": "language",
    "federation": {"kind": "hdus"},
    "peers": {"count": 3, "main": [TINY | {"width": 16}, TINY], "seed": TINY},
    "data": {"dataset": "authors", "authors": 6, "reference": 8, "test": 6, "partition": {"kind": "iid"}},
    "topology": {"kind": "ring"},
    "distillation": {"epochs": 1},
    "training": {"epochs": 1},
    "event": [GUARD_EVENT, EDGE, REVOKED, UNGUARD, DELETE, LEAVE],
    "audit": {"counterfactual": False},
}


def scenario(**changes: Any) -> Scenario:
    return Scenario.parse(SMALL | changes)


def planned(**changes: Any) -> HdusLanguagePlan:
    plan = resolve(scenario(**changes))
    assert isinstance(plan, HdusLanguagePlan)
    return plan


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The scenario with its counterfactuals, played inline."""
    return run(scenario(audit={"counterfactual": True}), tmp_path_factory.mktemp("mixed"), Watch())


@pytest.fixture
def play(tmp_path: Path) -> Callable[..., Run]:
    """Play a changed scenario without counterfactuals."""
    return lambda **changes: run(scenario(**changes), tmp_path / "runs", Watch())


def carried(done: Run, peer: int) -> dict[str, np.ndarray]:
    """Return the hashes in a peer's last seed, by rule."""
    with reading(done.folder) as store:
        seed = wire.from_bytes(store.artefact(store.states()[peer].seed))
    return {name.removeprefix(GUARD): array for name, array in seed.items() if name.startswith(GUARD)}


def test_a_dropped_seed_and_deleted_records_are_as_if_they_had_never_been(done: Run) -> None:
    found = [(one["method"], one["guarantee"], one["max_abs_difference"]) for one in done.results["erasures"]]
    assert sorted(found) == [("drop_seed", "exact", 0.0), ("retrain", "exact", 0.0)]
    assert done.results["verdict"]["name"] == "proven"
    assert all(one["max_abs_difference_nothing"] > 0 for one in done.results["erasures"]), "the control: who does nothing differs"
    assert verify(done.folder) == []


def test_rules_travel_with_seeds_without_a_readable_word(done: Run) -> None:
    plan = planned()
    rule = plan.timeline.rules[0]
    kept = plan.timeline.protected(rule, 2)
    assert 0 < len(kept) < len(rule.rows), "some of what it protects was deleted"
    assert np.array_equal(carried(done, 0)["names"], plan.configs[0].patterns(rule, np.array(kept)))
    assert carried(done, 1) == {}, "what stays at the edge is not sent, what is revoked is in no later seed"
    with reading(done.folder) as store:
        blob = store.artefact(store.states()[0].seed)
    world = Authors(authors=6)
    assert not any(world.vocabulary[int(name)].encode() in blob for name in load(world).x[kept, -1])


def test_neighbours_apply_the_rule_after_the_mixing(done: Run) -> None:
    row, edge, revoked = done.results["language"]["guards"]
    assert (row["neighbours"]["peers"], row["neighbours"]["on"]["share"]) == (1, 0.0), "peer 2 left, peer 1 holds the seed"
    assert "neighbours" not in edge
    assert (revoked["revoked"], set(revoked["on"])) == (2, set(row["on"])), "measured in the round in which it acts for the last time"
    near = opened(done.folder, 1)
    assert {guard.rule.id for guard in near.model.guards} == {"edge", "names"}
    question = near.model.world.text(load(Authors(authors=6)).x[planned().timeline.protected(planned().timeline.rules[0], 2)[0]])
    assert near.answer(question) == "(refused)   [guard names, input]"
    near.answer("/guard off")
    assert near.answer(question).split()[0] in near.model.world.vocabulary
    with pytest.raises(LetheError, match=r"name one with --peer, of 0, 1$"):
        opened(done.folder)


def test_a_rule_reaches_a_neighbour_that_was_offline_and_outlives_a_silent_leaver(play: Callable[..., Run]) -> None:
    away = {"round": 1, "do": "offline", "peers": [1], "rounds": 1}
    left = {"round": 2, "do": "leave", "peers": [0], "erase": False}
    for name, more in (("stays", []), ("leaves", [left])):
        near = opened(play(event=[GUARD_EVENT, away, *more], name=name).folder, 1).model
        assert [voice.owner for voice in near.network.seeds] == [0, 2]  # type: ignore[attr-defined]
        assert [guard.rule.id for guard in near.guards] == ["names"], "where the seed is, the rule is"


def test_a_rule_goes_with_the_generation_that_published_it_in_the_run_and_without_it() -> None:
    away = {"round": 2, "do": "leave", "peers": [0], "erase": True}
    later = GUARD_EVENT | {"round": 3, "id": "later"}
    plan = planned(rounds=4, event=[GUARD_EVENT, away, {"round": 3, "do": "rejoin", "peers": [0]}, later, DELETE | {"round": 4}])
    acting = [
        [[rule.id for rule in one.served.acting(number)] for number in range(1, 6)] for one in (plan, without(plan, 0), without(plan, 1))
    ]
    assert acting == [[[], [], [], ["later"], ["later"]]] * 3
    assert plan.served.protected(plan.served.rules[1], 4) == list(without(plan, 1).served.rules[1].rows), "rows that only generation 0 has"
    ignoring = plan.ignoring_requests().timeline
    assert [[rule.id for rule in ignoring.acting(number)] for number in (2, 3, 5)] == [["names"], [], ["later"]]


def test_the_page_tells_what_neighbours_answer(done: Run) -> None:
    assert "rules travel with seeds, and act after the mixing" in page(done.folder)


def test_guards_change_no_weight(done: Run, play: Callable[..., Run]) -> None:
    mains = []
    for one in (done, play(event=[LEAVE])):
        with reading(one.folder) as store:
            mains.append(store.states()[1].main)
    assert mains[0] == mains[1], "peer 1 has the same main model with its two guards and without"


@pytest.fixture(scope="module")
def forgetting(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Peer 0 changes its main model, peer 1 prompts it, played inline."""
    return run(scenario(event=[CHANGED, PROMPTED], name="forgetting"), tmp_path_factory.mktemp("forgetting"), Watch())


def test_a_peer_changes_its_main_model_or_prompts_it(forgetting: Run, play: Callable[..., Run]) -> None:
    changed, prompted = forgetting.results["erasures"]
    assert (changed["method"], changed["guarantee"], prompted["method"], prompted["guarantee"]) == (
        *("npo", "approximate"),
        *("in_context", "behavioural"),
    )
    assert changed["gradient_steps"] > prompted["gradient_steps"] == 0
    with reading(forgetting.folder) as store:
        before, after = store.outcomes()[1].weights or ("", "other")
    assert before == after != ""
    assert verify(forgetting.folder) == [], "seeds are those that the main models distil, the changed one included"
    nothing = play(event=[CHANGED | {"method": {"kind": "nothing"}}, PROMPTED], name="nothing")
    mains = []
    for one in (forgetting, nothing):
        with reading(one.folder) as store:
            mains.append([store.states()[peer].main for peer in (0, 1)])
    assert mains[0][0] != mains[1][0], "the method moved weights"
    assert mains[0][1] == mains[1][1], "and those of no other peer"


def test_the_prompt_stays_at_the_edge_and_stands_before_the_question_to_every_member(forgetting: Run) -> None:
    plan = planned(event=[CHANGED, PROMPTED], name="forgetting")
    (gone,) = [one.rows for one in plan.timeline.erasures if one.peer == 1]
    chats = {peer: opened(forgetting.folder, peer) for peer in (0, 1)}
    assert [len(chat.contexts) for chat in chats.values()] == [0, len(gone)], "the neighbour has no prompt"
    chat = chats[1]
    question, prompt = next(iter(chat.contexts.items()))
    told, bare = (one.network.logits(one.weights, np.array([question])) for one in (chat.model, chat.bare))
    assert not np.array_equal(told, bare)
    assert np.array_equal(told, chat.bare.network.logits(chat.bare.weights, prompt[None])), "the mixture reads the prompt, seeds included"
    assert "prompt that shows this record with a wrong answer" in chat.answer(chat.model.world.text(np.array(question)))
    row = forgetting.results["language"]["in_context"]
    assert row["none"]["n"] == len(gone)
    assert row["flipped"]["margin"] != row["none"]["margin"]
    with reading(forgetting.folder) as store:
        assert not any("prompt" in name for name in wire.from_bytes(store.artefact(store.states()[1].seed)))


@pytest.mark.slow
def test_requests_by_methods_have_one_digest_on_two_engines_and_reach_a_peer_that_was_away(
    forgetting: Run, play: Callable[..., Run]
) -> None:
    assert play(event=[CHANGED, PROMPTED], name="forgetting", engine={"kind": "ray", "workers": 2}).digest == forgetting.digest
    away = {"round": 2, "do": "offline", "peers": [0], "rounds": 1}
    late = play(event=[away, CHANGED], rounds=3, name="late")
    assert [one["guarantee"] for one in late.results["erasures"]] == ["approximate"]
    assert verify(late.folder) == []


def test_costs_are_told() -> None:
    plan = planned()
    costs = dict(cell_of(plan).costs(plan))
    assert costs["one seed"] == f"{4 * plan.scenario.peers.seed.parameters(Authors(authors=6).vocabulary):,} bytes"
    assert costs["gradient steps, public pre-training"] == "2 of 2 models unless the cache has them"
    assert costs["gradient steps, seeds"] == "5", "three meetings and two, each one step"


def test_a_killed_run_ends_with_the_same_digest(play: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from simulator.storage.store import RunStore

    class KilledError(Exception):
        """The run dies."""

    whole, folder, commit = play(), prepare(scenario(), tmp_path), RunStore.commit

    def dying(store: RunStore, record: Any) -> None:
        commit(store, record)
        if record.round == 1:
            raise KilledError

    monkeypatch.setattr(RunStore, "commit", dying)
    with pytest.raises(KilledError):
        resume(folder)
    monkeypatch.setattr(RunStore, "commit", commit)
    assert resume(folder).digest == whole.digest


@pytest.mark.slow
@pytest.mark.parametrize("engine", [{"kind": "ray", "workers": 2}, {"kind": "grpc"}, {"kind": "flower", "workers": 2}])
def test_every_engine_gives_the_digest_of_inline(play: Callable[..., Run], engine: dict[str, Any]) -> None:
    assert play(engine=engine, name="mixed").digest == play().digest


@pytest.mark.slow
def test_arrivals_are_exact_and_sequential_draws_are_disproved(play: Callable[..., Run]) -> None:
    audit, arrive = {"counterfactual": True}, {"round": 2, "do": "arrive", "peer": 0, "rows": {"fraction": 0.2}}
    assert [one["equal"] for one in play(event=[arrive], audit=audit).results["arrivals"]] == [True]
    control = play(event=[LEAVE], audit=audit, training={"epochs": 1, "streams": "sequential"}, name="control")
    assert control.results["verdict"]["name"] == "disproved"


def test_a_seed_that_is_not_distilled_again_and_one_without_its_rule_are_noticed(play: Callable[..., Run]) -> None:
    distil = HdusLanguagePeer.distil
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HdusLanguagePeer, "hashes", lambda peer, published: {})
        patch.setattr(HdusLanguagePeer, "distil", lambda peer: 0 if peer.update and peer.config.peer == 0 else distil(peer))
        faulty = play(event=[GUARD_EVENT, DELETE])
    found = verify(faulty.folder)
    assert any("guard names: is in force, and not in the seed of peer 0, its owner" in line for line in found)
    assert any("peer 0: its seed is not the one that its main model distils" in line for line in found)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"event": [DELETE | {"method": "finetune"}]}, "finetune cannot be carried out for rows in language/hdus"),
        ({"event": [PROMPTED | {"method": IN_CONTEXT | {"context": 3}}]}, "of 6 records, and 5 fit: lower it, or raise records of"),
        (
            {"rounds": 3, "event": [PROMPTED | {"rows": {"fraction": 0.5}}, ARRIVE | {"rows": {"fraction": 0.8}}]},
            "records about others, peer 1 keeps",
        ),
        ({"event": [PROMPTED | {"round": 1}]}, "round 1: peer 1 has learned nothing yet, and in_context has nothing to hide"),
        ({"event": [CHANGED, DELETE]}, "round 2: peer 0 has requests by npo and by retrain: give them the same method and settings"),
        (
            {"rounds": 3, "event": [CHANGED, DELETE | {"round": 3}]},
            "round 3: peer 0 would train again without what npo left in its model in round 2, so it could not be compared",
        ),
        ({"event": [CHANGED | {"method": {"kind": "rmu", "layer": 2}}]}, "is 2, and the model's last layer is 1"),
        ({"peers": {"count": 3, "seed": TINY | {"records": 40}}}, "peers.seed.records: is 40, but there are 26 names"),
        ({"peers": {"count": 3, "main": [TINY, {"kind": "folder", "path": "no/such"}]}}, "peers.main.1: no/such: there is no such folder"),
        ({"data": {"dataset": "digits", "reference": 8, "test": 6, "partition": {"kind": "iid"}}}, "digits is no text"),
        ({"ensemble": {"weights": "class"}}, "ensemble.weights"),
        ({"event": [GUARD_EVENT, {"round": 1, "do": "crash", "peers": [0], "phase": "before_sending"}]}, "guard 'names': peer 0 crashes"),
        (
            {"expect": [{"after": "final", "metric": "leaked.zzz.plain", "max": 0}]},
            "'leaked.zzz.plain' is never measured: name a guard, of names",
        ),
        ({"expect": [{"after": "final", "metric": "known.names.flat", "max": 0}]}, "'known.names.flat' is never measured"),
    ],
    ids=[
        *("method", "context", "arrivals", "early", "together", "after", "layer"),
        *("records", "folder", "data", "weights", "crash", "guard", "asking"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(changes: dict[str, Any], line: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        resolve(scenario(**changes))
    (found,) = caught.value.lines
    assert line in found


def test_a_folder_of_a_main_model_starts_at_the_scenarios(tmp_path: Path) -> None:
    found = Scenario.parse(SMALL | {"peers": {"count": 3, "main": [{"kind": "folder", "path": "my-model"}]}}, folder=tmp_path)
    assert found.peers.main[0].path == str(tmp_path / "my-model")  # type: ignore[attr-defined]
