"""A peer that draws with its neighbours' seeds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from flwr.app import ConfigRecord

from clients import wire
from clients.classification.hdus.peer import COUNTS
from clients.config import read
from clients.data.bundled import Digits
from clients.diffusion.denoiser import Denoiser, build
from clients.diffusion.hdus.config import HdusDenoisingConfig
from clients.diffusion.hdus.peer import HdusPeer
from clients.diffusion.hdus.spec import NoiseWeights, PlainDenoiser, SeedDenoiser, SeedDistillation, ShardedDenoiser
from clients.diffusion.local import MASK, parameter_of, unpacked
from clients.diffusion.spec import SMOKE, DenoiserTraining, Sampling
from clients.diffusion.subject import DenoiserSubject
from clients.participant import ROWS, Record, Update

SEED = SeedDenoiser(learns="all", widths=(8,), condition_width=8, heads=2, groups=4)
TINY = DenoiserTraining(batch_size=8, warmup=2)
METHOD = {"kind": "concept_prune", "calls": 2}


@pytest.fixture(autouse=True)
def _nothing_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train anew in every test, so that what is found equal was computed twice."""
    monkeypatch.setenv("LETHE_CACHE", str(tmp_path))
    monkeypatch.setattr("clients.diffusion.remembered.remembered", lambda configuration, make: dict(make()))


def config(peer: int = 0, **changes: Any) -> HdusDenoisingConfig:
    rows = tuple(range(100 + 40 * peer, 140 + 40 * peer))
    return HdusDenoisingConfig(
        run_seed=3,
        peer=peer,
        rounds=3,
        data=Digits(rows=400),
        denoiser=SMOKE,
        denoising=TINY,
        sampling=Sampling(steps=2),
        steps=3,
        seed=SEED,
        distillation=SeedDistillation(steps=3, batch_size=8),
        ensemble=NoiseWeights(),
        **({"rows": rows, "reference": tuple(range(30)), "test": tuple(range(30, 50)), "judged": 0, "streams": "keyed"} | changes),
    )


def packed(denoiser: Denoiser) -> Record:
    return wire.pack(wire.to_bytes({name: tensor.numpy() for name, tensor in denoiser.state_dict().items()}))


PUBLIC = {"backbone": packed(build(SMOKE, ("b",))), "seed_backbone": packed(build(SEED.beside(SMOKE), ("b",)))}


def awake(one: HdusDenoisingConfig, erase: list[dict[str, Any]] | None = None, **changes: Any) -> HdusPeer:
    peer = HdusPeer.new(one, **changes)
    return told(peer, erase)


def told(peer: HdusPeer, erase: list[dict[str, Any]] | None = None) -> HdusPeer:
    peer.receive({**PUBLIC, "orders": ConfigRecord({"erase": json.dumps(erase or [])})}, 1)
    return peer


def worked(one: HdusDenoisingConfig, **changes: Any) -> HdusPeer:
    peer = awake(one, **changes)
    peer.train()
    peer.distil()
    return peer


def test_config_travels_as_json_and_names_the_class() -> None:
    one = config()
    assert read(one.model_dump_json()) == one
    assert one.participant == "clients.diffusion.hdus.peer:HdusPeer"


def test_peer_comes_back_from_its_bytes_and_goes_on_as_if_it_had_stayed() -> None:
    stayed = worked(config())
    back = told(HdusPeer.restored(config(), stayed.main_blob))
    back.update = stayed.update
    assert back.main_blob == stayed.main_blob
    for peer in (stayed, back):
        peer.train()
        peer.distil()
    assert back.main_blob == stayed.main_blob
    assert stayed.update is not None
    assert back.update == stayed.update
    assert stayed.update.version == 2


def test_seed_does_not_know_the_neighbours() -> None:
    alone, befriended = worked(config()), awake(config())
    befriended.held[1] = worked(config(1)).update or pytest.fail("no seed")
    befriended.train()
    befriended.distil()
    assert befriended.update == alone.update
    assert befriended.main_blob == alone.main_blob


def test_dropping_a_seed_gives_back_what_the_peer_drew_before() -> None:
    peer, other = worked(config()), worked(config(1))
    before, noise = peer.evaluate()
    assert before["loss.ensemble"] == before["loss.local"]
    assert other.update is not None
    peer.held[1] = other.update
    with_help, helped = peer.evaluate()
    assert not np.array_equal(noise, helped)
    assert with_help["loss.local"] == before["loss.local"]
    (receipt,) = peer.drop([1, 5])
    assert (receipt.owner, receipt.version, receipt.sha256) == (1, 1, other.update.sha256)
    after, again = peer.evaluate()
    np.testing.assert_array_equal(again, noise)
    assert after == before


def test_forgotten_images_leave_main_seed_and_histogram() -> None:
    kept = tuple(row for row in config().rows if row not in (101, 139))
    peer, never = worked(config()), worked(config(rows=kept))
    assert peer.update is not None
    assert peer.update != never.update
    assert peer.forget([139, 101]).cost.gradient_steps == 3
    peer.distil()
    assert peer.main_blob == never.main_blob
    assert never.update is not None
    assert peer.update.blob == never.update.blob
    arrays = wire.from_bytes(peer.update.blob)
    assert arrays[COUNTS].sum() == 38
    assert wire.from_bytes(peer.main_blob)[ROWS].tolist() == list(kept)


def test_erased_concept_is_cut_from_the_main_and_from_the_next_seed_once() -> None:
    peer = worked(config())
    plain = worked(config())
    request = {"index": 0, "concept": 3, "method": METHOD}
    for one, orders in ((peer, [request]), (plain, [])):
        told(one, orders)
        one.train()
        one.distil()
    assert peer.main.masks
    assert not plain.main.masks
    assert peer.update != plain.update
    cuts = peer.main.cuts
    told(peer, [request])
    peer.train()
    assert peer.main.cuts == cuts, "a request that comes again is not carried out again"
    back = told(HdusPeer.restored(config(), peer.main_blob))
    assert back.main_blob == peer.main_blob == wire.to_bytes({**back.main.state(), ROWS: back.rows})


def asked(peer: HdusPeer, *orders: dict[str, Any]) -> dict[str, Any]:
    """Let a peer work for a round with these requests, and return what it sends."""
    told(peer, list(orders))
    peer.train()
    peer.distil()
    assert peer.update is not None
    return wire.from_bytes(peer.update.blob)


def test_where_a_model_is_released_what_is_sent_is_what_would_have_been_sent_pruned() -> None:
    request = {"index": 0, "concept": 3, "method": METHOD}
    released = config(released=True)
    peer = worked(released)
    before = wire.from_bytes(peer.update.blob)  # type: ignore[union-attr]
    assert not any(name.startswith(MASK) for name in before)
    sent = asked(peer, request)
    masks = unpacked(sent)
    assert any(bool(mask.any()) for mask in masks.values())
    for name, array in before.items():
        mask = next((mask.numpy() for layer, mask in masks.items() if name == parameter_of(layer)), None)
        np.testing.assert_array_equal(sent[name], array if mask is None else np.where(mask, 0, array))
    later = asked(peer, request)
    assert not np.array_equal(later["unet.conv_in.weight"], before["unet.conv_in.weight"]), "distilled again, from the cut main model"
    for layer, mask in unpacked(later).items():
        assert not later[parameter_of(layer)][mask.numpy()].any()


def test_a_deletion_after_the_erasure_gives_the_seed_of_who_never_had_the_rows() -> None:
    request = {"index": 0, "concept": 3, "method": METHOD}
    kept = tuple(row for row in config().rows if row not in (101, 139))
    peer, never = worked(config(released=True)), worked(config(released=True, rows=kept))
    for one in (peer, never):
        asked(one, request)
    peer.forget([101, 139])
    told(peer, [request])
    peer.distil()
    again = told(HdusPeer.restored(config(released=True, rows=kept), never.main_blob), [request])
    again.distil()
    assert peer.update is not None
    assert again.update is not None
    assert peer.update.blob == again.update.blob


@pytest.mark.parametrize("main", [PlainDenoiser(), ShardedDenoiser(shards=1, slices=1)])
def test_a_later_eraser_sees_no_image_of_what_was_erased_earlier(main: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[int] = set()
    usual = DenoiserSubject._rows

    def noted(subject: DenoiserSubject, rows: Any) -> Any:
        seen.update(usual(subject, rows).classes.tolist())
        return usual(subject, rows)

    monkeypatch.setattr(DenoiserSubject, "_rows", noted)
    peer = worked(config(released=True, main=main))
    salun = {"kind": "salun", "steps": 1, "batches": 1, "batch_size": 4}
    asked(peer, {"index": 0, "concept": 3, "method": METHOD}, {"index": 1, "concept": 5, "method": salun})
    assert seen == set(range(10)) - {3}


@pytest.mark.parametrize("main", [PlainDenoiser(), ShardedDenoiser(shards=1, slices=1)])
def test_what_is_cut_stays_cut_when_a_later_eraser_writes_whole_layers(main: Any) -> None:
    peer = worked(config(main=main))
    salun = {"kind": "salun", "steps": 1, "batches": 1, "batch_size": 4, "share": 1.0}
    told(peer, [{"index": 0, "concept": 3, "method": METHOD}, {"index": 1, "concept": 5, "method": salun}]).train()
    weights, masks = peer.main.state(), {layer.removeprefix("shard/0/"): mask for layer, mask in peer.main.masks.items()}
    prefix = "shard/0/model/" if isinstance(main, ShardedDenoiser) else ""
    assert any(bool(mask.any()) for mask in masks.values())
    assert not any(weights[prefix + parameter_of(layer)][mask.numpy()].any() for layer, mask in masks.items())


@pytest.mark.parametrize("main", [PlainDenoiser(), ShardedDenoiser(shards=1, slices=1)])
def test_an_erasure_that_finds_nothing_any_more_is_counted_and_ends_no_deletion(main: Any) -> None:
    request = {"index": 0, "concept": 3, "method": {"kind": "salun", "steps": 1, "batches": 1, "batch_size": 4}}
    peer = worked(config(main=main))
    told(peer, [request]).train()
    assert "erasures.failed" not in peer.evaluate()[0]
    threes = peer.rows[(peer._images(peer.rows).classes == 3).numpy()]
    never = worked(config(main=main, rows=tuple(int(row) for row in peer.rows if row not in threes)))
    told(never, [request]).train()
    assert never.evaluate()[0]["erasures.failed"] == 1
    assert peer.forget(threes).guarantee == "exact"
    assert peer.main_blob == never.main_blob
    assert isinstance(main, ShardedDenoiser) or peer.evaluate()[0]["erasures.failed"] == 1


def test_neighbours_draw_with_a_cut_seed() -> None:
    other = worked(config(1, released=True))
    asked(other, {"index": 0, "concept": 3, "method": METHOD})
    peer = worked(config(released=True))
    peer.held[1] = other.update or pytest.fail("no seed")
    assert np.isfinite(peer.evaluate()[1]).all()


def test_another_key_trains_and_distils_otherwise() -> None:
    keyed, other = worked(config()), worked(config(), stream=("sequential", 3, 7))
    assert keyed.main_blob != other.main_blob
    assert keyed.update != other.update
    assert config(streams="sequential").sequential
    assert not config().sequential


def test_samples_are_judged_by_class() -> None:
    peer = worked(config(judged=1))
    scores, noise = peer.evaluate()
    assert noise.shape == (20, 1, 8, 8)
    assert noise.dtype == np.float32
    each = [scores[f"accuracy.sampled.{number}"] for number in range(10)]
    assert scores["accuracy.sampled"] == pytest.approx(np.mean(each))
    assert set(each) <= {0.0, 1.0}
    assert "accuracy.sampled" not in worked(config()).evaluate()[0]


def test_ensemble_weighs_the_histograms_that_came_with_the_seeds() -> None:
    peer = worked(config())
    weights = {name: tensor.numpy() for name, tensor in build(SEED.beside(SMOKE), ("n",)).state_dict().items()}
    peer.held[9] = Update(1, wire.to_bytes({**weights, COUNTS: np.full(10, 1000)}))
    table = peer.ensemble.weights
    assert table.shape == (2, 11)
    assert bool((table[1] > 0.9).all())
    torch.testing.assert_close(table.sum(dim=0), torch.ones(11))
