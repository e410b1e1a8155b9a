"""Trainings and distillations of HDUS peers that come from the cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clients.diffusion import remembered
from clients.diffusion.hdus import peer as peers
from clients.diffusion.hdus.peer import HdusPeer
from clients.diffusion.hdus.spec import ShardedDenoiser
from tests.clients.diffusion.hdus.test_hdus_peer import config, worked

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
