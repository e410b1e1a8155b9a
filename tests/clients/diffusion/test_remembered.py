"""Trainings and distillations of HDUS peers that come from the cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from clients.diffusion import remembered
from clients.diffusion.denoiser import Weighted
from clients.diffusion.hdus import peer as peers
from clients.diffusion.hdus.peer import HdusPeer
from clients.diffusion.hdus.spec import ShardedDenoiser
from clients.diffusion.remembered import Recalled
from tests.clients.diffusion.hdus.test_hdus_peer import SEED, config, worked

KINDS = ({}, {"main": ShardedDenoiser(shards=2, slices=2)})


@pytest.fixture
def worked_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Use an empty cache, and list what is trained or distilled and does not come from it."""
    monkeypatch.setenv("LETHE_CACHE", str(tmp_path))
    done: list[str] = []
    for module, name in ((remembered, "train_phase"), (peers, "distil")):
        usual = getattr(module, name)

        def noted(*values: Any, _usual: Any = usual, _name: str = name, **named: Any) -> Any:
            done.append(_name)
            return _usual(*values, **named)

        monkeypatch.setattr(module, name, noted)
    return done


def bytes_of(peer: HdusPeer) -> tuple[bytes, bytes]:
    assert peer.update is not None
    return peer.main_blob, peer.update.blob


@pytest.mark.parametrize("changes", KINDS)
def test_the_second_time_nothing_is_trained_and_every_byte_is_as_before(changes: dict[str, Any], worked_anew: list[str]) -> None:
    first = bytes_of(worked(config(**changes)))
    assert set(worked_anew) == {"train_phase", "distil"}
    worked_anew.clear()
    assert bytes_of(worked(config(**changes))) == first
    assert not worked_anew


@pytest.mark.parametrize("changes", KINDS)
def test_what_comes_from_the_cache_is_what_is_trained_without_one(
    changes: dict[str, Any], worked_anew: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    worked(config(**changes))
    from_cache = bytes_of(worked(config(**changes)))
    monkeypatch.setattr(remembered, "remembered", lambda configuration, make: dict(make()))
    assert bytes_of(worked(config(**changes))) == from_cache


@pytest.mark.slow
@pytest.mark.parametrize("changes", KINDS)
@pytest.mark.parametrize(
    ("other", "trained"),
    [({"rows": tuple(range(120, 140))}, True), ({"run_seed": 4}, True), ({"rounds": 4}, True), ({"reference": tuple(range(29))}, False)],
)
def test_nothing_else_is_taken_for_it(changes: dict[str, Any], other: dict[str, Any], trained: bool, worked_anew: list[str]) -> None:
    first = bytes_of(worked(config(**changes)))
    worked_anew.clear()
    second = bytes_of(worked(config(**changes).model_copy(update=other)))
    assert set(worked_anew) == {"distil", *(["train_phase"] if trained else [])}
    assert second[1] != first[1]


def test_another_device_finds_nothing(worked_anew: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    worked(config())
    worked_anew.clear()
    monkeypatch.setattr(peers, "where_computed", lambda config: {"compute": "a card"})
    worked(config())
    assert set(worked_anew) == {"train_phase", "distil"}


def test_a_seed_that_learns_other_weights_finds_nothing(worked_anew: list[str]) -> None:
    worked(config())
    worked_anew.clear()
    worked(config().model_copy(update={"seed": SEED.model_copy(update={"learns": "feed_forward"})}))
    assert set(worked_anew) == {"distil"}


def test_another_key_finds_nothing(worked_anew: list[str]) -> None:
    worked(config())
    worked_anew.clear()
    worked(config(), stream=(9, "other"))
    assert set(worked_anew) == {"train_phase", "distil"}


def test_a_damaged_entry_is_made_anew(tmp_path: Path, worked_anew: list[str]) -> None:
    first = bytes_of(worked(config()))
    for entry in tmp_path.glob("*.safetensors"):
        entry.write_bytes(b"?")
    assert bytes_of(worked(config())) == first


class Counting:
    """A model that counts how often it is asked."""

    def __init__(self, model: Weighted) -> None:
        self.model, self.asked = model, 0
        self.spec, self.null, self.device, self.tensors = model.spec, model.null, model.device, model.tensors

    def __call__(self, *inputs: Any) -> torch.Tensor:
        self.asked += 1
        return self.model(*inputs)


@pytest.mark.parametrize("changes", KINDS)
def test_predictions_are_computed_once_and_stay_the_same_bits(changes: dict[str, Any], worked_anew: list[str]) -> None:
    model = worked(config(**changes)).main.denoiser
    size = model.spec.size
    inputs = torch.randn(3, model.spec.channels, size, size), torch.arange(3), torch.arange(3)
    with torch.no_grad():
        wanted = model(*inputs)
    asked = Counting(model)
    for _ in range(2):
        assert torch.equal(Recalled({}, asked)(*inputs), wanted)
    assert asked.asked == 1
    Recalled({}, asked)(inputs[0] + 1, *inputs[1:])
    assert asked.asked == 2, "other inputs"
    asked.tensors = lambda: [*model.tensors()[:-1], model.tensors()[-1] + 1]
    Recalled({}, asked)(*inputs)
    assert asked.asked == 3, "other weights"


def test_an_evaluation_is_the_same_with_and_without_the_cache(worked_anew: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    peer = worked(config())
    assert peer.update is not None
    peer.held = {9: peer.update}
    (scores, noise), (again, noise_again) = peer.evaluate(), peer.evaluate()
    monkeypatch.setattr(remembered, "remembered", lambda configuration, make: dict(make()))
    anew, noise_anew = peer.evaluate()
    assert scores == again == anew
    assert (noise == noise_again).all()
    assert (noise == noise_anew).all()
