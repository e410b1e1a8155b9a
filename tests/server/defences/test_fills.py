from __future__ import annotations

import math

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from clients.streams import torch_generator
from server.defences.detection import (
    Auc,
    auc,
    column_auc,
    entry_auc,
    exact_zeros,
    expected_auc,
    expected_hit_rate,
    grid_auc,
    hit_rate,
)
from server.defences.fills import FILLS, Decoys, FillSpec, Gaussian, Permuted, RedrawnColumns
from server.defences.secret import Secret
from server.revival.attack import Revival, revive
from server.revival.columns import column_statistic
from server.revival.knowledge import WeightsOnly, WithMask
from server.revival.locate import strongest

SECRET = Secret(b"a secret of enough bytes")
FILL_SPECS = [spec() for spec in FILLS.specs()]
ids = [fill.kind for fill in FILL_SPECS]  # type: ignore[attr-defined]


def layers(share: float = 0.16, low_rank: bool = False) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    weights, masks = {}, {}
    for name, (m, n, scale) in {"a": (64, 256, 0.1), "b": (48, 192, 1.0)}.items():
        generator = torch_generator("fills test", name)
        weights[name] = scale * torch.randn(m, n, generator=generator)
        if low_rank:
            weights[name] += scale * 1.2 * torch.randn(m, 4, generator=generator) @ torch.randn(4, n, generator=generator) / 2
        columns = torch.rand(n, generator=generator) < 0.5
        masks[name] = (torch.rand(m, n, generator=generator) < 2 * share) & columns
    return weights, masks


def cut(weights: dict[str, Tensor], masks: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: weight.masked_fill(masks[name], 0.0) for name, weight in weights.items()}


@pytest.mark.parametrize("fill", FILL_SPECS, ids=ids)
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_every_fill_keeps_its_promises(fill: FillSpec, dtype: torch.dtype) -> None:
    weights, masks = layers(low_rank=True)
    weights = {name: weight.to(dtype) for name, weight in weights.items()}
    weights["untouched"] = torch.ones(3, 4, dtype=dtype)
    pruned = cut({n: weights[n] for n in masks}, masks) | {"untouched": weights["untouched"]}
    sealed = fill.seal(pruned, masks, SECRET)
    assert torch.equal(sealed.weights["untouched"], weights["untouched"])
    for name, mask in masks.items():
        assert sealed.weights[name].dtype == dtype
        assert bool(sealed.weights[name].isfinite().all())
        assert bool((sealed.filled[name] | ~mask).all())
        assert torch.equal(sealed.weights[name][~sealed.filled[name]], pruned[name][~sealed.filled[name]])
        if fill.kind == "redrawn_columns":  # type: ignore[attr-defined]
            continue  # its size follows the columns
        spread = float(weights[name][~mask].double().std())
        assert float(sealed.weights[name][sealed.filled[name]].double().std()) == pytest.approx(spread, rel=0.1)
    assert exact_zeros(sealed.weights) == 0
    again, other = fill.seal(pruned, masks, SECRET), fill.seal(pruned, masks, Secret(b"another secret, also long"))
    assert all(torch.equal(again.weights[name], sealed.weights[name]) for name in weights)
    assert not torch.equal(other.weights["a"], sealed.weights["a"])
    alone = fill.seal({"b": pruned["b"]}, {"b": masks["b"]}, SECRET)
    assert torch.equal(alone.weights["b"], sealed.weights["b"])


@pytest.mark.parametrize("fill", FILL_SPECS, ids=ids)
def test_no_fill_reads_what_was_cut(fill: FillSpec) -> None:
    weights, masks = layers()
    from_original, from_pruned = fill.seal(weights, masks, SECRET), fill.seal(cut(weights, masks), masks, SECRET)
    assert all(torch.equal(from_original.weights[n], from_pruned.weights[n]) for n in weights)


@pytest.mark.parametrize("ratio", [0.1, 0.5, 1.0, 2.0])
def test_gaussian_fill_has_the_spread_it_says(ratio: float) -> None:
    weights, masks = layers()
    sealed = Gaussian(relative=ratio).seal(cut(weights, masks), masks, SECRET)
    absolute = Gaussian(absolute=0.3).seal(cut(weights, masks), masks, SECRET)
    for name, mask in masks.items():
        wanted = ratio * float(weights[name][~mask].std())
        error = 3 * wanted / math.sqrt(2 * int(mask.sum()))
        assert abs(float(sealed.weights[name][mask].std()) - wanted) < error
        assert float(absolute.weights[name][mask].std()) == pytest.approx(0.3, rel=0.1)


@pytest.mark.parametrize("fill", [spec for spec in FILLS.specs() if "relative" in spec.model_fields])
def test_noise_of_no_size_is_no_fill(fill: type[FillSpec]) -> None:
    for scale in ("relative", "absolute"):
        if scale in fill.model_fields:
            with pytest.raises(ValidationError, match="greater than 0"):
                fill(**{scale: 0.0})
            fill(**{scale: 0.01})


def test_noise_has_one_scale() -> None:
    with pytest.raises(ValidationError, match="not both"):
        Gaussian(relative=1.0, absolute=1.0)


@pytest.mark.parametrize("ratio", [0.05, 0.25, 0.5, 1.0, 2.0, 4.0])
def test_gaussian_layers_obey_both_closed_forms(ratio: float) -> None:
    weights, masks = layers()
    weights["a"] = weights["a"] * 10  # one scale: the hit rate looks at all layers at once
    sealed = Gaussian(relative=ratio).seal(cut(weights, masks), masks, SECRET).weights
    share = sum(int(m.sum()) for m in masks.values()) / sum(m.numel() for m in masks.values())
    assert entry_auc(sealed, masks).value == pytest.approx(expected_auc(ratio), abs=0.02)
    assert hit_rate(sealed, masks) == pytest.approx(expected_hit_rate(share, ratio), abs=0.02)


def test_closed_forms_have_the_printed_values() -> None:
    printed_auc = {0.05: 0.97, 0.1: 0.94, 0.25: 0.84, 0.5: 0.70, 0.75: 0.59, 1: 0.50, 2: 0.30, 4: 0.16}
    printed_hits = {0.05: 0.76, 0.1: 0.63, 0.25: 0.43, 0.5: 0.28, 0.75: 0.21, 1: 0.16, 2: 0.09, 4: 0.05}
    for ratio, value in printed_auc.items():
        assert expected_auc(ratio) == pytest.approx(value, abs=0.006)
    for ratio, value in printed_hits.items():
        assert expected_hit_rate(0.16, ratio) == pytest.approx(value, abs=0.01)


def test_the_oracle_attack_gives_the_same_bits_for_every_fill() -> None:
    weights, masks = layers(low_rank=True)
    plain = revive(WithMask(cut(weights, masks), masks), Revival()).weights
    for ratio in [0.25, 1.0, 4.0]:
        sealed = Gaussian(relative=ratio).seal(cut(weights, masks), masks, SECRET).weights
        attacked = revive(WithMask(sealed, masks), Revival()).weights
        assert all(torch.equal(attacked[n], plain[n]) for n in plain)
        assert "no place" in revive(WeightsOnly(sealed)).said


def test_a_fill_lies_on_the_grid_of_its_layer() -> None:
    weights, masks = layers()
    stored_wide = {n: w.half().float() for n, w in weights.items()}
    sealed = Gaussian(relative=1.0).seal(cut(stored_wide, masks), masks, SECRET).weights
    assert all(torch.equal(w.half().float(), w) for w in sealed.values())
    assert grid_auc(sealed, masks).value == 0.5
    careless = {n: torch.where(masks[n], torch.randn(w.shape, generator=torch_generator("x")), w) for n, w in stored_wide.items()}
    assert grid_auc(careless, masks).value > 0.99
    quiet = Gaussian(absolute=1e-9).seal(cut(stored_wide, masks), masks, SECRET).weights
    assert exact_zeros(quiet) == 0


def test_noise_in_low_rank_columns_shows_and_untouched_columns_do_not() -> None:
    weights, masks = layers(low_rank=True)
    sealed = Gaussian(relative=1.0).seal(cut(weights, masks), masks, SECRET).weights
    assert abs(column_auc(weights, masks, rank=4).value - 0.5) < 0.1
    assert column_auc(sealed, masks, rank=4).value > 0.75
    assert column_auc(cut(weights, masks), masks, "std").value > 0.65


def concept_like(weights: dict[str, Tensor], share: float = 0.16) -> dict[str, Tensor]:
    """Masks that take the largest entries of each row among half of the columns."""
    masks = {}
    for name, weight in weights.items():
        half = torch.rand(weight.shape[1], generator=torch_generator("excited", name)) < 0.5
        masks[name] = torch.stack([strongest(row.abs() * half, None, share) for row in weight])
    return masks


def shown(weights: dict[str, Tensor], masks: dict[str, Tensor]) -> float:
    """Return the best of several column tests, at ranks below, at and above that of the layers."""
    coherences = [column_auc(weights, masks, "coherence", rank).two_sided for rank in (2, 4, 8, 16)]
    return max(column_auc(weights, masks, "std").two_sided, column_auc(weights, masks, "leading", rank=4).two_sided, *coherences)


def test_redrawn_columns_pass_for_untouched_ones_where_noise_does_not() -> None:
    weights, _ = layers(low_rank=True)
    masks = concept_like(weights)
    pruned = cut(weights, masks)
    plain, redrawn = (fill.seal(pruned, masks, SECRET).weights for fill in (Gaussian(relative=1.0), RedrawnColumns()))
    assert shown(weights, masks) < 0.6
    assert shown(plain, masks) > 0.9
    assert shown(redrawn, masks) < 0.6
    assert 0.45 < entry_auc(redrawn, masks).value < 0.55


def likeness(found: Tensor, wanted: Tensor, places: Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(found[places].double(), wanted[places].double(), dim=0))


def test_a_column_is_forgotten_the_more_the_less_of_it_survived() -> None:
    weight = layers(low_rank=True)[0]["a"]
    mask = torch.zeros_like(weight, dtype=torch.bool)
    mask[:6, :40], mask[:60, 40:80], mask[:, 80:120] = True, True, True
    column = torch.arange(256)
    lightly, heavily, wholly = mask & (column < 40), mask & (column >= 40) & (column < 80), mask & (column >= 80)
    sealed = RedrawnColumns().seal({"a": weight.masked_fill(mask, 0.0)}, {"a": mask}, SECRET)
    assert torch.equal(sealed.filled["a"], mask.any(dim=0).expand_as(mask))
    assert likeness(sealed.weights["a"], weight, sealed.filled["a"] & (column < 40)) > 0.6
    assert likeness(sealed.weights["a"], weight, lightly) > 0.2
    for places in (heavily, wholly):
        assert abs(likeness(sealed.weights["a"], weight, places)) < 0.2
    norms = torch.linalg.vector_norm(sealed.weights["a"], dim=0)
    assert float(norms[80:120].mean()) == pytest.approx(float(norms[120:].mean()), rel=0.1)


def test_not_even_the_mask_tells_what_redrawn_columns_held() -> None:
    weights, _ = layers(low_rank=True)
    masks = concept_like(weights)
    pruned = cut(weights, masks)
    right = {}
    for fill in (Gaussian(relative=1.0), RedrawnColumns()):
        guesses = revive(WithMask(fill.seal(pruned, masks, SECRET).weights, masks), Revival()).guesses
        signs = torch.cat([(guesses[name].sign() == weights[name].sign())[mask] for name, mask in masks.items()])
        right[type(fill)] = float(signs.double().mean())
    assert right[Gaussian] > 0.8
    assert right[RedrawnColumns] < right[Gaussian] - 0.15


def test_redrawing_needs_neither_untouched_columns_nor_observed_values() -> None:
    weight = layers(low_rank=True)[0]["a"]
    everywhere = torch.rand(weight.shape, generator=torch_generator("everywhere")) < 0.3
    tall, few = weight.T.contiguous(), torch.eye(4, 9) > 0
    for layer, mask in ((weight, everywhere), (tall, everywhere.T.contiguous()), (tall, tall > 0.3), (torch.zeros(4, 9), few)):
        sealed = RedrawnColumns().seal({"a": layer.masked_fill(mask, 0.0)}, {"a": mask}, SECRET).weights["a"]
        assert bool(sealed.isfinite().all())
        size, wanted = (float(x.double().square().mean()) for x in (sealed, layer[~mask]))
        assert size == pytest.approx(wanted, rel=0.5)


def test_decoys_cover_other_columns_with_patterns_of_the_cut() -> None:
    weights, masks = layers()
    filled = Decoys(share=0.5).seal(cut(weights, masks), masks, SECRET).filled
    for name, mask in masks.items():
        free = ~mask.any(dim=0)
        covered = filled[name][:, free].any(dim=0)
        assert int(covered.sum()) == int(0.5 * int(free.sum()) + 0.5)
        assert torch.equal(filled[name][:, ~free], mask[:, ~free])


def test_permuted_values_are_survivors() -> None:
    weights, masks = layers()
    sealed = Permuted().seal(cut(weights, masks), masks, SECRET).weights
    for name, mask in masks.items():
        for i in range(5):
            sizes = set(weights[name][i][~mask[i]].abs().tolist())
            drawn = sealed[name][i][mask[i]].abs().tolist()
            assert set(drawn) <= sizes
            assert len(set(drawn)) == len(drawn)


def test_auc_knows_ties_sides_and_its_own_error() -> None:
    edited = torch.tensor([True, True, False, False])
    assert auc(torch.tensor([3.0, 2.0, 1.0, 0.0]), edited).value == 1.0
    assert auc(torch.zeros(4), edited).value == 0.5
    assert auc(torch.tensor([0.0, 1.0, 2.0, 3.0]), edited).two_sided == 1.0
    below = auc(torch.tensor([0.0, 2.0, 1.0, 3.0]), edited)
    assert (below.value, below.folded) == (0.25, Auc(0.75, 1 - below.high, 1 - below.low))
    assert below.folded.folded == below.folded
    assert math.isnan(auc(torch.zeros(4), torch.ones(4, dtype=torch.bool)).value)
    generator = torch_generator("auc")
    covered = [auc(torch.randn(200, generator=generator), torch.arange(200) < 80).at_chance for _ in range(200)]
    assert 0.9 < sum(covered) / 200 <= 0.99


def test_column_statistics_match_the_svd() -> None:
    weight = layers(low_rank=True)[0]["a"]
    for matrix in [weight, weight.T.contiguous()]:
        u, s, vt = torch.linalg.svd(matrix.double(), full_matrices=False)
        leading = (u[:, :8] * s[:8]) @ vt[:8]
        torch.testing.assert_close(column_statistic(matrix, "leading"), leading.abs().mean(dim=0))
        torch.testing.assert_close(column_statistic(matrix, "coherence"), leading.norm(dim=0) / matrix.double().norm(dim=0))


def test_secrets_stay_secret() -> None:
    assert "enough" not in repr(SECRET)
    assert "enough" not in str(SECRET)
    assert Secret.new() != Secret.new()
    assert Secret.of_run(1) == Secret.of_run(1) != Secret.of_run(2)
    with pytest.raises(ValueError, match="at least 16"):
        Secret(b"short")


def test_bad_masks_are_answered_and_nothing_is_written() -> None:
    weights, masks = layers()
    with pytest.raises(ValueError, match="layer zzz"):
        Gaussian().seal(weights, {"zzz": masks["a"]}, SECRET)
    with pytest.raises(ValueError, match="every entry is masked"):
        Gaussian().seal(weights, {"a": torch.ones_like(masks["a"])}, SECRET)
