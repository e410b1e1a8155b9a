from __future__ import annotations

import pytest
import torch
from torch import Tensor

from clients.unlearning.pruning.concept_prune import ConceptPrune
from clients.unlearning.pruning.recorder import Activity
from server.defences.secret import Secret
from server.diffusion.audit.trial import Release
from server.diffusion.release.curves import dilution, listening, noise
from server.diffusion.release.policies import Mean, UnionZero
from server.diffusion.release.server_mask import ServerMask
from server.revival.attack import Revival

SECRET = Secret(b"sixteen bytes at the least")
ORIGINAL = {"a": torch.ones(2, 8)}
RULE = ConceptPrune(calls=1, share=0.25)  # two columns a row
SHARES = (0.0, 0.25, 0.5, 1.0)


def activity(*loud: int) -> Activity:
    sums = torch.ones(1, 8, dtype=torch.float64)
    sums[0, list(loud)] = 4.0
    return Activity({"a": sums}, {"a": 16}, 4)


def score(weights: dict[str, Tensor]) -> dict[str, float]:
    return {"target": float((weights["a"] != 0).double().mean())}


HEARD = [(activity(0, 1), activity()) for _ in range(3)] + [(activity(6, 7), activity())]
"""Three peers whose columns 0 and 1 speak of the concept, and one that hears it elsewhere."""


def test_one_peer_that_reports_is_enough_for_a_cut_and_none_for_none() -> None:
    points = list(listening(ORIGINAL, HEARD, SHARES, ServerMask(), RULE, score))
    assert [point["x"] for point in points] == [0.0, 0.25, 0.5, 1.0]
    assert [point["target"] for point in points] == [1.0, 0.75, 0.75, 0.75]


def test_the_cut_is_that_of_the_sums() -> None:
    cut: list[Tensor] = []

    def look(weights: dict[str, Tensor]) -> dict[str, float]:
        cut.append((weights["a"] == 0)[0])
        return {}

    list(listening(ORIGINAL, HEARD[::-1], (0.25, 1.0), ServerMask(), RULE, look))
    assert cut[0].nonzero().flatten().tolist() == [6, 7]
    assert cut[1].nonzero().flatten().tolist() == [0, 1]


@pytest.mark.parametrize(("policy", "expected"), [(Mean(), [1.0, 1.0, 1.0, 0.75]), (UnionZero(), [1.0, 0.75, 0.75, 0.75])])
def test_what_peers_cut_by_themselves_lasts_or_not(policy: Mean, expected: list[float]) -> None:
    cuts = [RULE.masks(ORIGINAL, *HEARD[0])] * 4
    assert [point["target"] for point in dilution(ORIGINAL, cuts, SHARES, policy, score, SECRET)] == expected


def test_a_cut_above_the_budget_is_left_out_of_the_curve_as_it_is_of_the_release() -> None:
    cuts = [RULE.masks(ORIGINAL, *HEARD[0]), {"a": torch.ones(2, 8) > 0}]
    shares = (0.5, 1.0)
    assert [point["target"] for point in dilution(ORIGINAL, cuts, shares, UnionZero(), score, SECRET)] == [0.75, 0.75]
    assert [point["target"] for point in dilution(ORIGINAL, cuts, shares, UnionZero(budget=1.0), score, SECRET)] == [0.75, 0.0]
    assert list(dilution(ORIGINAL, cuts[1:], (1.0,), UnionZero(), score, SECRET)) == []


def test_a_noise_level_of_zero_is_the_plain_cut() -> None:
    draw = torch.randn(16, 32, generator=torch.Generator().manual_seed(0))
    cut = {"a": torch.rand(16, 32, generator=torch.Generator().manual_seed(1)) < 0.2}
    pruned = {"a": draw.masked_fill(cut["a"], 0.0)}
    zero, one = noise(Release(pruned, {"a": draw}, cut, False), (0.0, 1.0), score, Revival(), SECRET)
    assert zero["target"] == 1 - float(cut["a"].double().mean())
    assert zero["entry_auc"] == 1.0
    assert one["target"] == 1.0
