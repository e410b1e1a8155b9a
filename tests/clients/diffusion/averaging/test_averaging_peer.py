from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from flwr.app import ConfigRecord

from clients import wire
from clients.data.bundled import Digits
from clients.diffusion import local
from clients.diffusion.averaging.config import AveragedDenoisingConfig
from clients.diffusion.averaging.peer import AveragedPeer
from clients.diffusion.denoiser import build
from clients.diffusion.spec import SMOKE, DenoiserTraining, Sampling
from clients.diffusion.subject import DenoiserSubject
from clients.unlearning.pruning.concept_prune import ConceptPrune
from clients.unlearning.pruning.masks import pack_masks
from clients.unlearning.pruning.salun import SalUn

TRAINING = DenoiserTraining(backbone_steps=1, batch_size=8, warmup=1)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LETHE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def config(**changes: object) -> AveragedDenoisingConfig:
    constants = {"run_seed": 1, "peer": 0, "rounds": 4, "data": Digits(dataset="digits"), "reference": (1, 2), "test": tuple(range(9))}
    own = {"rows": tuple(range(20, 90)), "denoiser": SMOKE, "denoising": TRAINING, "sampling": Sampling(steps=8), "steps": 2}
    return AveragedDenoisingConfig.model_validate({**constants, **own, **changes})


@pytest.fixture(scope="module")
def backbone() -> bytes:
    return wire.to_bytes({name: tensor.numpy() for name, tensor in build(SMOKE, ("test",)).state_dict().items()})


def payload(backbone: bytes, weights=None, frozen=None, erase=(), listen: bool = False):
    denoiser = local.untrained(config(), backbone)
    weights = weights or local.exchanged(denoiser, TRAINING)
    shapes = {layer: weights[local.parameter_of(layer)].shape for layer in local.layers(config(), backbone)}
    masks = {layer: torch.zeros(shape, dtype=torch.bool) for layer, shape in shapes.items()} | (frozen or {})
    return {
        "backbone": wire.pack(backbone),
        "global": wire.pack(wire.to_bytes(weights)),
        "frozen": wire.pack(wire.to_bytes(pack_masks(masks))),
        "orders": ConfigRecord({"erase": json.dumps(list(erase)), "listen": listen}),
    }


def request(index: int = 0, concept: int = 3, method=None) -> dict:
    return {"index": index, "concept": concept, "method": (method or ConceptPrune()).model_dump(mode="json")}


def played(backbone: bytes, one: AveragedPeer | None = None, **given) -> AveragedPeer:
    peer = one or AveragedPeer.new(config())
    peer.receive(payload(backbone, **given), 1)
    peer.train()
    peer.distil()
    return peer


def test_only_feed_forward_weights_change_and_travel(backbone):
    before = wire.from_bytes(backbone)
    update = wire.from_bytes(played(backbone).update.blob)
    weights = {name: array for name, array in update.items() if name in before}
    assert weights.keys() | {"peer/count"} == update.keys()
    assert all(".ff." in name for name in weights)
    assert any(not np.array_equal(array, before[name]) for name, array in weights.items())


def test_what_was_cut_stays_cut_in_later_training_and_the_mask_travels_packed(backbone):
    peer = played(backbone, erase=[request()])
    update = wire.from_bytes(peer.update.blob)
    assert any(name.startswith("mask/") and array.dtype == np.uint8 for name, array in update.items())
    old = local.exchanged(local.untrained(config(), backbone), TRAINING)
    peer.receive(payload(backbone, weights=old), 2)  # a global model in which nothing was cut
    peer.train()
    peer.distil()
    cut = 0
    for layer, mask in peer.cut.items():
        array = peer.weights[local.parameter_of(layer)]
        assert not array[mask.numpy()].any()
        cut += int(mask.sum())
        assert (old[local.parameter_of(layer)][mask.numpy()] != 0).any(), "the control: there was something to cut"
    assert cut
    assert peer.done.tolist() == [0]


def test_frozen_entries_keep_the_value_that_the_server_gave_them(backbone):
    name = local.layers(config(), backbone)[0]
    weights = local.exchanged(local.untrained(config(), backbone), TRAINING)
    mask = torch.zeros(weights[local.parameter_of(name)].shape, dtype=torch.bool)
    mask[0] = True
    weights[local.parameter_of(name)] = np.where(mask.numpy(), np.float32(0.25), weights[local.parameter_of(name)])
    peer = AveragedPeer.new(config())
    peer.cut = {name: mask.clone()}  # its own cut would say zero
    played(backbone, peer, weights=weights, frozen={name: mask})
    assert (peer.weights[local.parameter_of(name)][0] == 0.25).all()
    assert (peer.weights[local.parameter_of(name)][1] != weights[local.parameter_of(name)][1]).any()


def test_it_no_longer_trains_on_images_of_what_it_erased(backbone):
    def classes(peer: AveragedPeer) -> set[int]:
        return set(peer._images().classes.tolist())

    fresh = AveragedPeer.new(config())
    assert 3 in classes(fresh)
    assert classes(played(backbone, fresh, erase=[request()])) == set(range(10)) - {3}


def test_it_comes_back_as_it_was(backbone):
    peer = played(backbone, erase=[request()])
    again = AveragedPeer.restored(peer.config, peer.main_blob)
    assert again.main_blob == peer.main_blob
    assert again.cut.keys() == peer.cut.keys()
    assert all(torch.equal(mask, peer.cut[layer]) for layer, mask in again.cut.items())


def test_a_cache_hit_gives_the_bytes_of_training_and_another_start_does_not_hit(backbone, cache):
    first = played(backbone).update.blob
    files = {path.name for path in cache.iterdir()}
    assert played(backbone).update.blob == first
    assert {path.name for path in cache.iterdir()} == files
    other = played(backbone, AveragedPeer.new(config(run_seed=2))).update.blob
    assert other != first
    assert {path.name for path in cache.iterdir()} > files
    for path in cache.iterdir():
        path.write_bytes(b"no safetensors file")
    assert played(backbone).update.blob == first


def test_a_proximal_pull_keeps_the_update_near(backbone):
    def moved(peer: AveragedPeer) -> float:
        start = local.exchanged(local.untrained(config(), backbone), TRAINING)
        return sum(float(np.abs(array - start[name]).sum()) for name, array in played(backbone, peer).weights.items())

    long = {"steps": 12, "rounds": 1}
    assert moved(AveragedPeer.new(config(proximal=1000.0, **long))) < moved(AveragedPeer.new(config(**long)))


def test_forgotten_rows_are_gone_and_an_update_without_training_is_the_model_as_it_came(backbone):
    peer = AveragedPeer.new(config())
    peer.receive(payload(backbone), 1)
    peer.forget([20, 21])
    assert peer.rows.tolist() == list(range(22, 90))
    peer.distil()
    update = wire.from_bytes(peer.update.blob)
    assert int(update.pop("peer/count")) == 68
    start = local.exchanged(local.untrained(config(), backbone), TRAINING)
    assert all(np.array_equal(array, start[name]) for name, array in update.items())


def test_where_the_server_cuts_it_only_tells_what_it_hears(backbone):
    peer = played(backbone, erase=[request()], listen=True)
    update = wire.from_bytes(peer.update.blob)
    assert not peer.cut
    assert any(name.startswith("heard/0/target/") for name in update)


def test_an_eraser_that_leaves_no_zeros_changes_the_weights_it_starts_from(backbone):
    method = SalUn(steps=1, batches=1, batch_size=4)
    peer, plain = played(backbone, erase=[request(method=method)]), played(backbone)
    assert not peer.cut
    assert peer.update.blob != plain.update.blob


def test_a_later_eraser_sees_no_image_of_what_was_erased_earlier(backbone, monkeypatch: pytest.MonkeyPatch):
    seen: list[set[int]] = []
    usual = DenoiserSubject._rows

    def noted(subject, rows):
        seen.append(set(usual(subject, rows).classes.tolist()))
        return usual(subject, rows)

    monkeypatch.setattr(DenoiserSubject, "_rows", noted)
    method = SalUn(steps=1, batches=1, batch_size=4)
    peer = played(backbone, erase=[request()])
    played(backbone, peer, erase=[request(), request(1, 5, method)])
    assert set().union(*seen) == set(range(10)) - {3}
    played(backbone, peer, erase=[request(2, 3, method)])
    assert {3} in seen, "a concept that is erased again is seen again"
    assert peer.failed == 0
