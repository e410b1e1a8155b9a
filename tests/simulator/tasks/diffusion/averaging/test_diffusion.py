"""Scenarios of a denoiser: rounds, erasures, attacks and defences, on every engine, killed and resumed, proven again."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clients import wire
from clients.diffusion.local import parameter_of
from clients.unlearning.pruning.masks import unpack_masks
from server.audit.intervals import wilson
from server.audit.paired import mcnemar
from server.diffusion.metrics import COMPARED, VERSIONS
from server.diffusion.release.examples import own_releases
from simulator.errors import ScenarioError
from simulator.progress import Watch
from simulator.runner import prepare, resume, run
from simulator.runs.run import Run
from simulator.runs.verdict import Verdict
from simulator.runs.verify import verify
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.storage.store import RunStore
from simulator.sweeps.measures import measures
from simulator.tasks.contract import cell_of, plan_of
from simulator.tasks.diffusion.results import REFUSED, UNCUT, UNFINISHED

pytestmark = pytest.mark.usefixtures("own_cache")

SMOKE: dict[str, Any] = {
    "task": "diffusion",
    "name": "smoke",
    "seed": 3,
    "rounds": 4,
    "data": {
        "dataset": "digits",
        "rows": 400,
        "reference": 60,
        "test": 40,
        "partition": {"kind": "dirichlet", "alpha": 1.0, "min_rows": 20},
    },
    "peers": {"count": 3, "groups": {"some": [0, 1]}},
    "denoiser": {"widths": [16], "condition_width": 16, "heads": 2},
    "denoising": {"backbone_steps": 2, "batch_size": 8, "warmup": 2},
    "sampling": {"steps": 2},
    "federation": {"kind": "fedavg", "steps": 2, "policy": {"kind": "vote", "threshold": 0.5}},
    "revival": {"target": 3, "others": 1},
    "audit": {"counterfactual": False},
}
ERASE = {"round": 2, "do": "erase", "concept": 3, "peers": "all", "method": {"kind": "concept_prune", "calls": 2}}
ATTACK = {"round": 2, "do": "attack", "concept": 3}
EVENTS = [
    ERASE,
    ATTACK,
    {"round": 3, "do": "defend", "fill": {"kind": "gaussian", "relative": 1.0}},
    {"round": 4, "do": "attack", "concept": 3, "adversary": {"kind": "adaptive"}},
    {"round": 3, "do": "offline", "peers": [1], "rounds": 1},
    {"round": 2, "do": "crash", "peers": [2], "phase": "before_sending"},
    {"round": 3, "do": "straggle", "peers": [0]},
]
KEYS = {"target", "others", "n", "interval", "each", "worst", "confusion", "fidelity"}
Play = Callable[..., Run]


def scenario(**changes: Any) -> Scenario:
    return Scenario.parse(SMOKE | changes)


@pytest.fixture
def play(tmp_path: Path) -> Play:
    return lambda **changes: run(scenario(**changes), tmp_path / "runs", Watch())


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run with all events; read it, never change it."""
    return run(scenario(event=EVENTS), tmp_path_factory.mktemp("told"), Watch())


def kept(one: Run, name: str, number: int) -> dict[str, np.ndarray]:
    store = RunStore(one.folder)
    try:
        return wire.from_bytes(store.artefact(str(store.model(name, number))))
    finally:
        store.close()


@pytest.mark.slow
def test_a_sweep_has_figures_of_each_attack(told):
    found = {measure.name: value for measure, value in measures(told).items()}
    for number, attack in enumerate(told.results["revivals"]):
        for row in ("original", "pruned", "revived", "adaptive"):
            for key in ("target", "others"):
                assert found[f"attack.{number}.{attack['adversary']}.{row}.{key}"] == attack[row][key]
    assert found["revived.target"] == told.results["revivals"][-1]["revived"]["target"], "metrics know the last alone"


def test_a_run_tells_of_its_erasure_and_attacks(told):
    found = told.results
    first, second = found["revivals"]
    assert [first[name] for name in ("round", "concept", "policy", "adversary", "knowledge", "completion")] == [
        2,
        3,
        "vote(0.5)",
        "zero_scan",
        "weights only",
        "soft_impute",
    ]
    (erased,) = found["concepts"]
    assert (erased["original"], erased["erased"]) == (first["original"], first["pruned"])
    assert found["not_played"] == []
    for name in ("original", "pruned", "revived", "random_signs", "true_signs", "neuron_mean", "defended", "adaptive"):
        assert set(first[name]) == KEYS | ({"paired"} if name != "original" else set())
        assert {"location_auc", "column_auc", "sign_accuracy"} <= set(first["interval"])
        assert all(low <= first[part] <= high for part, (low, high) in first["interval"].items())
    assert first["location_auc"] == 1.0
    assert 0.4 < second["location_auc"] < 0.6
    assert (second["adversary"], second["knowledge"]) == ("adaptive", "weights, density, defence")
    assert 0 <= found["accuracy"]["sampled"] <= 1
    assert found["judge"]["held_out_accuracy"] > 0.8
    assert found["concepts"][0]["density"] > 0
    assert found["recommendation"]
    assert all(row["loss_global"] > 0 for row in found["timeline"])
    assert found["timeline"][0]["bytes_overlay"] > 100_000


def test_versions_are_compared_sample_by_sample(told):
    store = RunStore(told.folder)
    pairs = set()
    for row in told.results["revivals"]:
        drawn = wire.from_bytes(store.artefact(row["images"]))
        right = {name: drawn[f"judged_{name}"][drawn["conditions"] == 3] == 3 for name in VERSIONS}
        for later in VERSIONS:
            for earlier, paired in row[later].get("paired", {}).items():
                pairs.add((later, earlier))
                assert paired == vars(mcnemar(right[earlier].tolist(), right[later].tolist()))
        lost = row["n"]["sign_accuracy"]
        assert row["interval"]["sign_accuracy"] == list(wilson(row["sign_accuracy"], lost))
        assert row["n"]["sign_accuracy_top_fifth"] == pytest.approx(lost / 5, abs=7), "of each of seven layers"
    store.close()
    assert pairs == set(COMPARED) - {("erased", "original")}


def test_figures_by_concept_agree_with_the_shares_and_leave_out_what_was_erased(told):
    found = told.results
    for scores in (found["revivals"][0]["pruned"], found["concepts"][0]["erased"]):
        shares = {name: one["share"] for name, one in scores["each"].items()}
        assert shares.pop("3") == scores["target"]
        assert np.mean(list(shares.values())) == pytest.approx(scores["others"])
        assert (scores["each"]["3"]["n"], scores["each"]["0"]["n"]) == (3, 1)
        worst = scores["worst"]
        assert worst["share"] == min(shares.values()) == shares[str(worst["concept"])]
        assert worst["interval"] == list(wilson(worst["share"], worst["n"], 9))
        for name, row in scores["confusion"].items():
            assert row.get(name, 0) / sum(row.values()) == scores["each"][name]["share"]
        near = scores["fidelity"]
        assert near["n"] == 9, "one sample of every class but the erased one"
        assert near["frechet"] > near["real"]["frechet"], "after a few steps of training"
    whole = found["accuracy"]
    assert whole["n"] == 10
    assert whole["interval"] == list(wilson(whole["sampled"], 10))
    assert whole["classes"] == {name: one["share"] for name, one in whole["each"].items()}
    measured = {measure.name: value for measure, value in measures(told).items()}
    assert measured["attack.0.zero_scan.pruned.worst"] == found["revivals"][0]["pruned"]["worst"]["share"]


def test_of_several_erased_concepts_none_counts_among_the_others_and_no_peer_can_erase_all(play):
    everything = ERASE | {"round": 3, "concept": 5, "peers": [1], "method": {"kind": "all_zero"}}
    events = [ERASE, ERASE | {"concept": 7}, ATTACK, everything]
    policy = {"kind": "union_zero", "budget": 0.9}
    one = play(rounds=3, event=events, federation=SMOKE["federation"] | {"policy": policy})
    pruned, after = one.results["revivals"][0]["pruned"], one.results["concepts"][2]["erased"]
    for scores, erased, count in ((pruned, {"3", "7"}, 8), (after, {"3", "5", "7"}, 7)):
        left = [told["share"] for name, told in scores["each"].items() if name not in erased]
        assert scores["others"] == pytest.approx(np.mean(left))
        assert scores["n"] == {"target": 3, "others": count}
        assert str(scores["worst"]["concept"]) not in erased
    cut = unpack_masks(kept(one, "cut", 3))
    assert not any(bool(mask.all()) for mask in cut.values())
    with sqlite3.connect(one.folder / "run.sqlite") as db:
        ((peers, why),) = db.execute("select peers, detail from events where do = 'refused'").fetchall()
    assert (peers, "more than the budget" in why) == ("[1]", True)
    assert one.results["refusals"] == [{"round": 3, "peer": 1, "why": why}]
    assert [row["outcome"] for row in one.results["concepts"]] == ["measured", "measured", REFUSED]
    assert [row["survival"] for row in one.results["concepts"]] == [1.0, 1.0, None], "what is cut in that round others cut"
    assert f"2 erasures of concepts are measured by samples and attacks; 1 erasure of a concept: {REFUSED}" in Verdict.of(one.results).why


def test_pictures_are_kept_with_the_verdicts(told):
    store = RunStore(told.folder)
    pictures = wire.from_bytes(store.artefact(told.results["revivals"][0]["images"]))
    store.close()
    assert pictures["original"].shape == (11, 8, 8)
    assert pictures["conditions"].tolist()[:3] == [3, 3, 3]
    assert 3 not in pictures["conditions"][3:]
    assert pictures["judged_revived"].shape == (11,)
    assert pictures["original"].dtype == np.uint8


def test_what_was_cut_stays_cut_and_then_filled_in_every_later_global_model(told):
    masks = unpack_masks(kept(told, "frozen", 2))
    assert sum(int(mask.sum()) for mask in masks.values())
    filled = kept(told, "global", 3)
    for layer, mask in masks.items():
        name, where = parameter_of(layer), mask.numpy()
        assert not kept(told, "global", 2)[name][where].any()
        assert kept(told, "global", 1)[name][where].all(), "the control: it was there before"
        assert filled[name][where].all()
        assert np.array_equal(kept(told, "global", 4)[name][where], filled[name][where])


def test_a_run_is_proven_again_and_tampering_fails(told, tmp_path, forge):
    assert verify(told.folder) == []
    folder = tmp_path / "tampered"
    shutil.copytree(told.folder, folder)
    weights, frozen = kept(told, "global", 4), unpack_masks(kept(told, "frozen", 4))
    layer = next(layer for layer, mask in frozen.items() if bool(mask.any()))
    weights[parameter_of(layer)][frozen[layer].numpy()] += 1
    blob = wire.to_bytes(weights)
    (folder / "artefacts" / f"{wire.sha256(blob)}.safetensors").write_bytes(blob)
    with sqlite3.connect(folder / "run.sqlite") as db:
        db.execute("update models set sha256 = ? where name = 'global' and round = 4", (wire.sha256(blob),))
    db.close()
    forge(folder)
    assert "round 4: the history keeps another global than the server had" in verify(folder)
    with sqlite3.connect(folder / "run.sqlite") as db:
        db.execute("update history set sha256 = ? where name = 'global' and made = 4", (wire.sha256(blob),))
    db.close()
    forge(folder)
    assert any("entries of the cut have changed" in line for line in verify(folder))


def test_an_attack_changes_nothing(play, told):
    without = play(event=[event for event in EVENTS if event["do"] != "attack"])
    for number in range(1, 5):
        assert kept(without, "global", number).keys() == kept(told, "global", number).keys()
        assert all(np.array_equal(array, kept(told, "global", number)[name]) for name, array in kept(without, "global", number).items())
    undefended = play(event=[event for event in EVENTS if event["do"] != "defend"])
    one, other = kept(undefended, "global", 4), kept(told, "global", 4)
    assert any(not np.array_equal(array, other[name]) for name, array in one.items()), "the control: a defence does"


def engine_of(told: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: dict[str, Any]) -> None:
    monkeypatch.setenv("LETHE_CACHE", str(tmp_path / "another cache"))  # or the engine would only copy what inline computed
    one = run(scenario(event=EVENTS, engine=engine), tmp_path / "runs", Watch())
    assert one.digest == told.digest
    assert verify(one.folder) == []


@pytest.mark.slow
def test_another_engine_gives_the_digest_of_inline(told, tmp_path, monkeypatch):
    engine_of(told, tmp_path, monkeypatch, {"kind": "grpc"})


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "workers"), [("ray", 1), ("ray", 2), ("flower", 2)])
def test_more_engines_give_the_digest_of_inline(told, tmp_path, monkeypatch, kind, workers):
    engine_of(told, tmp_path, monkeypatch, {"kind": kind, "workers": workers})


@pytest.mark.slow
def test_another_seed_gives_another_digest(play, told):
    assert play(event=EVENTS, seed=4).digest != told.digest


@pytest.mark.slow
def test_killed_at_a_few_instants_it_resumes_to_the_undisturbed_digest(told, kill_after, tmp_path):
    fresh = prepare(scenario(event=EVENTS), tmp_path / "fresh")
    clock = time.monotonic()
    resume(prepare(scenario(event=EVENTS), tmp_path / "again"), Watch())
    length = time.monotonic() - clock
    working = 0
    for number, part in enumerate((0.15, 0.4, 0.65, 0.9)):
        folder = tmp_path / str(number)
        shutil.copytree(fresh, folder)
        working += kill_after(folder, part * length)
        assert resume(folder, Watch()).digest == told.digest
        assert verify(folder) == []
    assert working, "the control: it was at work when it was killed"


def test_under_the_mean_what_some_cut_comes_back_and_the_dry_run_warns(play, told):
    federation = SMOKE["federation"] | {"policy": {"kind": "mean"}}
    some = [ERASE | {"peers": "some"}]
    diluted = play(event=some, federation=federation)
    assert diluted.results["concepts"][0]["survival"] < 1.0
    plan = resolve(scenario(event=some, federation=federation))
    assert any(what == "WARNING" and "'mean' does not keep an erasure" in words for what, words in cell_of(plan).costs(plan))
    assert not any(what == "WARNING" for what, _ in cell_of(told.plan).costs(told.plan))


def test_a_peer_that_was_away_erases_when_it_is_back(play):
    events = [{"round": 2, "do": "offline", "peers": [1], "rounds": 1}, ERASE]
    one = play(event=events)
    asked = {now.round: dict(now.erase) for now in one.plan.timeline.rounds}
    assert asked == {1: {}, 2: {0: (0,), 2: (0,)}, 3: {1: (0,)}, 4: {}}
    store = RunStore(one.folder)
    done = {peer: wire.from_bytes(store.artefact(state.main))["peer/erased"].tolist() for peer, state in store.states().items()}
    store.close()
    assert done == {0: [0], 1: [0], 2: [0]}


@pytest.mark.parametrize(("method", "guarantee"), [(None, "exact"), pytest.param("finetune", "approximate", marks=pytest.mark.slow)])
def test_departures_and_deletions_are_measured_against_never_having_been_there(play, method, guarantee):
    events = [{"round": 3, "do": "leave", "peers": [1], "erase": True}, {"round": 3, "do": "delete", "peer": 0, "rows": {"fraction": 0.2}}]
    named = [one | ({"method": method} if method else {}) for one in events]
    one = play(event=named, audit={"counterfactual": True, "membership_inference": True, "relearn": True})
    rows = one.results["erasures"]
    assert [(row["method"], row["guarantee"]) for row in rows] == [(method or "retrain", guarantee)] * 2
    assert all((row["max_abs_difference"] == 0) == (guarantee == "exact") for row in rows)
    assert all(row["max_abs_difference_nothing"] > 0 for row in rows)
    for row in rows:
        assert set(row["not_judged"]) == {"membership_inference", "relearn"}
        assert all(reason.startswith("not judged: denoisers ") for reason in row["not_judged"].values())
        assert row["mia_auc"] is row["relearn_steps"] is None
        assert ("max_abs_difference_again" in row) == (guarantee == "approximate"), "the floor: training keyed otherwise"
    assert 1 not in one.plan.timeline.rounds[-1].present
    assert verify(one.folder) == []


def test_other_federations_end_elsewhere(play):
    def final(kind: str) -> dict[str, np.ndarray]:
        return kept(play(rounds=2, federation=SMOKE["federation"] | {"kind": kind}), "global", 2)

    plain, *others = [final(kind) for kind in ("fedavg", "fedadam", "fedprox")]
    for other in others:
        assert any(not np.array_equal(array, other[name]) for name, array in plain.items())
        assert all(np.isfinite(array).all() for array in other.values())


@pytest.mark.parametrize(
    "policy", [*(pytest.param(kind, marks=pytest.mark.slow) for kind in ("masked_mean", "union_zero")), "union_noise", "server_mask"]
)
def test_every_policy_plays(play, policy):
    revival = SMOKE["revival"] | {"shares": [0.4], "policies": [{"kind": "mean"}, {"kind": "server_mask"}]}
    one = play(rounds=2, event=[ERASE, ATTACK], federation=SMOKE["federation"] | {"policy": {"kind": policy}}, revival=revival)
    assert [(curve["kind"], curve["policy"]) for curve in one.results["curves"]] == [("share", "mean"), ("share", "server_mask")]
    assert one.results["revivals"][0]["policy"] == one.results["concepts"][0]["policy"] == one.plan.scenario.federation.policy.name
    assert verify(one.folder) == []


@pytest.mark.parametrize(
    ("kinds", "peers"),
    [
        (("mask_oracle", "repruner", "reader", "historian", "quantise", "relearn", "tune"), "all"),
        (("undiluter", "neighbour"), "some"),
    ],
    ids=["all", "some"],
)
def test_every_adversary_gets_what_it_needs(play, kinds, peers, monkeypatch):
    """Each attacks the same model in the same round, which no attack changes."""
    monkeypatch.setattr("server.revival.attack.resolved", {"cpu": "cpu"}.__getitem__)  # no device is left to be chosen by the machine
    events = [ERASE | {"peers": peers}, *(ATTACK | {"adversary": {"kind": kind}} for kind in kinds)]
    found = play(rounds=2, event=events, federation=SMOKE["federation"] | {"policy": {"kind": "union_zero"}}).results["revivals"]
    assert tuple(row["adversary"] for row in found) == kinds
    for kind, row in zip(kinds, found, strict=True):
        assert (row["completion"] is None) == (kind not in ("mask_oracle", "repruner", "reader")), kind
        assert (row["sign_accuracy"] is None) == (row["neuron_mean"] is None) == (kind in ("quantise", "relearn", "tune")), kind
        assert kind != "historian" or row["sign_accuracy"] > 0.9, "who kept the old model needs no completion"


def test_a_reader_cuts_as_the_request_did_that_cut(play, monkeypatch):
    cutting = []

    def one_release(state, concept, method, fill):
        cutting.append(method.tag)
        return islice(own_releases(state, concept, method, fill), 1)

    monkeypatch.setattr("server.diffusion.release.threat_model.own_releases", one_release)
    other = ERASE | {"peers": [0], "method": {"kind": "ssd", "batches": 1}}
    data, denoising = SMOKE["data"] | {"partition": {"kind": "iid"}}, SMOKE["denoising"] | {"design": "joint"}
    events = [other, ERASE | {"peers": [1]}, ATTACK | {"adversary": {"kind": "reader"}}]
    (row,) = play(
        rounds=2, event=events, data=data, denoising=denoising, federation=SMOKE["federation"] | {"policy": {"kind": "union_zero"}}
    ).results["revivals"]
    assert row["adversary"] == "reader"
    assert cutting == ["concept_prune"], "the first request, by ssd, cuts nothing"


def test_who_changes_no_weight_draws_by_an_embedding_or_names_the_concept(play):
    adversaries = ({"kind": "invert", "steps": 3, "images": 4, "lr": 5.0}, {"kind": "name"})
    events = [ERASE, *(ATTACK | {"adversary": one} for one in adversaries)]
    one = play(rounds=2, event=events, federation=SMOKE["federation"] | {"policy": {"kind": "union_zero"}})
    store = RunStore(one.folder)
    invert, name = one.results["revivals"]
    for row, changed in ((invert, True), (name, False)):
        assert row["sign_accuracy"] is row["neuron_mean"] is row["completion"] is None
        drawn = wire.from_bytes(store.artefact(row["images"]))
        asked = drawn["conditions"] == 3
        assert (drawn["revived"][asked] != drawn["pruned"][asked]).any() == changed
        assert (drawn["revived"][~asked] == drawn["pruned"][~asked]).all(), "other concepts have their own embeddings"
    store.close()
    assert "named" not in invert
    assert name["named"].keys() == {"concept", "right", "place", "of", "chance"}
    assert name["named"]["right"] == (name["named"]["concept"] == 3) == (name["named"]["place"] == 1)
    assert (name["named"]["of"], name["named"]["chance"]) == (10, 0.1)
    assert {measure.name: value for measure, value in measures(one).items()}["attack.1.name.named"] == float(name["named"]["right"])
    assert verify(one.folder) == []


def test_expectations_speak_of_attacks(play):
    expect = [{"after": 2, "metric": "revived.target", "max": 1.0}, {"after": 2, "metric": "loss.global", "max": 0.0}]
    one = play(rounds=2, event=[ERASE, ATTACK], expect=expect)
    assert [row["met"] for row in one.results["expectations"]] == [True, False]


@pytest.mark.slow
def test_curves_are_drawn_by_the_first_attack_that_is_played(play):
    policies = [{"kind": "mean"}, {"kind": "vote", "threshold": 0.3}, {"kind": "vote", "threshold": 0.9}, {"kind": "server_mask"}]
    revival = {"noise_levels": [0.0, 1.0], "sparsities": [0.1, 0.3], "shares": [0.3, 1.0], "policies": policies}
    events = [
        ERASE | {"peers": "some"},
        {"round": 2, "do": "offline", "peers": [2], "rounds": 1},
        ATTACK | {"adversary": {"kind": "neighbour"}},
        ATTACK,
        ATTACK | {"adversary": {"kind": "mask_oracle"}},
        ATTACK | {"round": 3},
    ]
    found = play(rounds=3, event=events, revival=SMOKE["revival"] | revival).results
    curves = found["curves"]
    assert [row["adversary"] for row in found["not_played"]] == ["neighbour"]
    assert [row["adversary"] for row in found["revivals"]] == ["zero_scan", "mask_oracle", "zero_scan"]
    assert [(curve["kind"], curve["policy"], len(curve["points"])) for curve in curves] == [
        ("noise", "vote(0.5)", 2),
        ("sparsity", "vote(0.5)", 2),
        ("share", "mean", 2),
        ("share", "vote(0.3)", 2),
        ("share", "vote(0.9)", 2),
        ("share", "server_mask", 2),
    ]
    assert curves[0]["points"][0]["entry_auc"] == 1.0
    n = found["revivals"][0]["original"]["n"]
    for point in (point for curve in curves for point in curve["points"]):
        assert point["n"] == n
        shares = {part for part in point if part.endswith(("target", "others"))}
        assert {"target", "others"} <= shares == set(point["interval"])
        assert all(low <= point[part] <= high for part, (low, high) in point["interval"].items())


@pytest.mark.parametrize(("design", "everything"), [("joint", True), ("low_rank", False)])
def test_only_the_joint_design_exchanges_everything(play, design, everything):
    one = play(rounds=2, denoising=SMOKE["denoising"] | {"design": design})
    assert any(".attn2." in name for name in kept(one, "global", 2)) == everything
    assert any(not np.array_equal(array, kept(one, "global", 1)[name]) for name, array in kept(one, "global", 2).items())


def test_a_cut_of_merged_low_rank_weights_stays_under_every_later_product(play):
    one = play(event=[event for event in EVENTS if event["do"] != "attack"], denoising=SMOKE["denoising"] | {"design": "low_rank"})
    masks, filled, last = unpack_masks(kept(one, "frozen", 2)), kept(one, "global", 3), kept(one, "global", 4)
    assert sum(int(mask.sum()) for mask in masks.values())
    for layer, mask in masks.items():
        name, where = parameter_of(layer), mask.numpy()
        assert not kept(one, "global", 2)[name][where].any()
        assert np.array_equal(last[name][where], filled[name][where])
        assert (last[name][~where] != filled[name][~where]).any(), "the control: a product was learned"
    assert verify(one.folder) == []


def test_a_cut_above_the_budget_is_refused_naming_the_peer(play):
    everything = ERASE | {"round": 3, "concept": 5, "method": {"kind": "all_zero"}}
    one = play(rounds=3, event=[ERASE, everything], federation=SMOKE["federation"] | {"policy": {"kind": "union_zero", "budget": 0.9}})
    with sqlite3.connect(one.folder / "run.sqlite") as db:
        rows = db.execute("select peers, detail from events where do = 'refused'").fetchall()
    assert [peers for peers, _ in rows] == ["[0]", "[1]", "[2]"]
    assert rows[0][1].startswith("its mask cuts")
    assert [row["peer"] for row in one.results["refusals"]] == [0, 1, 2]
    assert [row["outcome"] for row in one.results["concepts"]] == ["measured", REFUSED], "what they had sent before is cut"
    assert one.results["concepts"][0]["density"] > 0
    assert f"1 erasure of a concept: {REFUSED}" in Verdict.of(one.results).why


def test_the_verdict_measures_no_erasure_that_never_came_or_whose_cut_was_lost(play):
    away = [ERASE | {"peers": [0]}, {"round": 2, "do": "offline", "peers": [0]}]
    policy = {"kind": "vote", "threshold": 0.9}
    one = play(rounds=2, event=[*away, ERASE | {"concept": 7, "peers": [1]}], federation=SMOKE["federation"] | {"policy": policy})
    assert [row["outcome"] for row in one.results["concepts"]] == [UNFINISHED, UNCUT]
    assert Verdict.of(one.results).why == f"1 erasure of a concept: {UNFINISHED}; 1 erasure of a concept: {UNCUT}"


def test_acts_that_cannot_be_are_told_and_the_run_goes_on(play):
    defend = {"round": 2, "do": "defend"}
    one = play(rounds=2, event=[ERASE | {"method": {"kind": "all_zero"}}, ATTACK, defend])
    assert one.results["revivals"] == []
    attack, defence = one.results["not_played"]
    assert {**attack, "why": ""} == {"round": 2, "do": "attack", "concept": 3, "adversary": "zero_scan", "why": ""}
    assert {**defence, "why": ""} == {"round": 2, "do": "defend", "fill": "gaussian", "why": ""}
    assert "every entry is cut" in attack["why"]
    assert one.results["concepts"][0]["erased"].keys() == KEYS | {"paired"}


def test_an_erasure_without_a_mask_is_scored_and_attacked_by_those_who_need_none(play):
    def attack(**adversary: Any) -> dict[str, Any]:
        return ATTACK | {"adversary": adversary}

    events = [
        ERASE | {"method": {"kind": "ssd", "batches": 2}},
        attack(kind="zero_scan"),
        attack(kind="mask_oracle"),
        attack(kind="zero_scan", revival={"location": {"kind": "extremes", "share": 0.1}}),
        attack(kind="historian"),
    ]
    data = SMOKE["data"] | {"partition": {"kind": "iid"}}
    found = play(rounds=2, event=events, data=data, denoising=SMOKE["denoising"] | {"design": "joint"}).results
    assert found["concepts"][0]["original"].keys() | {"paired"} == found["concepts"][0]["erased"].keys() == KEYS | {"paired"}
    assert found["concepts"][0]["density"] is None
    assert [(row["adversary"], row["why"].split(";")[0]) for row in found["not_played"]] == [
        ("zero_scan", "ssd leaves no zeros to find"),
        ("mask_oracle", "ssd cuts nothing out, so there is no cut to know of"),
    ]
    located, historian = found["revivals"]
    assert (located["adversary"], historian["adversary"]) == ("zero_scan", "historian")
    assert located["neuron_mean"].keys() == located["revived"].keys() == KEYS | {"paired"}
    assert (located["n"], located["interval"]) == ({}, {}), "no entries were cut"
    for name in ("random_signs", "true_signs", "defended", "adaptive", "sign_accuracy", "location_auc", "density"):
        assert located[name] is None
    assert found["curves"] == []


def test_the_shown_file_says_what_it_says():
    shown = Scenario.load(Path(__file__).parents[5] / "experiments" / "scenarios" / "revival.toml")
    assert [(event.do, event.round) for event in shown.event] == [("erase", 9), ("attack", 9), ("defend", 10), ("attack", 10)]
    plan = resolve(shown)
    assert plan.timeline.rounds[8].erase == dict.fromkeys(range(10), (0,))
    assert dict(cell_of(plan).costs(plan))["gradient steps, peers"].startswith("8,000")
    assert "WARNING" not in dict(cell_of(plan).costs(plan))


ON_CUDA: dict[str, Any] = {"kind": "zero_scan", "revival": {"arithmetic": {"device": "cuda"}}}
IN_TF32: dict[str, Any] = {"completion": {"kind": "published"}, "arithmetic": {"precision": "float32", "tf32": True}}
MALFORMED: list[tuple[dict[str, Any], str]] = [
    ({"task": "diffusio"}, "task = 'diffusio' is unknown: did you mean diffusion?"),
    ({"federation": {"kind": "fedavgg"}}, "kind = 'fedavgg' is unknown: did you mean fedavg?"),
    ({"federation": {"kind": "fedavg", "steps": 0}}, "federation.steps: is 0"),
    ({"federation": {"kind": "fedavg", "policy": {"kind": "median"}}}, "kind = 'median' is unknown"),
    ({"federation": {"kind": "fedprox", "mu": -1.0}}, "federation.mu: is -1.0"),
    ({"topology": {"kind": "ring"}}, "topology: fedavg has a server in the middle and no graph: remove the table"),
    ({"training": {"epochs": 3}}, "training: is not a key here"),
    ({"denoiser": {"classes": 3}}, "denoiser: classes = 3, the data have 10: set classes = 10"),
    ({"denoiser": {"size": 16}}, "denoiser: size = 16 is larger than the data's 8 pixels"),
    ({"denoiser": {"channels": 3}}, "set channels = 1"),
    ({"denoiser": {"styles": ["thick"]}}, "style thick alone cannot be told from others"),
    ({"denoiser": {"widths": [12]}}, "width 12 is no multiple of groups = 8"),
    ({"data": SMOKE["data"] | {"dataset": "wine", "rows": 150, "reference": 10, "test": 10}}, "draws square images"),
    ({"data": SMOKE["data"] | {"rows": 40, "reference": 10, "test": 10, "partition": {"kind": "iid"}}}, "images of each class"),
    ({"event": [ERASE | {"concept": 12}]}, "concept 12 is unknown: the classes are 0 to 9"),
    ({"event": [ERASE | {"peers": [7]}]}, "peer 7 is unknown"),
    ({"event": [{"round": 2, "do": "erase", "peers": "all"}]}, "event.0.concept): is missing"),
    ({"event": [ERASE, ERASE]}, "peer 0 was asked to erase concept 3 before"),
    ({"event": [ERASE | {"method": {"kind": "magic"}}]}, "kind = 'magic' is unknown"),
    ({"event": [ERASE | {"method": {"kind": "concept_prune"}}]}, "calls = 8, but the sampler makes 2 steps"),
    ({"event": [ATTACK]}, "nobody has erased concept 3 by round 2"),
    ({"event": [{"round": 2, "do": "defend"}]}, "nothing has been erased by round 2"),
    ({"event": [ERASE, ATTACK | {"adversary": {"kind": "neighbour"}}]}, "nobody has an uncut copy"),
    ({"event": [ERASE, {"round": 2, "do": "defend", "fill": {"kind": "gold"}}]}, "kind = 'gold' is unknown"),
    ({"event": [{"round": 1, "do": "link", "edges": [[0, 1]]}]}, "link is about neighbours, which peers of a fedavg federation have not"),
    ({"event": [ERASE, ATTACK | {"adversary": ON_CUDA}]}, 'event 2 (event.1.adversary.revival): device = "cuda": torch finds no CUDA'),
    (
        {"event": [ERASE, ATTACK | {"adversary": {"kind": "mask_oracle", "revival": IN_TF32}}]},
        'event 2 (event.1.adversary.revival): completion "published" is not run in TF32',
    ),
    (
        {
            "event": [ERASE, {"round": 2, "do": "defend"}],
            "federation": {"kind": "fedavg", "policy": {"kind": "mean"}},
        },
        "policy 'mean' leaves no cut that could be filled",
    ),
    (
        {
            "event": [ERASE | {"method": {"kind": "random_mask", "like": {"kind": "concept_prune", "calls": 2}}}],
            "federation": {"kind": "fedavg", "policy": {"kind": "server_mask"}},
        },
        "server_mask cuts by the rule of concept_prune",
    ),
    (
        {"event": [ERASE | {"method": {"kind": "esd", "scope": "all_but_cross_attention"}}], "sampling": {"guidance": 1.0}},
        "guidance = 1 never predicts the unconditional noise, which esd reads",
    ),
    ({"event": [ERASE | {"method": {"kind": "uce"}}]}, 'uce changes cross-attention, which design "two_phase" never trains'),
    ({"event": [ERASE | {"method": {"kind": "esd"}}]}, 'esd changes cross-attention, which design "two_phase" never trains'),
    (
        {
            "event": [ERASE | {"method": {"kind": "salun"}, "peers": [0]}],
            "data": SMOKE["data"] | {"partition": {"kind": "pathological", "classes": 1}},
            "peers": {"count": 10},
        },
        "salun learns from images of concept 3 and of others",
    ),
    ({"expect": [{"after": 2, "metric": "revived.target", "min": 2.0}]}, "(expect.0.min): is 2.0, but revived.target is a share"),
    ({"expect": [{"after": 2, "metric": "accuracy.global.main", "min": 0.5}]}, "(expect.0.metric): metric 'accuracy.global.main' is not"),
]


@pytest.mark.parametrize(("changes", "words"), MALFORMED, ids=[words[:40] for _, words in MALFORMED])
def test_each_mistake_is_one_line_before_anything_is_trained(changes, words, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ScenarioError) as error:
        resolve(scenario(**changes))
    assert len(error.value.lines) == 1, error.value.lines
    assert words in error.value.lines[0]


def test_checking_imports_nothing_heavy(tmp_path):
    file = tmp_path / "smoke.toml"
    file.write_text(scenario(event=EVENTS).to_toml())
    code = f"""
import sys
from simulator.scenarios.scenario import Scenario
from simulator.scenarios.resolution import resolve
from simulator.terminal.check import describe

describe(resolve(Scenario.load({str(file)!r})))
names = ("torch", "flwr", "ray", "sklearn", "scipy", "pandas", "grpc", "diffusers")
print(*(name for name in names if name in sys.modules))
"""
    heavy = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert heavy == []


def test_a_plan_reads_back_as_it_was_and_keeps_its_hash(told):
    text = (told.folder / "plan.json").read_text()
    assert plan_of(text) == told.plan
    assert Scenario.parse(told.plan.scenario.to_toml()) == told.plan.scenario
    assert json.loads(text)["timeline"]["concepts"][0]["method"]["kind"] == "concept_prune"


LEAVE = {"round": 4, "do": "leave", "peers": [2], "erase": True}


@pytest.mark.parametrize(
    ("method", "federation"),
    [
        pytest.param("retrain", {"kind": "fedadam", "steps": 2, "policy": {"kind": "vote", "threshold": 0.5}}, marks=pytest.mark.slow),
        ("rollback", {"kind": "fedavg", "steps": 2, "policy": {"kind": "union_zero"}}),
        pytest.param("rollback", {"kind": "fedadam", "steps": 2}, marks=pytest.mark.slow),
    ],
    ids=["retrain", "rollback", "rollback-fedadam"],
)
def test_a_leaver_is_gone_from_the_average_cuts_and_fills_included(play: Play, method, federation):
    """The leaver cut a concept, the server filled the cut: both are done again without it."""
    fills = [{"round": 3, "do": "defend", "fill": {"kind": "gaussian", "relative": 1.0}}] if "policy" in federation else []
    leave = {**LEAVE, "method": method}
    done = play(federation=federation, event=[ERASE, *fills, leave], audit={"counterfactual": True})
    (row,) = done.results["erasures"]
    assert (row["method"], row["guarantee"], row["max_abs_difference"]) == (method, "exact", 0.0)
    assert row["max_abs_difference_nothing"] > 0
    assert verify(done.folder) == []
