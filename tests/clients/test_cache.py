from __future__ import annotations

import errno
from pathlib import Path

import pytest
import torch
from torch import nn

from clients.cache import configuration_hash, data_hash, load_or_train


def train(model: nn.Module) -> None:
    assert isinstance(model, nn.Linear)
    nn.init.constant_(model.weight, 3.0)


def no_training(model: nn.Module) -> None:
    raise AssertionError("trained again")


def test_the_second_time_comes_from_the_folder(tmp_path: Path) -> None:
    configuration = {"seed": 1, "spec": {"size": 8}}
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    assert not load_or_train(tmp_path / "new", configuration, first, train)
    assert load_or_train(tmp_path / "new", {"spec": {"size": 8}, "seed": 1}, second, no_training)
    assert all(torch.equal(p, q) for p, q in zip(first.parameters(), second.parameters(), strict=True))
    assert not load_or_train(tmp_path / "new", {"seed": 2}, nn.Linear(2, 2), train)
    assert len(list((tmp_path / "new").iterdir())) == 2


@pytest.mark.parametrize("damage", [b"", b"half a file", None])
def test_a_damaged_file_is_made_anew(tmp_path: Path, damage: bytes | None) -> None:
    load_or_train(tmp_path, {"seed": 1}, nn.Linear(2, 2) if damage is not None else nn.Linear(3, 3), train)
    path = next(tmp_path.iterdir())
    if damage is not None:
        path.write_bytes(damage)
    model = nn.Linear(2, 2)
    assert not load_or_train(tmp_path, {"seed": 1}, model, train)
    assert load_or_train(tmp_path, {"seed": 1}, nn.Linear(2, 2), no_training)
    assert bool((model.weight == 3.0).all())


def test_a_failed_training_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        load_or_train(tmp_path / "new", {"seed": 1}, nn.Linear(2, 2), no_training)
    assert not (tmp_path / "new").exists()


def test_a_full_disk_is_told_as_that_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, blob: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left on device"):
        load_or_train(tmp_path, {"seed": 1}, nn.Linear(2, 2), train)
    assert not list(tmp_path.iterdir())


def test_hashes_tell_configurations_and_data_apart() -> None:
    assert configuration_hash({"a": 1, "b": 2}) == configuration_hash({"b": 2, "a": 1}) != configuration_hash({"a": 1, "b": 3})
    x = torch.arange(6.0)
    assert data_hash(x) == data_hash(x.clone()) != data_hash(x.view(2, 3))
    assert data_hash(x) != data_hash(x.double())
    assert data_hash(x, None) == data_hash(x)
