from __future__ import annotations

import torch

from server.defences.recommend import recommend
from server.defences.secret import Secret

SECRET = Secret(b"sixteen bytes at the least")


def layer(seed: int) -> torch.Tensor:
    return torch.randn(64, 256, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).float()


def scattered(seed: int, share: float = 0.1) -> torch.Tensor:
    return torch.rand(64, 256, generator=torch.Generator().manual_seed(seed)) < share


def test_noise_as_loud_as_the_layer_hides_a_scattered_cut_and_fainter_noise_does_not():
    cut = {"a": scattered(1)}
    cut["a"][:, ::2] = False  # half the columns are untouched
    found = recommend({"a": layer(0).masked_fill(cut["a"], 0.0)}, cut, SECRET)
    assert found["fill"]["kind"] == "gaussian"
    assert found["fill"]["relative"] >= 0.75
    assert [one["hides"] for one in found["tried"]] == [False] * (len(found["tried"]) - 1) + [True]
    assert "weakest fill" in found["text"]
    for area in found["tried"][-1]["tests"].values():
        assert area["low"] <= area["value"] <= area["high"]


def test_where_nothing_hides_it_says_so():
    low_rank = layer(2)[:, :2] @ layer(3)[:2]
    cut = {"a": torch.zeros(64, 256, dtype=torch.bool)}
    cut["a"][:, :128] = scattered(4, 0.9)[:, :128]
    found = recommend({"a": low_rank.masked_fill(cut["a"], 0.0)}, cut, SECRET)
    assert found["fill"] is None
    assert found["text"].startswith("No fill defeats all tests")
    assert not any(one["hides"] for one in found["tried"])


def test_a_layer_that_is_cut_as_a_whole_has_no_place_to_hide():
    found = recommend({"a": torch.zeros(4, 8)}, {"a": torch.ones(4, 8, dtype=torch.bool)}, SECRET)
    assert found["fill"] is None
    assert "as a whole" in found["text"]
