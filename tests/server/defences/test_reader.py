from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from clients.streams import torch_generator
from server.defences.fills import FillSpec, Gaussian, RedrawnColumns
from server.defences.reader import Reader, column_features
from server.defences.secret import Secret
from server.revival.locate import strongest

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
    return Reader([released(model, fill) for model in range(4)]).auc(*released(9, fill)).value


def test_it_points_at_the_cut_of_a_model_it_never_saw_and_not_at_that_of_redrawn_columns() -> None:
    def share_found(fill: FillSpec) -> float:
        weights, masks = released(9, fill)
        places = Reader([released(model, fill) for model in range(4)]).places(weights)
        assert sum(int(place.sum()) for place in places.values()) == pytest.approx(sum(int(mask.sum()) for mask in masks.values()), rel=0.2)
        return sum(int((places[name] & mask).sum()) for name, mask in masks.items()) / sum(int(place.sum()) for place in places.values())

    quiet, hidden = share_found(Gaussian(relative=0.05)), share_found(RedrawnColumns())
    assert quiet > 0.8
    assert hidden < 0.3


def test_the_reader_finds_noise_on_a_model_it_never_saw_but_neither_untouched_nor_redrawn_columns() -> None:
    assert read(Gaussian(relative=1.0)) > 0.9
    assert read(None) == pytest.approx(0.5, abs=0.12)
    assert read(RedrawnColumns()) < 0.7


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
