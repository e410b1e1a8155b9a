"""The concept whose neurons were edited is named from zeros; from a scar elsewhere, or a fill that hides it, nobody is named."""

from __future__ import annotations

import torch
from torch import Tensor

from server.defences.fills import Gaussian, RedrawnColumns
from server.defences.secret import Secret
from server.revival.knowledge import WithActivity
from server.revival.naming import by_chance, likeness

SECRET = Secret(b"sixteen bytes at the least")
CONCEPTS, COLUMNS = 6, 240


def planted(seed: int, concept: int | None) -> tuple[Tensor, Tensor, tuple[dict[str, Tensor], ...]]:
    """Return a layer of low rank, a cut in columns that a concept excites (or anywhere), and the excitation by every concept."""
    draw = torch.Generator().manual_seed(seed)
    weight = torch.randn(48, 8, generator=draw) @ torch.randn(8, COLUMNS, generator=draw) + torch.randn(48, COLUMNS, generator=draw)
    activity = torch.rand(CONCEPTS, COLUMNS, generator=draw, dtype=torch.float64) + 0.2
    loud = torch.rand(COLUMNS, generator=draw) if concept is None else activity[concept] / activity.sum(dim=0)
    columns = loud.argsort(descending=True)[: COLUMNS // 4]
    mask = torch.zeros(48, COLUMNS, dtype=torch.bool)
    mask[:, columns] = torch.rand(48, len(columns), generator=draw) < 0.5
    return weight, mask, tuple({"a": one} for one in activity)


def best(weight: Tensor, activity: tuple[dict[str, Tensor], ...]) -> int:
    found = likeness(WithActivity({"a": weight}, activity))
    return max(range(CONCEPTS), key=found.__getitem__)


def test_zeros_and_plain_noise_name_the_concept_and_redrawn_columns_do_not() -> None:
    right = dict.fromkeys(("cut", "gaussian", "redrawn"), 0)
    for seed in range(12):
        concept = seed % CONCEPTS
        weight, mask, activity = planted(seed, concept)
        cut, masks = {"a": weight.masked_fill(mask, 0.0)}, {"a": mask}
        right["cut"] += best(cut["a"], activity) == concept
        for name, fill in (("gaussian", Gaussian()), ("redrawn", RedrawnColumns())):
            right[name] += best(fill.seal(cut, masks, SECRET).weights["a"], activity) == concept
    assert right["cut"] == 12
    assert right["gaussian"] >= 10
    assert right["redrawn"] <= 6, "chance is two of twelve"


def test_a_zero_by_accident_hides_no_scar() -> None:
    named = 0
    for seed in range(12):
        concept = seed % CONCEPTS
        weight, mask, activity = planted(seed, concept)
        sealed = Gaussian().seal({"a": weight.masked_fill(mask, 0.0)}, {"a": mask}, SECRET).weights["a"].clone()
        sealed[seed, 7 * seed] = 0.0
        named += best(sealed, activity) == concept
    assert named >= 10


def test_a_scar_that_follows_no_concept_names_none() -> None:
    tops = []
    for seed in range(12):
        weight, mask, activity = planted(seed, None)
        found = likeness(WithActivity({"a": weight.masked_fill(mask, 0.0)}, activity))
        assert max(found) < 0.25
        tops.append(max(range(CONCEPTS), key=found.__getitem__))
    assert len(set(tops)) > 2


def test_a_whole_model_names_somebody_by_chance_alone() -> None:
    whole, cut = [], []
    for seed in range(20):
        weight, mask, activity = planted(seed, seed % CONCEPTS)
        whole.append(by_chance(WithActivity({"a": weight}, activity), draws=99))
        cut.append(by_chance(WithActivity({"a": weight.masked_fill(mask, 0.0)}, activity), draws=99))
    assert sum(p <= 0.05 for p in whole) <= 4, "one of twenty is expected"
    assert min(whole) < 0.3 < max(whole)
    assert cut == [0.01] * 20


def test_a_layer_without_any_edit_is_no_evidence() -> None:
    ones = {"a": torch.ones(4, 6), "b": torch.zeros(4, 6)}
    activity = {name: torch.rand(6, dtype=torch.float64) for name in ones}
    assert likeness(WithActivity(ones, (activity, activity))) == [0.0, 0.0]
    assert by_chance(WithActivity(ones, (activity, activity)), draws=9) == 1.0
