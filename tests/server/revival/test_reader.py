from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from clients.streams import torch_generator
from server.defences.detection import score_auc
from server.defences.fills import FillSpec, Gaussian, RedrawnColumns
from server.defences.secret import Secret
from server.revival.knowledge import OwnReleases
from server.revival.locate import strongest
from server.revival.oracle import sign_accuracy
from server.revival.reader import Reader, column_features
from server.revival.reading import Read

Layers = dict[str, Tensor]


def released(model: int, fill: FillSpec | None) -> tuple[Layers, Layers]:
    """A model of two layers that share four directions with noise, cut where rows are largest in half of the columns, and filled."""
    weights, masks = {}, {}
    for name in ("a", "b"):
        generator = torch_generator("reader", model, name)
        loud = torch.rand(160, generator=generator) + 0.5
        common = torch.randn(32, 4, generator=generator) @ torch.randn(4, 160, generator=generator)
        weights[name] = (common + torch.randn(32, 160, generator=generator)) * loud
        half = torch.rand(160, generator=generator) < 0.5
        masks[name] = torch.stack([strongest(row.abs() * half, None, 0.16) for row in weights[name]])
    if fill is None:
        return weights, masks
    pruned = {name: weight.masked_fill(masks[name], 0.0) for name, weight in weights.items()}
    return fill.seal(pruned, masks, Secret(b"the secret of model %04d" % model)).weights, masks


def read(fill: FillSpec | None) -> float:
    weights, masks = released(9, fill)
    return score_auc(Reader.of([released(model, fill) for model in range(4)]).scores(weights), masks).value


def test_it_points_at_the_cut_of_a_model_it_never_saw_and_not_at_that_of_redrawn_columns() -> None:
    def share_found(fill: FillSpec) -> float:
        weights, masks = released(9, fill)
        places = Reader.of([released(model, fill) for model in range(4)]).places(weights)
        assert sum(int(place.sum()) for place in places.values()) == pytest.approx(sum(int(mask.sum()) for mask in masks.values()), rel=0.2)
        return sum(int((places[name] & mask).sum()) for name, mask in masks.items()) / sum(int(place.sum()) for place in places.values())

    quiet, hidden = share_found(Gaussian(relative=0.05)), share_found(RedrawnColumns())
    assert quiet > 0.8
    assert hidden < 0.3


def test_the_reader_finds_noise_on_a_model_it_never_saw_but_neither_untouched_nor_redrawn_columns() -> None:
    assert read(Gaussian(relative=1.0)) > 0.9
    assert read(None) == pytest.approx(0.5, abs=0.12)
    assert read(RedrawnColumns()) < 0.7


def test_it_takes_as_large_a_share_of_entries_as_was_cut_from_edited_columns_of_unlike_layers() -> None:
    layers = []
    for name, (rows, columns), cut, most in (("wide", (8, 60), 30, 4), ("tall", (32, 20), 5, 8)):
        mask = torch.zeros(rows, columns, dtype=torch.bool)
        mask[:most, :cut] = True
        layers.append((torch.randn(rows, columns, generator=torch_generator("unlike", name)).masked_fill(mask, 0.0), mask))
    place = Reader(layers).places({"wide": layers[0][0]})["wide"]
    assert int(place.any(dim=0).sum()) == round(35 / 80 * 60)
    assert int(place.sum()) == int((30 * 4 + 5 * 8) / (30 * 8 + 5 * 32) * 26 * 8 + 0.5)


def test_features_are_ranks_that_follow_their_columns() -> None:
    weight = released(0, None)[0]["a"]
    features = column_features(weight)
    assert features.shape[0] == 160
    assert bool(((features > 0) & (features <= 1)).all())
    order = torch.randperm(160, generator=torch_generator("order"))
    np.testing.assert_allclose(column_features(weight[:, order]), features[order.numpy()], atol=0.02)
    np.testing.assert_allclose(column_features(weight * 7), features, atol=0.02)
    for odd in (torch.zeros(3, 5), torch.randn(40, 6, generator=torch_generator("tall"))):
        assert bool(np.isfinite(column_features(odd)).all())


def cuts_of_its_own(weights: Layers, fill: FillSpec | None, shuffled: bool = False) -> OwnReleases:
    """Six releases that an adversary made of the one it holds, by the same rule on other halves of the columns."""
    made = []
    for number in range(6):
        generator, masks = torch_generator("own", number), {}
        for name, weight in weights.items():
            half = torch.rand(160, generator=generator) < 0.5
            masks[name] = torch.stack([strongest(row.abs() * half, None, 0.16) for row in weight])
        pruned = {name: weight.masked_fill(masks[name], 0.0) for name, weight in weights.items()}
        given = pruned if fill is None else fill.seal(pruned, masks, Secret(b"a secret of its own, %04d" % number)).weights
        if shuffled:
            masks = {name: mask[:, torch.randperm(160, generator=generator)] for name, mask in masks.items()}
        made.append((given, masks))
    return OwnReleases(weights, tuple(made))


def area(known: OwnReleases, masks: Layers) -> float:
    return score_auc(Read().attack(known).columns, masks).value


def test_who_cuts_the_released_model_again_finds_its_scar_in_it() -> None:
    _, masks = whole = released(9, None)
    pruned = {name: weight.masked_fill(masks[name], 0.0) for name, weight in whole[0].items()}
    found = Read().attack(cuts_of_its_own(pruned, None))
    places, true = (torch.cat([one[name].flatten() for name in masks]) for one in (found.places, masks))
    assert float(true[places].double().mean()) > 0.9, "where it points is cut"
    assert sign_accuracy(found.guesses, masks, whole[0]).overall > 0.6
    assert found.said.endswith("as learned from 6 releases of its own")
    sealed, _ = released(9, Gaussian(relative=1.0))
    assert area(cuts_of_its_own(sealed, Gaussian(relative=1.0)), masks) > 0.8


def test_it_finds_nothing_in_a_model_that_nobody_cut_nor_after_lessons_with_wrong_masks() -> None:
    uncut, masks = released(9, None)
    assert area(cuts_of_its_own(uncut, Gaussian(relative=1.0)), masks) == pytest.approx(0.5, abs=0.12)
    sealed, _ = released(9, Gaussian(relative=1.0))
    assert area(cuts_of_its_own(sealed, Gaussian(relative=1.0), shuffled=True), masks) == pytest.approx(0.5, abs=0.12)
