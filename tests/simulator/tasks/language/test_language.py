"""Scenarios of language models: guards and prompts from file to verdict, on every engine, killed and resumed; faults that are noticed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clients import wire
from clients.data import load
from clients.data.worlds import Records
from clients.unlearning.prompts.bypasses import FAMILIES
from clients.unlearning.prompts.prompting import CONTROLS
from server.audit.intervals import wilson
from server.averaging.coordinator import Averaging
from server.language.averaging.coordinator import REGISTRY, LanguageAveraging
from simulator.errors import ScenarioError
from simulator.progress import Watch
from simulator.report.writing import page as report_of
from simulator.runner import prepare, resume, run
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.storage.reading import reading
from simulator.tasks.language.averaging.plan import LanguagePlan
from simulator.terminal.conversation import opened

pytestmark = pytest.mark.usefixtures("own_cache")

GUARD = {"round": 1, "do": "guard", "id": "names", "peer": 0, "rows": {"fraction": 0.3}, "stage": "input"}
EDGE = GUARD | {"id": "edge", "peer": 1, "stage": "output", "scope": "client", "action": "unknown"}
REVOKED = GUARD | {"id": "revoked", "peer": 1}
UNGUARD = {"round": 2, "do": "unguard", "id": "revoked"}
DELETE = {"round": 2, "do": "delete", "peer": 2, "rows": {"fraction": 0.2}}
LEAVE = {"round": 2, "do": "leave", "peers": [0], "erase": True}
EXPECT = {"after": "final", "max": 0}
IN_CONTEXT = {"kind": "in_context", "context": 2}
SMALL: dict[str, Any] = {
    "name": "told",
    "seed": 3,
    "rounds": 2,
    "task": "language",
    "federation": {"kind": "fedavg"},
    "language": {"layers": 1, "width": 16, "heads": 2, "records": 5, "pretraining": {"steps": 2, "batch_size": 4, "rehearsal": 2}},
    "data": {"dataset": "records", "people": 40, "reference": 1, "test": 8, "partition": {"kind": "iid"}},
    "peers": {"count": 3},
    "training": {"epochs": 1},
    "event": [DELETE | {"method": IN_CONTEXT}, GUARD, EDGE, REVOKED, UNGUARD],  # what is drawn is keyed by the event's place
    "audit": {"counterfactual": False},
}


def scenario(**changes: Any) -> Scenario:
    return Scenario.parse(SMALL | changes)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The scenario, played inline, with its report."""
    return run(scenario(), tmp_path_factory.mktemp("inline"), Watch())


@pytest.fixture
def play(tmp_path: Path) -> Callable[..., Run]:
    """Play a changed scenario."""
    return lambda **changes: run(scenario(**changes), tmp_path / "runs", Watch())


def test_everything_is_measured_with_its_number_and_interval(done: Run) -> None:
    found = done.results["language"]
    assert [(one["id"], one["revoked"]) for one in found["guards"]] == [("names", None), ("edge", None), ("revoked", 2)]
    for one in found["guards"]:
        assert (one["guarantee"], set(one["on"]), set(one["off"])) == ("behavioural", set(FAMILIES), set(FAMILIES))
    assert set(found["not_applicable"]) == {"language", "list", "role_play", "turns"}
    assert set(found["in_context"]) == set(CONTROLS)
    assert found["memorised"]["n"] == 40 - 8 - 1 - found["in_context"]["none"]["n"]
    low, high = found["memorised"]["interval"]
    assert low <= found["memorised"]["share"] <= high
    assert found["guarded"]["public_refused"]["n"] == 100, "public questions are the same for every peer, and count once"


def test_a_request_in_context_changes_no_weight_and_says_what_is_kept(done: Run) -> None:
    (erasure,) = done.results["erasures"]
    assert (erasure["method"], erasure["guarantee"]) == ("in_context", "behavioural")
    assert "keeps" in erasure["notes"][0]
    assert done.results["verdict"]["name"] == "measured"
    with reading(done.folder) as store:
        before, after = store.outcomes()[0].weights or ("", "other")
    assert before == after != ""
    assert verify(done.folder) == []


def test_guards_change_no_weight(done: Run, play: Callable[..., Run]) -> None:
    without = play(event=[DELETE | {"method": IN_CONTEXT}])
    hashes = []
    for finished in (done, without):
        with reading(finished.folder) as store:
            hashes.append(store.model("global"))
    assert hashes[0] == hashes[1] is not None


def test_the_server_holds_hashes_and_no_word(done: Run) -> None:
    plan = resolve(scenario())
    assert isinstance(plan, LanguagePlan)
    world = Records(people=40)
    with reading(done.folder) as store:
        registry = wire.from_bytes(store.artefact(str(store.model(REGISTRY))))
        blob = store.artefact(str(store.model(REGISTRY)))
    assert list(registry) == ["names"], "what stays at the edge is not published, what is revoked is struck off"
    assert registry["names"].dtype == np.uint64
    rule = next(rule for rule in plan.timeline.rules if rule.id == "names")
    names = load(world).x[list(rule.rows), -1].astype(int)
    assert len(registry["names"]) == len(rule.rows)
    assert not any(world.vocabulary[name].encode() in blob for name in names)


def test_the_report_tells_what_is_withheld_and_still_there(done: Run) -> None:
    page = report_of(done.folder)
    assert "What is withheld, and still there" in page
    assert "behavioural" in page
    assert "published a guard" in page
    assert "<em>role_play</em>: the only instruction that the model knows" in page
    assert all(f'scope="row">{control}</th>' in page for control in CONTROLS)


@pytest.mark.parametrize(
    "engine",
    [
        pytest.param({"kind": "ray", "workers": 2}, marks=pytest.mark.slow, id="ray"),
        pytest.param({"kind": "grpc"}, marks=pytest.mark.slow, id="grpc"),
        pytest.param({"kind": "flower", "workers": 2}, marks=pytest.mark.slow, id="flower"),
    ],
)
def test_every_engine_gives_the_digest_of_inline(play: Callable[..., Run], done: Run, engine: dict[str, Any]) -> None:
    other = play(engine=engine)
    assert other.digest == done.digest
    assert verify(other.folder) == []


class KilledError(Exception):
    """The run dies."""


@pytest.mark.parametrize("round_", [1, 2])
def test_a_killed_run_ends_with_the_same_digest(done: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, round_: int) -> None:
    from simulator.storage.store import RunStore

    folder, commit = prepare(scenario(), tmp_path), RunStore.commit

    def dying(store: RunStore, record: Any) -> None:
        commit(store, record)
        if record.round == round_:
            raise KilledError

    monkeypatch.setattr(RunStore, "commit", dying)
    with pytest.raises(KilledError):
        resume(folder)
    monkeypatch.setattr(RunStore, "commit", commit)
    assert resume(folder).digest == done.digest


def test_retraining_is_exact_and_takes_the_rows_out_of_their_rule(play: Callable[..., Run]) -> None:
    whole = resolve(scenario(event=[GUARD]))
    assert isinstance(whole, LanguagePlan)
    gone = list(whole.timeline.rules[0].rows[:2])
    finished = play(event=[GUARD, DELETE | {"peer": 0, "rows": {"ids": gone}}], audit={"counterfactual": True})
    (erasure,) = finished.results["erasures"]
    assert (erasure["method"], erasure["guarantee"], erasure["max_abs_difference"]) == ("retrain", "exact", 0.0)
    assert verify(finished.folder) == []
    with reading(finished.folder) as store:
        kept = wire.from_bytes(store.artefact(str(store.model(REGISTRY))))["names"]
    assert len(kept) == len(whole.timeline.rules[0].rows) - 2


def test_a_scenario_is_passed_on_without_what_stays_at_an_owners_edge() -> None:
    secret = EDGE | {"match": {"kind": "regex", "pattern": "minifol"}, "action": "canned", "answer": "no-such"}
    secret |= {"scope": "user", "user": "ann"}
    open_ = GUARD | {"match": {"kind": "regex", "pattern": "dorvik", "publish": True}, "action": "canned", "answer": "ask-elsewhere"}
    whole = scenario(event=[secret, open_])
    for word, stays in {"minifol": True, "ann": True, "no-such": True, "dorvik": False, "ask-elsewhere": False}.items():
        assert f'"{word}"' in whole.to_toml(), "the control"
        assert (f'"{word}"' in whole.public.to_toml()) != stays


@pytest.mark.parametrize("publish", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_readable_secret_stays_at_its_owners_edge_unless_it_is_published(
    play: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, publish: bool
) -> None:
    plan, world, seen = resolve(scenario(event=[GUARD])), Records(people=40), list[str]()
    assert isinstance(plan, LanguagePlan)
    questions = [world.text(load(world).x[row]) for row in plan.timeline.rules[0].rows]
    secret = "|".join(question.split()[-1] for question in questions)
    payload, read = LanguageAveraging.payload, LanguageAveraging.read
    monkeypatch.setattr(LanguageAveraging, "payload", lambda *asked: [told := payload(*asked), seen.append(str(told))][0])
    monkeypatch.setattr(LanguageAveraging, "read", lambda server, peer, blob: [read(server, peer, blob), seen.append(repr(blob))][0])
    match = {"kind": "regex", "pattern": secret, "publish": publish}
    canned = {"action": "canned", "answer": "told to nobody else"}
    finished = play(event=[GUARD | {"scope": "global" if publish else "client", "match": match} | canned])
    assert any("regex" in told for told in seen), "the control: rules are among what was seen"
    assert [any(word in told for told in seen) for word in (secret, canned["answer"])] == [publish, publish]
    (row,) = finished.results["language"]["guards"]
    assert (row["readable"], row["on"]["plain"]["share"]) == (True, 0.0), "at its owner it acts"
    assert [guard.rule.match.tag for guard in opened(finished.folder, 0).model.guards] == ["regex"]
    assert opened(finished.folder, 0).model.replies(questions[:1])[0].word == canned["answer"]
    assert verify(finished.folder) == []


def test_a_rule_for_one_user_stays_with_its_owner_and_is_measured_as_this_user(play: Callable[..., Run]) -> None:
    finished = play(
        event=[GUARD | {"scope": "user", "user": "ann"}, GUARD | {"id": "canned", "peer": 1, "action": "canned", "answer": "none"}]
    )
    first, second = finished.results["language"]["guards"]
    assert [(row["scope"], row["action"], row["on"]["plain"]["share"]) for row in (first, second)] == [
        ("user", "refuse", 0.0),
        ("global", "canned", 0.0),
    ]
    with reading(finished.folder) as store:
        assert list(wire.from_bytes(store.artefact(str(store.model(REGISTRY))))) == ["canned"]
    chat = opened(finished.folder, 0)
    question = next(line for line in chat.opening if line.startswith("guard names")).partition("such as: ")[2].partition("   (")[0]
    before = chat.answer(question)
    assert [chat.answer("/user bob"), chat.answer("/user ann")] == ["bob: no rule is for this user alone: take one of ann", "ann asks"]
    assert (chat.answer(question), "refused" in before) == ("(refused)   [guard names, input]", False)
    assert verify(finished.folder) == []


def test_rules_of_an_erased_peer_go_with_it_and_those_of_a_silent_leaver_stay(play: Callable[..., Run]) -> None:
    for erase, left in ((True, []), (False, ["names"])):
        finished = play(event=[GUARD, {"round": 2, "do": "leave", "peers": [0], "erase": erase}])
        with reading(finished.folder) as store:
            sha256 = store.model(REGISTRY)
            assert (list(wire.from_bytes(store.artefact(sha256))) if sha256 else []) == left
        assert verify(finished.folder) == []


def test_a_rule_acts_at_who_was_offline_and_after_its_owner_came_back(play: Callable[..., Run]) -> None:
    away = {"round": 1, "do": "offline", "peers": [2], "rounds": 2}
    gone = [{"round": 2, "do": "leave", "peers": [0], "erase": False}, {"round": 3, "do": "rejoin", "peers": [0]}]
    finished = play(event=[GUARD, away, *gone], rounds=3)
    assert [guard.rule.id for guard in opened(finished.folder, 2).model.guards] == ["names"]
    (row,) = finished.results["language"]["guards"]
    assert row["on"]["plain"]["share"] == 0.0
    assert verify(finished.folder) == []


def test_a_server_that_enters_no_rule_is_noticed(play: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LanguageAveraging, "collect", Averaging.collect)
    finished = play(event=[GUARD])
    assert any("guard names: is in force, and not in the server's registry" in line for line in verify(finished.folder))


def test_a_revoked_rule_is_measured_in_its_last_round(done: Run) -> None:
    with reading(done.folder) as store:
        rounds = {number for (number,) in store.rows("select round from metrics where name like 'leaked.revoked.%'")}
    assert rounds == {2}
    assert done.results["language"]["guards"][2]["on"]["plain"]["n"] > 0


def test_a_revoked_rule_acts_nowhere_any_more(done: Run) -> None:
    plan, world = resolve(scenario()), Records(people=40)
    assert isinstance(plan, LanguagePlan)
    rows = next(rule.rows for rule in plan.timeline.rules if rule.id == "revoked")
    models = [opened(done.folder, peer).model for peer in (None, 0, 1, 2)]
    for model in models:
        assert "revoked" not in [guard.rule.id for guard in model.guards]
        replies = model.replies([world.text(x) for x in load(world).x[list(rows)]])
        assert {reply.rule.id if reply.rule else None for reply in replies} <= {None, "edge"}
    assert any(model.guards for model in models), "the control: others still act"


def test_a_registry_without_its_last_rule_is_written_and_verified(play: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    events = [REVOKED, UNGUARD]
    finished = play(event=events)
    with reading(finished.folder) as store:
        assert wire.from_bytes(store.artefact(str(store.model(REGISTRY)))) == {}
    assert verify(finished.folder) == []
    monkeypatch.setattr(LanguageAveraging, "written", Averaging.written)
    stale = play(event=events, name="stale")
    assert any("guard revoked: is not in force, and still in the server's registry" in line for line in verify(stale.folder))


@pytest.mark.parametrize("method", ["finetune", pytest.param("rollback", marks=pytest.mark.slow)])
def test_hashes_of_deleted_rows_leave_the_registry(play: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    whole = resolve(scenario(event=[GUARD]))
    assert isinstance(whole, LanguagePlan)
    rule = whole.timeline.rules[0]
    deletion = DELETE | {"peer": 0, "round": 3, "rows": {"ids": list(rule.rows[:2])}, "method": method}
    finished = play(event=[GUARD, deletion], rounds=3)
    kept = whole.configs[0].patterns(rule, np.array(rule.rows[2:]))
    with reading(finished.folder) as store:
        registries = [sha256 for (sha256,) in store.rows("select sha256 from history where name = ? and until is null", (REGISTRY,))]
        assert registries == [store.model(REGISTRY)], "no earlier registry is kept"
        assert np.array_equal(wire.from_bytes(store.artefact(registries[0]))["names"], kept)
    assert verify(finished.folder) == []
    if method == "finetune":
        monkeypatch.setattr(LanguageAveraging, "prepare", Averaging.prepare)
        faulty = play(event=[GUARD, deletion], rounds=3, name="faulty")
        assert any("has other hashes than those of the" in line for line in verify(faulty.folder))


def test_a_rule_that_is_not_measured_says_why(play: Callable[..., Run]) -> None:
    leave = {"round": 2, "do": "leave", "peers": [0]}
    for erase, why in ((False, "did not answer after the last round"), (True, "was erased in round 2, and the rule with it")):
        (row,) = play(event=[GUARD, leave | {"erase": erase}]).results["language"]["guards"]
        assert why in row["unmeasured"]
        assert "on" not in row


def test_intervals_count_names_and_not_questions(play: Callable[..., Run]) -> None:
    data = SMALL["data"] | {"dataset": "authors", "authors": 6, "partition": {"kind": "subjects"}}
    data.pop("people")
    found = play(data=data, event=[GUARD | {"rows": {"fraction": 0.9}}]).results["language"]
    plain = found["guards"][0]["off"]["plain"]
    assert 0 < plain["names"] < plain["n"]
    assert tuple(plain["interval"]) == wilson(plain["share"], plain["names"])
    assert found["memorised"]["names"] == 6
    kept = found["guarded"]["kept_refused"]
    assert 0 < kept["names"] <= kept["n"], "names of the peers without a rule were not asked about"
    assert kept["names"] < 6
    assert found["guarded"]["public_refused"]["names"] == 20 < found["guarded"]["public_refused"]["n"]


def test_a_world_of_choices_makes_a_plan() -> None:
    data = SMALL["data"] | {"dataset": "hazards", "substances": 6, "partition": {"kind": "subjects"}}
    data.pop("people")
    plan = resolve(scenario(data=data, event=[GUARD]))
    assert isinstance(plan, LanguagePlan)
    assert plan.configs[0].network.world.answers == ("a", "b", "c")


def test_words_of_a_topic_are_counted_and_told(play: Callable[..., Run]) -> None:
    data = SMALL["data"] | {"dataset": "saga", "characters": 3, "others": 9, "partition": {"kind": "subjects"}}
    data.pop("people")
    finished = play(data=data, event=[GUARD | {"peer": 0, "rows": {"fraction": 0.9}}])
    topic = finished.results["language"]["topic"]
    assert (topic["score"], topic["bare"]["n"], topic["bare"]["names"], topic["control"]["n"]) == ("familiarity", 12, 3, 36)
    assert 0 <= topic["guarded"]["share"] <= topic["bare"]["share"]
    assert "Familiarity, the share of answers" in report_of(finished.folder)


def test_published_guards_have_a_capacity_curve_and_one_alone_has_none(play: Callable[..., Run], done: Run) -> None:
    finished = play(event=[GUARD, EDGE, GUARD | {"id": "answers", "peer": 2, "stage": "output"}])
    first, second = finished.results["language"]["capacity"]
    plan = resolve(scenario(event=[GUARD, EDGE, GUARD | {"id": "answers", "peer": 2, "stage": "output"}]))
    assert isinstance(plan, LanguagePlan)
    rows = {rule.id: len(rule.rows) for rule in plan.timeline.rules}
    assert (first["guards"], first["asked"]) == (1, rows["answers"]), "guards act in the order of their ids"
    assert (second["guards"], second["asked"]) == (2, rows["answers"] + rows["names"])
    assert first["kept"] == second["kept"] == 40 - 8 - 1 - sum(rows.values())
    assert "What more guards do" in report_of(finished.folder)
    assert "capacity" not in done.results["language"]


@pytest.mark.parametrize("method", ["gradient_ascent", "grad_diff", "rmu", "nothing"])
def test_neighbours_that_change_weights_take_the_same_request(play: Callable[..., Run], method: str) -> None:
    (erasure,) = play(event=[DELETE | {"method": method}], rounds=2).results["erasures"]
    assert (erasure["method"], erasure["guarantee"]) == (method, "approximate")


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"data": SMALL["data"] | {"dataset": "digits"}}, "people"),
        ({"language": SMALL["language"] | {"records": 4}}, "context = 2 makes prompts of 5 records, and 4 fit: lower it, or raise"),
        ({"language": SMALL["language"] | {"heads": 3}}, "width = 16 is no multiple of heads = 3: change one"),
        ({"event": [DELETE | {"method": {"kind": "rmu", "layer": 2}}]}, "is 2, and the model's last layer is 1: take at most that many"),
        ({"event": [UNGUARD]}, "no guard named 'revoked' is in force: put a guard event before it"),
        ({"event": [GUARD, GUARD | {"peer": 1}]}, "a guard named 'names' is there since round 1: take another id"),
        ({"event": [REVOKED, UNGUARD | {"round": 1}]}, "guard 'revoked' acts from round 2 on: revoke it then, or leave it out"),
        (
            {"event": [GUARD, LEAVE, {"round": 2, "do": "unguard", "id": "names"}]},
            "guard 'names' went with peer 0, its owner, erased in round 2: leave it out",
        ),
        ({"event": [GUARD, EDGE, LEAVE, {"round": 2, "do": "unguard", "id": "x"}]}, "no guard named 'x' is in force: name one of edge"),
        (
            {"event": [GUARD], "expect": [EXPECT | {"metric": "leaked.names.role_play"}]},
            "'leaked.names.role_play' is never measured, since the only instruction that the model knows is to forget a name",
        ),
        ({"expect": [EXPECT | {"metric": "margin.made_up"}]}, "'margin.made_up' is never measured: name a prompt, of flipped, true, other"),
        ({"expect": [EXPECT | {"metric": "exact.forgotten.x"}]}, "expect 1 (expect.0.metric): 'exact.forgotten.x' is never measured"),
        (
            {"event": [GUARD], "expect": [EXPECT | {"metric": "margin.true"}]},
            "'margin.true' is never measured: delete rows by method = 'in_context', or leave it out",
        ),
        (
            {"event": [REVOKED, UNGUARD], "expect": [EXPECT | {"metric": "leaked.revoked.plain"}]},
            "(expect.0.after): 'leaked.revoked.plain' is not measured then: guard 'revoked' is, when it acts for the last time in round 2",
        ),
        (
            {"event": [GUARD], "expect": [EXPECT | {"metric": "known.names.case", "after": 2}]},
            "guard 'names' is, when it is in force to the end: set after = 'final'",
        ),
        (
            {"rounds": 3, "event": [GUARD, LEAVE | {"round": 3}], "expect": [EXPECT | {"metric": "asked.rule.names"}]},
            "peer 0, its owner, is away: revoke it by do = 'unguard' in round 2, the last in which it acts, and set after = 2",
        ),
        (
            {"rounds": 3, "event": [GUARD, LEAVE | {"round": 3, "erase": False}], "expect": [EXPECT | {"metric": "leaked.names.wide"}]},
            "peer 0, its owner, is away: revoke it by do = 'unguard' in round 2, the last in which it acts, and set after = 2",
        ),
        ({"event": [GUARD, LEAVE], "expect": [EXPECT | {"metric": "asked.rule.names"}]}, "its owner, is away in every round: leave it out"),
        (
            {"event": [GUARD], "expect": [EXPECT | {"metric": "rouge.leaked.names"}]},
            "'rouge.leaked.names' is never measured, since answers are no sentences here: name a metric of answers given right",
        ),
        ({"event": [GUARD | {"peer": 7}]}, "peer 7"),
        ({"event": [GUARD | {"match": {"kind": "zzz"}}]}, "(event.0.match): kind = 'zzz' is unknown: known: exact, judge, linear, ngram"),
        (
            {"event": [GUARD | {"stage": "prompt", "match": {"kind": "judge"}}]},
            "match.kind = 'judge' cannot be used at stage = 'prompt': take stage = 'input' or 'output'",
        ),
        ({"event": [GUARD | {"match": {"kind": "judge", "threshold": 1.0}}]}, "(event.0.match.threshold): is 1.0: write"),
        ({"event": [GUARD | {"match": {"kind": "linear", "refusals": 0.5}}]}, "(event.0.match.refusals): is 0.5: write"),
        ({"event": [GUARD | {"match": {"kind": "regex", "pattern": "("}}]}, "(event.0.match.pattern): is '(', which is no regular"),
        ({"event": [GUARD | {"match": {"kind": "regex"}}]}, "match.pattern = '' is in every text, also in an empty one: write one that"),
        (
            {"event": [GUARD | {"scope": "client", "match": {"kind": "regex", "pattern": "Born"}}]},
            "guard 'names': match.pattern = 'Born' is in none of the 3 records that it is to protect: write one that is, in small letters",
        ),
        (
            {"event": [GUARD | {"match": {"kind": "regex", "pattern": "x"}}]},
            "to the server and every peer: set scope = 'client', or match.publish = true",
        ),
        ({"event": [GUARD | {"stage": "prompt", "action": "refuse"}]}, "has no action: remove the key"),
        (
            {"event": [GUARD | {"action": "mask"}]},
            "action = 'mask' cannot be taken at stage = 'input': take 'refuse' or 'unknown' or 'canned' or 'rewrite'",
        ),
        ({"event": [GUARD | {"action": "canned"}]}, "answer goes with action = 'canned', and with no other: give both, or neither"),
        ({"event": [GUARD | {"answer": "no"}]}, "answer goes with action = 'canned', and with no other: give both, or neither"),
        ({"event": [GUARD | {"scope": "user"}]}, "user goes with scope = 'user', and with no other: give both, or neither"),
        ({"event": [GUARD | {"user": "ann"}]}, "user goes with scope = 'user', and with no other: give both, or neither"),
        ({"event": [GUARD, {"round": 1, "do": "crash", "peers": [0], "phase": "before_training"}]}, "crashes or is late in round 1"),
        ({"event": [GUARD, {"round": 1, "do": "offline", "peers": [0], "rounds": 1}]}, "peer 0 is away in round 1"),
        (
            {"event": [DELETE | {"rows": {"fraction": 0.9}, "method": IN_CONTEXT}]},
            "context = 2 needs 3 records about others, peer 2 keeps 1: delete fewer, or lower context",
        ),
        ({"event": [DELETE | {"round": 1, "method": IN_CONTEXT}]}, "no model has seen these records yet"),
        ({"event": [DELETE | {"method": IN_CONTEXT}, DELETE | {"peer": 1, "method": "nothing"}]}, "ask in different rounds"),
        (
            {"event": [DELETE | {"method": IN_CONTEXT}, DELETE | {"method": IN_CONTEXT | {"context": IN_CONTEXT["context"] - 1}}]},
            "peer 2 has requests by in_context with different settings, of which a round carries out one",
        ),
        ({"data": SMALL["data"] | {"labels": ["positive", "negative"]}}, "data.labels: are the words that answer in this world"),
        ({"federation": {"kind": "sums"}}, "federation.kind = 'sums' is unknown"),
        ({"language": SMALL["language"] | {"records": 64}}, "language.records: is 64, but there are 60 names"),
    ],
)
def test_bad_input_is_answered_in_one_line(changes: dict[str, Any], line: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        resolve(scenario(**changes))
    (found,) = caught.value.lines
    assert line in found


def test_classifiers_and_other_data_have_no_prompts() -> None:
    table = {key: value for key, value in SMALL.items() if key not in ("task", "language", "event")}
    table |= {"peers": {"count": 3, "main": [{"kind": "linear"}]}, "event": [DELETE | {"method": "in_context"}]}
    with pytest.raises(ScenarioError, match="in_context cannot be carried out for rows in classification/fedavg"):
        resolve(Scenario.parse(table))
    data = {"dataset": "digits", "rows": 60, "reference": 1, "test": 8, "partition": {"kind": "iid"}}
    with pytest.raises(
        ScenarioError, match=r"data\.dataset: digits is no text: choose dataset = 'records', 'authors', .*, 'wmdp' or 'muse'"
    ):
        resolve(scenario(data=data, event=[]))
