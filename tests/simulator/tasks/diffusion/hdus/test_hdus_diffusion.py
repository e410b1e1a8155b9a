"""Peers that draw with their neighbours' seed denoisers: a departure leaves nothing, and the comparison notices when it does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clients import wire
from clients.diffusion.hdus import peer as hdus_peer
from clients.diffusion.hdus.ensemble import NoiseEnsemble
from clients.diffusion.hdus.main import DenoiserMain
from clients.diffusion.hdus.peer import HdusPeer
from clients.diffusion.hdus.sharding import ShardedMain
from clients.participant import ROWS
from clients.unlearning.contract import Cost, Outcome
from server.audit.intervals import wilson
from server.timeline import Round
from simulator.errors import ScenarioError
from simulator.progress import Watch
from simulator.runner import prepare, resume, run
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.storage.store import RunStore
from simulator.tasks.contract import cell_of
from simulator.tasks.diffusion.hdus.verification import grown_over
from tests.simulator.refusals import check_found_out

pytestmark = pytest.mark.usefixtures("own_cache")

SMALL: dict[str, Any] = {
    "name": "seeds-of-noise",
    "task": "diffusion",
    "seed": 2,
    "rounds": 3,
    "data": {
        "dataset": "digits",
        "rows": 300,
        "reference": 60,
        "test": 12,
        "partition": {"kind": "dirichlet", "alpha": 1.0, "min_rows": 10},
    },
    "peers": {"count": 4},
    "denoiser": {"widths": [8], "condition_width": 8, "heads": 2, "groups": 4},
    "denoising": {"backbone_steps": 3, "batch_size": 8, "warmup": 2},
    "sampling": {"steps": 2},
    "federation": {
        "kind": "hdus",
        "steps": 2,
        "judged": 0,
        "distillation": {"steps": 2, "batch_size": 8},
    },
    "topology": {"kind": "ring", "on_leave": "bridge"},
}
LEAVE = {"round": 3, "do": "leave", "peers": [2], "erase": True}
DELETE = {"round": 3, "do": "delete", "peer": 0, "rows": {"fraction": 0.2}}
ERASE = {"round": 2, "do": "erase", "concept": 3, "peers": [0, 1], "method": {"kind": "concept_prune", "calls": 1}}
REFUSE = {"round": 1, "do": "refuse", "peers": [1]}


def scenario(**changes: Any) -> Scenario:
    return Scenario.parse(SMALL | changes)


def federation(**changes: Any) -> dict[str, Any]:
    return SMALL["federation"] | changes


@pytest.fixture
def play(tmp_path: Path) -> Callable[..., Run]:
    return lambda **changes: run(scenario(**changes), tmp_path / "runs", Watch())


@pytest.fixture(scope="module")
def finished(own_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(scenario(event=[ERASE, LEAVE, DELETE], federation=federation(judged=1)), tmp_path_factory.mktemp("runs"), Watch())


def test_departure_and_deletion_are_exact_over_parameters_and_predicted_noise(finished: Run) -> None:
    """Also where the deletion makes a peer train again, and erase again the concept that it had erased."""
    peer, rows = finished.results["erasures"]
    assert (peer["kind"], peer["method"], peer["guarantee"], peer["gradient_steps"]) == ("peer", "drop_seed", "exact", 0)
    assert (rows["kind"], rows["method"], rows["guarantee"]) == ("rows", "retrain", "exact")
    assert rows["gradient_steps"] == 4
    for erasure in (peer, rows):
        assert erasure["max_abs_difference"] == 0.0
        assert erasure["max_abs_difference_nothing"] > 0.0, "the comparison would notice if nothing had been forgotten"
        assert [receipt["holder"] for receipt in erasure["receipts"]] == erasure["holders"] != []
    assert verify(finished.folder) == []


def test_results_tell_losses_by_round_and_what_the_judge_said(finished: Run) -> None:
    for row in finished.results["timeline"]:
        assert row["loss_local"] > 0
        assert row["loss_ensemble"] > 0
    first, last = finished.results["timeline"][0], finished.results["timeline"][-1]
    assert first["loss_ensemble"] == first["loss_local"], "no seed has come yet"
    assert last["loss_ensemble"] != last["loss_local"]
    accuracy = finished.results["accuracy"]
    assert accuracy["sampled"] == pytest.approx(np.mean(list(accuracy["classes"].values())))
    assert finished.results["judge"]["held_out_accuracy"] > 0.8
    (concept,) = finished.results["concepts"]
    assert (concept["concept"], concept["peers"], concept["guarantee"]) == (3, [0, 1], "behavioural")
    assert 0 < concept["density"] < 1
    assert concept["drawn"].keys() == {"local", "sampled", "n", "interval"}


def test_shares_of_ensembles_stand_with_numbers_and_intervals(finished: Run) -> None:
    accuracy, judged = finished.results["accuracy"], finished.plan.scenario.federation.judged
    assert accuracy["n"] == 10 * judged * 3, "three peers are left"
    for part, interval in (("sampled", "interval"), ("local", "local_interval")):
        assert accuracy[interval] == list(wilson(accuracy[part], accuracy["n"]))
    assert {key: one["share"] for key, one in accuracy["each"].items()} == accuracy["classes"]
    for one in accuracy["each"].values():
        assert (one["n"], one["interval"]) == (judged * 3, list(wilson(one["share"], judged * 3)))
    assert accuracy["worst"]["share"] == min(share for key, share in accuracy["classes"].items() if key != "3"), "3 was erased"
    (concept,) = finished.results["concepts"]
    assert concept["drawn"]["n"] == judged * 2, "of the two that erased it"
    assert concept["drawn"]["interval"]["local"] == list(wilson(concept["drawn"]["local"], judged * 2))
    judge = finished.results["judge"]
    assert judge["interval"] == list(wilson(judge["held_out_accuracy"], judge["n"]))


def test_noise_predicted_on_public_images_is_what_the_exam_compares(finished: Run) -> None:
    store = RunStore(finished.folder)
    try:
        pointers = dict(store.rows("select peer, sha256 from probabilities"))
        assert sorted(pointers) == [0, 1, 3]
        noise = [wire.from_bytes(store.artefact(sha256))["probabilities"] for sha256 in pointers.values()]
        ids = wire.from_bytes(store.artefact(store.states()[0].main))[ROWS]
    finally:
        store.close()
    assert all(one.shape == (12, 1, 8, 8) and one.dtype == np.float32 and one.any() for one in noise)
    assert len({one.tobytes() for one in noise}) == 3
    assert 0 < len(ids) < len(finished.plan.configs[0].rows)


SISA = {"kind": "sisa", "shards": 2, "slices": 2, "base": {"kind": "denoiser"}}
SHARDS: dict[str, Any] = {"peers": {"count": 4, "main": [SISA, {"kind": "denoiser"}]}, "event": [ERASE, LEAVE, DELETE]}


@pytest.fixture(scope="module")
def sharded(own_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(scenario(**SHARDS), tmp_path_factory.mktemp("runs"), Watch())


@pytest.mark.slow
def test_main_models_of_shards_forget_as_exactly_and_say_what_was_restarted(sharded: Run) -> None:
    peer, rows = sharded.results["erasures"]
    assert (peer["method"], peer["gradient_steps"]) == ("drop_seed", 0)
    assert (rows["method"], rows["guarantee"]) == ("sisa", "exact")
    for erasure in (peer, rows):
        assert erasure["max_abs_difference"] == 0.0
        assert erasure["max_abs_difference_nothing"] > 0.0
    assert rows["notes"] == ["cost: restarted shard 0 from before slice 1, shard 1 from before slice 1 (of 2 x 2)"]
    assert 0 < rows["gradient_steps"] <= 4 < rows["retrain_gradient_steps"]
    assert verify(sharded.folder) == []
    costs = dict(cell_of(sharded.plan).costs(sharded.plan))
    assert costs["gradient steps, deletions of images"] == f"{rows['gradient_steps']} at most"
    stored = [_main(sharded, number) for number in (0, 1)]
    sizes = [sum(array.nbytes for name, array in main.items() if ".ff." in name and "cut/" not in name) for main in stored]
    assert sizes[0] == 4 * sizes[1], "two shards and their two checkpoints"
    assert costs["main models"].startswith(f"{2 * sum(sizes):,} bytes")


ARRIVE = {"round": 3, "do": "arrive", "peers": [0, 1], "rows": {"fraction": 0.2}}


@pytest.mark.slow
def test_images_that_arrive_after_an_erasure_are_as_if_they_had_always_been_there(play: Callable[..., Run]) -> None:
    told = play(**SHARDS | {"event": [ERASE, ARRIVE]}, audit={"counterfactual": True})
    assert [(one["method"], one["guarantee"], one["equal"]) for one in told.results["arrivals"]] == [
        ("sisa", "exact", True),
        ("retrain", "exact", True),
    ]
    assert all(one["gradient_steps"] > 0 for one in told.results["arrivals"])
    assert verify(told.folder) == []


@pytest.mark.slow
def test_a_denoiser_that_takes_images_in_from_now_on_only_is_disproved(
    play: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    def from_now_on(main: DenoiserMain, ids: Any, images: Any) -> Outcome:
        main.ids, main.images = ids, images
        return Outcome(Cost(), "exact")

    monkeypatch.setattr(DenoiserMain, "add", from_now_on)
    told = play(event=[ARRIVE], audit={"counterfactual": True})
    assert [one["equal"] for one in told.results["arrivals"]] == [False, False]
    assert told.results["verdict"]["name"] == "disproved"


@pytest.mark.slow
def test_a_cut_that_has_grown_over_in_a_shard_is_found(sharded: Run) -> None:
    main = _main(sharded, 0)
    name = next(name for name, array in main.items() if name.startswith("shard/1/model/cut/") and array.any())
    owner, _, layer = name.rpartition("cut/")
    weight = main[f"{owner}unet.{layer}.weight"] = main[f"{owner}unet.{layer}.weight"].copy()
    weight[tuple(np.argwhere(main[name])[0])] = 0.5
    assert list(grown_over(main)) == [f"shard/1/model/layer {layer}: 1 of {int(main[name].sum())} entries that were cut are not zero"]


@pytest.mark.slow
def test_a_shard_that_restarts_one_slice_too_late_is_found_out(play: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    replay = ShardedMain._replay

    def late(main: ShardedMain, shard: int, stage: int) -> int:
        main.shards[shard] = seen[shard].get(stage + 1, main.shards[shard])
        return replay(main, shard, stage)

    def forget(main: ShardedMain, request: Any) -> Any:
        seen[:] = [dict(kept) for kept in main.checkpoints]
        return rightly(main, request)

    seen: list[Any] = []
    rightly = ShardedMain.forget
    monkeypatch.setattr(ShardedMain, "forget", forget)
    monkeypatch.setattr(ShardedMain, "_replay", late)
    played = play(**SHARDS | {"event": [DELETE]})
    assert played.results["erasures"][0]["max_abs_difference"] > 0.0
    assert any("differs" in line for line in verify(played.folder))


def test_plans_without_shards_are_as_ever() -> None:
    """A plain denoiser is what peers have anyway, and not told in plans, so that these keep their hash."""
    plain = resolve(scenario(peers={"count": 4, "main": [{"kind": "denoiser"}]}))
    assert plain.digest == resolve(scenario()).digest
    assert '"main"' not in plain.model_dump_json()


@pytest.mark.slow
def test_with_one_running_stream_a_departure_is_not_exact(play: Callable[..., Run]) -> None:
    played = play(event=[LEAVE], federation=federation(streams="sequential"))
    assert played.results["erasures"][0]["max_abs_difference"] > 0.0
    assert any("differs" in line for line in verify(played.folder))


@pytest.mark.slow
def test_seeds_distilled_from_ensembles_would_keep_a_trace_of_who_has_left(
    play: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    of_peer, real, ensembles = HdusPeer.distil, hdus_peer.distil, list[NoiseEnsemble]()

    def second_hand(peer: HdusPeer) -> int:
        ensembles[:] = [peer.ensemble]
        return of_peer(peer)

    monkeypatch.setattr(HdusPeer, "distil", second_hand)
    monkeypatch.setattr(hdus_peer, "distil", lambda student, _, *rest: real(student, ensembles[0], *rest))  # the planted fault
    monkeypatch.setattr(hdus_peer, "distil_or_remember", lambda _student, _phase, _determines, change: change())
    played = play(event=[LEAVE])
    assert played.results["erasures"][0]["max_abs_difference"] > 0.0
    assert any("differs" in line for line in verify(played.folder))


def test_a_neighbour_that_keeps_the_seed_is_found_out(play: Callable[..., Run]) -> None:
    check_found_out(play(event=[REFUSE, LEAVE]), 1, [3])


def test_who_erases_a_concept_cuts_it_and_sends_a_seed_without_it(play: Callable[..., Run]) -> None:
    audit = {"counterfactual": False}
    played, plain = play(event=[ERASE], audit=audit), play(audit=audit)
    ends = [_states(one) for one in (played, plain)]
    for peer in (0, 1):
        assert ends[0][peer][1] != ends[1][peer][1], "its seed has changed"
        cut = {name: mask for name, mask in _main(played, peer).items() if name.startswith("cut/")}
        assert any(mask.any() for mask in cut.values())
    for peer in (2, 3):
        assert ends[0][peer] == ends[1][peer], "who was not asked has the models it would have had"
    assert verify(played.folder) == []


def _states(played: Run) -> dict[int, tuple[str, str]]:
    store = RunStore(played.folder)
    try:
        return {peer: (state.main, state.seed) for peer, state in store.states().items()}
    finally:
        store.close()


def _main(played: Run, peer: int) -> dict[str, Any]:
    store = RunStore(played.folder)
    try:
        return wire.from_bytes(store.artefact(store.states()[peer].main))
    finally:
        store.close()


def test_a_request_that_was_never_carried_out_is_found(play: Callable[..., Run]) -> None:
    crash = {"round": 2, "do": "crash", "peers": [1], "phase": "before_training"}
    played = play(rounds=2, event=[ERASE, crash], audit={"counterfactual": False})
    assert verify(played.folder) == ["peer 1: has not carried out the request of round 2 to erase concept 3"]


def test_a_cut_that_has_grown_over_is_found(finished: Run) -> None:
    main = _main(finished, 1)
    assert list(grown_over(main)) == []
    name = next(name for name, array in main.items() if name.startswith("cut/") and array.any())
    weight = main[f"unet.{name.removeprefix('cut/')}.weight"] = main[f"unet.{name.removeprefix('cut/')}.weight"].copy()
    weight[tuple(np.argwhere(main[name])[0])] = 0.5
    (line,) = grown_over(main)
    assert "1 of" in line


class StopAfterTwo(Watch):
    """Breaks off the run when its second round is committed."""

    def stage(self, what: str, rounds: int, done: int) -> Callable[[Round | None], None]:
        def advance(now: Round | None) -> None:
            if now is not None and now.round == 2:
                raise KeyboardInterrupt

        return advance


def test_a_run_that_was_broken_off_ends_with_the_digest_it_would_have_had(play: Callable[..., Run], tmp_path: Path) -> None:
    short: dict[str, Any] = {"audit": {"counterfactual": False}, "event": [ERASE, LEAVE]}
    folder = prepare(scenario(**short), tmp_path / "broken")
    with pytest.raises(KeyboardInterrupt):
        resume(folder, StopAfterTwo())
    assert resume(folder).digest == play(**short).digest


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["ray", "grpc"])
def test_every_engine_gives_the_same_digest(engine: str, play: Callable[..., Run]) -> None:
    short = {"rounds": 2, "audit": {"counterfactual": False}, "event": [{**ERASE, "round": 1}]}
    workers = {"ray": {"workers": 2}, "grpc": {"workers": 2}}[engine]
    assert play(**short, engine={"kind": engine, **workers}).digest == play(**short).digest


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"topology": None}, "topology: hdus sends seeds to neighbours"),
        ({"event": [ERASE, {"round": 3, "do": "attack", "concept": 3}]}, "(event.1): attack is what a server does"),
        ({"event": [ERASE, {"round": 3, "do": "defend"}]}, "(event.1): defend is what a server does"),
        ({"federation": federation(seed={"widths": [8, 16, 16, 16, 16], "heads": 2, "groups": 4})}, "federation.seed: images of size 8"),
        ({"federation": federation(seed={"widths": [9], "heads": 2, "groups": 4})}, "federation.seed: width 9 is no multiple"),
        ({"denoising": {"design": "joint"}}, 'federation.seed: design "joint" has no public backbone'),
        ({"federation": federation(ensemble={"weights": "confidence"})}, "federation.ensemble.weights"),
        ({"federation": federation(ensemble={"self_weight": 1.5})}, "federation.ensemble.self_weight"),
        ({"peers": {"count": 4, "main": [SISA | {"shards": 3}]}}, "peers.main.0: sisa cannot divide 2 steps a round among 3 shards"),
        ({"peers": {"count": 4, "main": [SISA | {"slices": 3}]}}, "peers.main.0: sisa cannot spread 3 steps of a shard over 3 slices"),
        ({"federation": federation(steps=600), "peers": {"count": 4, "main": [SISA | {"shards": 500}]}}, "500 shards x 2 slices: ask for"),
        ({"peers": {"count": 4, "main": [SISA | {"base": {"kind": "mlp"}}]}}, "peers.main.0.base.kind: is 'mlp'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(changes: dict[str, Any], line: str) -> None:
    content = {key: value for key, value in (SMALL | changes).items() if value is not None}
    with pytest.raises(ScenarioError) as refused:
        resolve(Scenario.parse(content))
    assert line in str(refused.value)
