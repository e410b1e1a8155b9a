"""A server that releases a model made of seeds: departures leave nothing in it, and it is attacked and defended as an average is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clients import wire
from clients.diffusion.local import parameter_of
from server.diffusion.hdus import release as releases
from server.diffusion.hdus.folding import SCALES
from server.ledger import RELEASE
from server.mailbox import MailboxState, Parcel
from simulator.errors import ScenarioError
from simulator.progress import Watch
from simulator.runner import prepare, resume, run
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.storage.store import RunStore
from simulator.tasks.contract import cell_of
from simulator.tasks.diffusion.resolution import warnings
from tests.simulator.tasks.diffusion.hdus.test_hdus_diffusion import SMALL as PEERS

pytestmark = pytest.mark.usefixtures("own_cache")

VOTE = {"policy": {"kind": "vote", "threshold": 0.5}}
SMALL: dict[str, Any] = PEERS | {
    "name": "released-seeds",
    "rounds": 4,
    "federation": PEERS["federation"] | {"release": VOTE},
    "revival": {"target": 2, "others": 1},
}
ERASE = {"round": 3, "do": "erase", "concept": 3, "peers": [0, 1, 3], "method": {"kind": "concept_prune", "calls": 1}}
LEAVE = {"round": 2, "do": "leave", "peers": [2], "erase": True}
DELETE = {"round": 4, "do": "delete", "peer": 0, "rows": {"fraction": 0.2}}
ATTACK = {"round": 3, "do": "attack", "concept": 3}
DEFEND = {"round": 3, "do": "defend", "fill": {"kind": "gaussian", "relative": 1.0}}
ADAPTIVE = {"round": 4, "do": "attack", "concept": 3, "adversary": {"kind": "adaptive"}}
STORY: dict[str, Any] = {
    "peers": {"count": 4, "main": [{"kind": "sisa", "shards": 2, "slices": 2, "base": {"kind": "denoiser"}}, {"kind": "denoiser"}]},
    "event": [LEAVE, ERASE, ATTACK, DEFEND, DELETE, ADAPTIVE],
}
"""A departure, a concept pruned by main models of two kinds, an attack, a defence, a deletion, and an attack that knows the defence."""
BARE = {"audit": {"counterfactual": False}}
Play = Callable[..., Run]


def scenario(**changes: Any) -> Scenario:
    return Scenario.parse(SMALL | changes)


def federation(**changes: Any) -> dict[str, Any]:
    return {"federation": SMALL["federation"] | {"release": VOTE | changes}}


@pytest.fixture
def play(tmp_path: Path) -> Play:
    return lambda **changes: run(scenario(**changes), tmp_path / "runs", Watch())


@pytest.fixture(scope="module")
def told(own_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run with all events, which no audit repeats; read it, never change it."""
    return run(scenario(**STORY, **BARE), tmp_path_factory.mktemp("told"), Watch())


def stored(one: Run, name: str = RELEASE) -> dict[str, np.ndarray]:
    store = RunStore(one.folder)
    try:
        return wire.from_bytes(store.artefact(str(store.model(name))))
    finally:
        store.close()


@pytest.mark.slow
def test_departure_and_deletion_are_exact_over_the_release_too(play: Play) -> None:
    audited = play(**STORY)
    assert [erasure["method"] for erasure in audited.results["erasures"]] == ["drop_seed", "sisa"]
    for erasure in audited.results["erasures"]:
        assert erasure["max_abs_difference"] == 0.0
        assert erasure["max_abs_difference_nothing"] > 0.0
    assert verify(audited.folder) == []


def test_attacks_and_defences_are_told_as_those_on_averages(told: Run) -> None:
    found = told.results
    first, second = found["revivals"]
    assert [(one["round"], one["adversary"], one["policy"]) for one in (first, second)] == [
        (3, "zero_scan", "vote(0.5)"),
        (4, "adaptive", "vote(0.5)"),
    ]
    assert first["location_auc"] == 1.0, "before the defence every zero shows"
    assert 0.3 < second["location_auc"] < 0.7, "in the next round, whose release is another, the defence is still there"
    assert found["not_played"] == []
    (concept,) = found["concepts"]
    assert (concept["policy"], concept["original"], concept["erased"]) == ("vote(0.5)", first["original"], first["pruned"])
    assert 0 < concept["density"] < 1
    assert concept["survival"] is not None
    assert 0 <= found["release"]["sampled"] <= 1
    assert found["release"]["scale"] == 2.0
    assert found["recommendation"]


@pytest.mark.slow
def test_a_curious_neighbour_attacks_relayed_seeds_one_by_one(play: Play) -> None:
    seeds = {**ATTACK, "target": "seed"}
    played = play(**BARE, event=[ERASE, seeds, {**seeds, "adversary": {"kind": "undiluter"}}])
    found = played.results["revivals"]
    assert [(one["seed_of"], one["policy"]) for one in found] == [(0, None), (1, None), (3, None)], "peer 2 was not asked"
    assert all(one["location_auc"] == 1.0 and one["original"] is not None for one in found)
    assert len({json.dumps(one["sign_accuracy"]) for one in found}) > 1, "each is another model"
    assert played.results["curves"] == []
    assert len(played.results["not_played"]) == 3
    assert all("nothing is diluted" in one["why"] for one in played.results["not_played"])
    assert '"target"' not in resolve(scenario(event=[ERASE, ATTACK])).timeline.model_dump_json(), "plans keep their hash"


def test_a_release_is_the_start_moved_on_by_the_scale(play: Play) -> None:
    once, twice = (stored(play(**BARE, **federation(scale=scale), rounds=1)) for scale in (1.0, 2.0))
    start = stored(play(**BARE, rounds=1), releases.START)
    assert any((once[name] != array).any() for name, array in start.items())
    for name, array in start.items():
        np.testing.assert_allclose(twice[name] - array, 2 * (once[name] - array), atol=1e-5)


@pytest.mark.slow
def test_the_reference_scale_is_one_of_a_few_and_repeats(play: Play) -> None:
    chosen = federation(scale="reference")
    one, again = play(**BARE, **chosen, rounds=2), play(**BARE, **chosen, rounds=2)
    assert one.digest == again.digest
    assert one.results["release"]["scale"] in SCALES
    assert verify(one.folder) == []


def test_without_the_table_nothing_is_released_and_seeds_are_not_cut(play: Play, told: Run) -> None:
    bare = {key: value for key, value in SMALL["federation"].items() if key != "release"}
    plain = play(**BARE, federation=bare, event=[LEAVE, ERASE])
    assert "release" not in plain.results
    assert not any(key in plain.plan.model_dump_json() for key in ('"release":', '"released":')), "plans keep their hash"
    assert not any(name.startswith("mask/") for name in seed_of(plain, 0))
    assert any(name.startswith("mask/") for name in seed_of(told, 0))


def seed_of(one: Run, peer: int) -> dict[str, np.ndarray]:
    store = RunStore(one.folder)
    try:
        return wire.from_bytes(store.artefact(store.states()[peer].seed))
    finally:
        store.close()


def test_what_peers_send_is_cut_as_what_they_keep(told: Run) -> None:
    seed = seed_of(told, 1)
    layers = [name.removeprefix("mask/") for name in seed if name.startswith("mask/") and not name.endswith("#shape")]
    assert any((seed[parameter_of(layer)] == 0).any() for layer in layers)


@pytest.mark.slow
def test_a_release_that_keeps_the_leavers_seed_is_caught(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[int, Parcel] = {}
    blobs: dict[str, bytes] = {}
    honest, read = releases.sent, releases.ReleasingNeighbourhood._bytes_of

    def hoarding(mailbox: MailboxState, number: int) -> list[Parcel]:
        seen.update({parcel.owner: parcel for parcel in honest(mailbox, number)})
        return [seen[owner] for owner in sorted(seen)]

    def remembered(server: releases.ReleasingNeighbourhood, sha256: str) -> bytes:
        blobs[sha256] = blobs.get(sha256) or read(server, sha256)
        return blobs[sha256]

    monkeypatch.setattr(releases, "sent", hoarding)
    monkeypatch.setattr(releases.ReleasingNeighbourhood, "_bytes_of", remembered)
    play_one = cell_of(resolve(scenario())).coordinator

    def forgetful(*given: Any) -> Any:
        seen.clear()  # every run hoards for itself
        return play_one(*given)

    monkeypatch.setattr(type(cell_of(resolve(scenario()))), "coordinator", lambda self, *given: forgetful(*given))
    played = play(event=[LEAVE])
    monkeypatch.undo()
    assert played.results["erasures"][0]["max_abs_difference"] > 0.0
    problems = verify(played.folder)
    assert any("the server's release has other bytes than in the run in which it never was" in line for line in problems)
    assert any("not made of the seeds in circulation" in line for line in problems)


@pytest.mark.slow
def test_an_attack_is_compared_with_a_release_that_the_leaver_never_entered(play: Play) -> None:
    """Also where it leaves after the concept was erased: the release of before is made again without it."""
    late = [{**ERASE, "peers": "all"}, {**LEAVE, "round": 4}, ADAPTIVE | {"adversary": {"kind": "historian"}}]
    played = play(event=late)
    (row,) = played.results["revivals"]
    assert row["original"] is not None
    assert played.results["erasures"][0]["max_abs_difference"] == 0.0
    assert verify(played.folder) == []
    alone = play(event=[*late[:1], {**LEAVE, "round": 4, "peers": [0, 1, 2]}, DELETE | {"peer": 3}, late[2]], **BARE)
    (line,) = alone.results["not_played"]
    assert "no seed of round 2 is left" in line["why"]


class StopAfterTwo(Watch):
    """Breaks off the run when its second round is committed."""

    def stage(self, what: str, rounds: int, done: int) -> Any:
        def advance(now: Any) -> None:
            if now is not None and now.round == 2:
                raise KeyboardInterrupt

        return advance


def test_a_run_that_was_broken_off_ends_with_the_digest_it_would_have_had(told: Run, tmp_path: Path) -> None:
    folder = prepare(scenario(**STORY, **BARE), tmp_path / "broken")
    with pytest.raises(KeyboardInterrupt):
        resume(folder, StopAfterTwo())
    assert resume(folder).digest == told.digest


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["ray", "grpc"])
def test_every_engine_gives_the_same_digest(engine: str, play: Play, told: Run) -> None:
    assert play(**STORY, **BARE, engine={"kind": engine, "workers": 2}).digest == told.digest


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (federation(policy={"kind": "mean"}) | {"event": [ERASE, DEFEND]}, "policy 'mean' leaves no cut that could be filled"),
        (federation(policy={"kind": "server_mask"}), "federation.release.policy: server_mask cuts a model that all peers train"),
        ({"federation": {"kind": "fedavg"}, "topology": None, "event": [ERASE, {**ATTACK, "target": "seed"}]}, "fedavg relays no seeds"),
        (federation(scale=0), "federation.release.scale"),
        (federation(scale=1e42), "federation.release.scale"),
        (federation(scale="judge"), "federation.release.scale"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(changes: dict[str, Any], line: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        resolve(Scenario.parse({key: value for key, value in (SMALL | changes).items() if value is not None}))
    assert line in str(refused.value)


def test_check_tells_how_the_release_is_made() -> None:
    for scale, words in ((2.0, "policy vote(0.5), scale 2"), ("reference", "scale chosen on the public reference images")):
        plan = resolve(scenario(**federation(scale=scale)))
        assert words in dict(cell_of(plan).costs(plan))["released each round"]


def test_an_eraser_of_weights_that_nobody_trains_is_warned_of() -> None:
    event = [ERASE | {"method": {"kind": "resistant", "scope": scope}} for scope in ("all", "feed_forward")]
    (line,) = warnings(scenario(event=event))  # type: ignore[arg-type]
    assert line.startswith("event 1 (event.0): resistant changes all, of which design 'two_phase' trains feed-forward weights alone")
    assert not warnings(scenario(event=event, denoising={"design": "joint"}))  # type: ignore[arg-type]


def test_a_policy_that_does_not_keep_the_cut_is_warned_of() -> None:
    (line,) = warnings(scenario(event=[ERASE], **federation(policy={"kind": "mean"})))  # type: ignore[arg-type]
    assert "does not keep an erasure" in line
