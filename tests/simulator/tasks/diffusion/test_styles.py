"""Scenarios in which images have a style beside their class, and a style can be erased."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clients import wire
from clients.diffusion import local
from clients.diffusion.averaging.peer import AveragedPeer
from clients.diffusion.hdus.main import HISTORY
from clients.diffusion.hdus.peer import HdusPeer
from simulator.errors import ScenarioError
from simulator.progress import Watch
from simulator.report.collect import collect
from simulator.report.diffusion.model import PICTURED, Roots
from simulator.report.writing import page as report_of
from simulator.runner import run
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.storage.store import RunStore

pytestmark = pytest.mark.usefixtures("own_cache")

STYLED: dict[str, Any] = {
    "task": "diffusion",
    "name": "styled",
    "seed": 3,
    "rounds": 3,
    "data": {"dataset": "digits", "rows": 200, "reference": 40, "test": 20, "partition": {"kind": "iid"}},
    "peers": {"count": 2},
    "denoiser": {"widths": [16], "condition_width": 16, "heads": 2, "styles": ["plain", "inverted"]},
    "denoising": {"backbone_steps": 2, "batch_size": 8, "warmup": 2},
    "sampling": {"steps": 2},
    "federation": {"kind": "fedavg", "steps": 2, "policy": {"kind": "union_zero"}},
    "revival": {"target": 3, "others": 2, "noise_levels": [1.0]},
    "audit": {"counterfactual": False},
}
ERASE = {"round": 2, "do": "erase", "concept": "inverted", "peers": "all", "method": {"kind": "concept_prune", "calls": 2}}
CLASS = ERASE | {"round": 3, "concept": 3, "peers": [0]}


def scenario(**changes: Any) -> Scenario:
    return Scenario.parse(STYLED | changes)


@pytest.fixture(scope="module")
def told(own_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    events = [ERASE, {"round": 2, "do": "attack", "concept": "inverted"}, CLASS, {"round": 3, "do": "attack", "concept": 3}]
    return run(scenario(event=events), tmp_path_factory.mktemp("styled"), Watch())


def test_a_style_and_a_class_are_erased_and_scored_on_both_axes(told: Run) -> None:
    found = told.results
    assert [row["concept"] for row in found["concepts"]] == ["inverted", 3]
    style, digit = found["revivals"]
    assert (style["concept"], digit["concept"]) == ("inverted", 3)
    for row in (style, digit):
        for name in PICTURED:
            assert row[name].keys() - {"fidelity", "paired"} == {"target", "others", "cross", "n", "interval", "each", "worst", "confusion"}
            assert all(0 <= share <= 1 for share in (row[name][part] for part in ("target", "others", "cross")))
    assert style["pruned"]["worst"]["concept"] == "plain"
    assert set(style["pruned"]["each"]) == {"plain", "inverted"}
    assert digit["pruned"]["worst"]["concept"] in set(range(10)) - {3}
    assert {curve["concept"] for curve in found["curves"]} == {"inverted", 3}
    assert found["judge"].keys() == {"held_out_accuracy", "style_held_out_accuracy", "n", "style_n", "interval", "style_interval"}
    assert min(value for name, value in found["judge"].items() if name.endswith("accuracy")) > 0.85
    assert set(found["accuracy"]["classes"]) == set(map(str, range(10)))
    assert found["accuracy"]["cross"] >= 0
    assert verify(told.folder) == []


def test_the_page_calls_styles_by_name(told: Run) -> None:
    roots = collect(told.folder).own
    assert isinstance(roots, Roots)
    style, digit = roots.revivals
    assert (style.concept, digit.concept) == ("inverted", "3")
    for strip in style.strips:
        assert {sample.asked for sample in strip.target} == {"inverted"}
        assert [sample.asked for sample in strip.others] == ["plain", "plain"]
        assert {sample.judged for sample in (*strip.target, *strip.others)} <= {"plain", "inverted"}
    page = report_of(told.folder)
    assert "Concept inverted, round 2" in page
    assert "asked for inverted" in page
    assert "others below, then the other axis" in page
    assert style.scores["original"].cross == told.results["revivals"][0]["original"]["cross"]


def test_peers_keep_off_images_of_what_they_erased_and_the_mask_is_cut_for_that_style(told: Run) -> None:
    store = RunStore(told.folder)
    states = store.states()
    mains = {peer: store.artefact(states[peer].main) for peer in (0, 1)}
    store.close()
    for peer, erased in ((0, [3, 11]), (1, [11])):
        one = AveragedPeer.restored(told.plan.configs[peer], mains[peer])
        assert one.concepts.tolist() == erased
        images, fresh = one._images(), AveragedPeer.new(told.plan.configs[peer])._images()
        assert images.styles is not None
        assert images.styles.unique().tolist() == [0]
        assert (3 in images.classes) == (peer == 1)
        assert fresh.styles is not None
        assert fresh.styles.unique().tolist() == [0, 1], "the control: it had both"
    mask = {name for name in wire.from_bytes(mains[1]) if not name.startswith("peer/")}
    assert mask


@pytest.mark.slow
def test_neighbours_erase_a_style_or_a_class_and_a_departure_leaves_nothing(tmp_path: Path) -> None:
    federation = {"kind": "hdus", "steps": 2, "judged": 1, "distillation": {"steps": 2, "batch_size": 8}}
    leave = {"round": 2, "do": "leave", "peers": [2], "erase": True}
    played = run(
        scenario(
            peers={"count": 3},
            topology={"kind": "complete"},
            federation=federation,
            rounds=2,
            event=[ERASE | {"round": 1, "peers": [0]}, CLASS | {"round": 1, "peers": [1]}, leave],
            audit={"counterfactual": True},
        ),
        tmp_path,
        Watch(),
    )
    found = played.results
    (departure,) = found["erasures"]
    assert departure["max_abs_difference"] == 0.0
    assert departure["max_abs_difference_nothing"] > 0.0, "the control"
    assert [row["concept"] for row in found["concepts"]] == ["inverted", 3]
    assert all(row["drawn"].keys() == {"local", "sampled", "n", "interval"} for row in found["concepts"])
    style, digit = (row["drawn"]["n"] for row in found["concepts"])
    assert (style, digit) == (5, 1), "samples of every class cycle through both styles; one peer erased each"
    assert found["judge"].keys() == {"held_out_accuracy", "style_held_out_accuracy", "n", "style_n", "interval", "style_interval"}
    assert found["accuracy"]["n"] == 10 * 2
    low, high = found["accuracy"]["cross_interval"]
    assert low <= found["accuracy"]["cross"] <= high
    assert 0 <= found["accuracy"]["cross"] <= 1
    assert verify(played.folder) == []
    peers = played.peers()
    assert sorted(peers) == [0, 1]
    for number, erased in ((0, 11), (1, 3)):
        peer = peers[number]
        assert isinstance(peer, HdusPeer)
        assert peer.counts.shape == (10, 2)
        assert peer.counts.sum() == len(played.plan.configs[number].rows)
        (cut,) = json.loads(wire.from_bytes(peer.main_blob)[HISTORY].tobytes())["cuts"]
        assert cut["concept"] == erased


def test_all_peers_see_an_image_in_one_style_that_the_seed_draws() -> None:
    plans = [resolve(scenario(seed=seed)) for seed in (3, 3, 4)]
    first, again, other = (local.gallery(plan.configs[i]) for plan, i in zip(plans, (0, 1, 0), strict=True))
    plain = local.pictures(plans[0].configs[0].data, 8)
    assert first.styles is not None
    assert other.styles is not None
    assert torch.equal(first.pixels, again.pixels)
    assert not torch.equal(first.styles, other.styles)
    inverted = first.styles == 1
    assert torch.equal(first.pixels[inverted], -plain.pixels[inverted])
    assert torch.equal(first.pixels[~inverted], plain.pixels[~inverted])
    assert 0.45 < float(np.mean(inverted.numpy())) < 0.55


def test_events_on_a_class_by_its_number_tell_its_name_in_the_data() -> None:
    named = STYLED["data"] | {"labels": [*"123456789", "0"]}
    events = [ERASE, CLASS, {"round": 3, "do": "attack", "concept": 3}]
    rounds = resolve(scenario(data=named, event=events)).timeline.rounds
    said = [one.detail for now in rounds for one in now.happenings]
    assert said == ["concept inverted by concept_prune", "concept 3 (class 4) by concept_prune", "concept 3 (class 4) by zero_scan"]


DENOISER = STYLED["denoiser"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"event": [ERASE | {"concept": "striped"}]}, "concept striped is unknown: the classes are 0 to 9, the styles plain, inverted"),
        ({"event": [ERASE | {"concept": 11}]}, "concept 11 is unknown: the classes are 0 to 9, the styles plain, inverted"),
        ({"event": [ERASE | {"concept": True}]}, "concept): is True: give the number of a class, or the name of a style"),
        ({"event": [ERASE | {"concept": -1}]}, "concept): is -1"),
        ({"event": [ERASE, ERASE]}, "peer 0 was asked to erase concept inverted before"),
        ({"event": [{"round": 2, "do": "attack", "concept": "plain"}]}, "nobody has erased concept plain by round 2"),
        (
            {"denoiser": DENOISER | {"styles": []}, "event": [ERASE]},
            "concept inverted is unknown: the classes are 0 to 9; there are no styles",
        ),
        ({"denoiser": DENOISER | {"styles": ["thick"]}}, "style thick alone cannot be told from others"),
        ({"denoiser": DENOISER | {"styles": ["thick", "plain", "thick"]}}, "names one twice"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as refused:
        resolve(scenario(**changes))
    assert len(refused.value.lines) == 1, refused.value.lines
    assert words in refused.value.lines[0]


def test_a_scenario_with_styles_reads_back_as_it_was() -> None:
    one = scenario(event=[ERASE])
    assert Scenario.parse(one.to_toml()) == one
