from __future__ import annotations

import pytest
import torch

from server.defences.fills import Gaussian
from server.defences.secret import Secret
from server.diffusion.audit.trial import Release, attack
from server.diffusion.metrics import VERSIONS
from server.revival.adversaries import Historian, ZeroScan
from server.revival.attack import Revival
from server.revival.knowledge import History, WeightsOnly

SECRET = Secret(b"sixteen bytes at the least")


def matrix(rows: int, columns: int, seed: int) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def original() -> dict[str, torch.Tensor]:
    return {"a": matrix(48, 3, 0) @ matrix(3, 96, 1), "b": matrix(48, 3, 2) @ matrix(3, 96, 3)}


@pytest.fixture
def cut(original) -> dict[str, torch.Tensor]:
    return {name: torch.rand(weight.shape, generator=torch.Generator().manual_seed(9)) < 0.05 for name, weight in original.items()}


def released(original, cut, defended: bool) -> Release:
    pruned = {name: weight.masked_fill(cut[name], 0.0) for name, weight in original.items()}
    weights = Gaussian(relative=1.0).seal(pruned, cut, SECRET).weights if defended else pruned
    return Release(weights, original, cut, defended)


def test_all_versions_differ_from_the_release_at_the_cut_alone(original, cut):
    release = released(original, cut, defended=False)
    outcome = attack(release, ZeroScan(), WeightsOnly(release.weights), ("key",), SECRET, Revival())
    assert tuple(outcome.versions) == VERSIONS
    for name in set(VERSIONS) - {"adaptive"}:  # which takes other entries for the cut
        for layer, weight in outcome.versions[name].items():
            assert torch.equal(weight[~cut[layer]], release.weights[layer][~cut[layer]])
    assert all(not bool(outcome.versions["pruned"][layer][cut[layer]].any()) for layer in cut)


def test_signs_of_low_rank_weights_are_found_and_the_place_too(original, cut):
    release = released(original, cut, defended=False)
    outcome = attack(release, ZeroScan(), WeightsOnly(release.weights), ("key",), SECRET, Revival())
    assert outcome.sign_accuracy > 0.97
    assert outcome.location_auc == 1.0
    assert outcome.n["sign_accuracy"] == sum(int(mask.sum()) for mask in cut.values())
    assert outcome.n["sign_accuracy_top_fifth"] == pytest.approx(outcome.n["sign_accuracy"] / 5, abs=2)
    assert {"location_auc", "column_auc"} <= set(outcome.interval)
    for name, (low, high) in outcome.interval.items():
        assert low <= getattr(outcome, name) <= high


def test_a_defended_release_is_compared_with_the_bare_cut_and_nothing_is_found_in_it(original, cut):
    release = released(original, cut, defended=True)
    assert release.ratio == pytest.approx(1.0, abs=0.1)
    outcome = attack(release, ZeroScan(), WeightsOnly(release.weights), ("key",), SECRET, Revival())
    assert all(not bool(outcome.versions["pruned"][layer][cut[layer]].any()) for layer in cut)
    assert all(torch.equal(outcome.versions["defended"][layer], release.weights[layer]) for layer in cut)
    assert all(torch.equal(outcome.versions["revived"][layer], release.weights[layer]) for layer in cut)
    assert outcome.sign_accuracy == 0.0
    assert "no place" in outcome.said


def test_who_has_the_history_gets_everything_back(original, cut):
    release = released(original, cut, defended=True)
    earlier = ({name: weight + 1e-4 for name, weight in original.items()}, original)
    outcome = attack(release, Historian(jump=3.0), History(release.weights, earlier), ("key",), SECRET, Revival())
    assert outcome.sign_accuracy > 0.9
    with pytest.raises(TypeError, match="attacks with History"):
        attack(release, Historian(), WeightsOnly(release.weights), ("key",), SECRET, Revival())
