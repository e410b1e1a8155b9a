from __future__ import annotations

import ast
import gc
from pathlib import Path

import pytest
import torch
from torch import Tensor

import server.revival
from clients.streams import torch_generator
from server.revival import oracle
from server.revival.attack import Revival, locate, revive
from server.revival.completion import complete
from server.revival.completion_specs import Published, SoftImpute
from server.revival.history import copy_from_client, rollback, subtract, undilute
from server.revival.knowledge import Adaptive, History, OwnImages, UnprunedClient, WeightsOnly, WithDensity, WithMask, WithShares
from server.revival.locate import ExactZeros, Extremes, Threshold, strongest
from server.revival.refill import refill
from server.revival.rivals import quantise, relearn


def layers(rank: int | None = 2, share: float = 0.05, dtype: torch.dtype = torch.float32) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    weights, masks = {}, {}
    for name, (m, n) in {"a": (24, 96), "b": (32, 80)}.items():
        generator = torch_generator("attack test", name)
        if rank is None:
            matrix = torch.randn(m, n, generator=generator)
        else:
            matrix = torch.randn(m, rank, generator=generator) @ torch.randn(rank, n, generator=generator)
        weights[name] = matrix.to(dtype)
        masks[name] = torch.rand(m, n, generator=generator) < share
    return weights, masks


def cut(weights: dict[str, Tensor], masks: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: weight.masked_fill(masks[name], 0.0) for name, weight in weights.items()}


def test_low_rank_scars_tell_the_signs() -> None:
    original, mask = layers()
    result = revive(WeightsOnly(cut(original, mask)))
    assert all(torch.equal(result.places[name], mask[name]) for name in mask)
    score = oracle.sign_accuracy(result.guesses, mask, original)
    assert score.overall > 0.97
    assert score.top_fifth >= score.overall
    assert score.n == sum(int(place.sum()) for place in mask.values())
    assert score.n_top_fifth == pytest.approx(score.n / 5, abs=len(mask))


def test_what_an_earlier_cut_had_made_zero_has_no_sign() -> None:
    original, mask = layers()
    earlier = {name: place & (torch.arange(place.shape[1]) % 2 == 0) for name, place in mask.items()}
    result, before = revive(WeightsOnly(cut(original, mask))), cut(original, earlier)
    score = oracle.sign_accuracy(result.guesses, mask, before)
    assert score.n == sum(int((mask[name] & ~earlier[name]).sum()) for name in mask)
    assert score.overall > 0.97


def test_independent_entries_tell_nothing() -> None:
    original, mask = layers(rank=None, share=0.2)
    score = oracle.sign_accuracy(revive(WeightsOnly(cut(original, mask))).guesses, mask, original)
    count = sum(int(m.sum()) for m in mask.values())
    assert abs(score.overall - 0.5) < 3 * 0.5 / count**0.5


@pytest.mark.parametrize("keep", [0.0, 0.2, 0.333, 0.6, 1.0])
@pytest.mark.parametrize("magnitude", ["row_max", "row_mean", "drawn", "as_is"])
def test_observed_entries_keep_their_bits_and_the_kept_count_is_exact(keep: float, magnitude: str) -> None:
    original, mask = layers(dtype=torch.float16)
    pruned = cut(original, mask)
    result = revive(WeightsOnly(pruned), Revival(keep=keep, magnitude=magnitude))  # type: ignore[arg-type]
    for name, place in mask.items():
        assert result.weights[name].dtype == torch.float16
        assert torch.equal(result.weights[name][~place], original[name][~place])
        assert int((result.weights[name][place] != 0).sum()) == int(keep * int(place.sum()) + 0.5)


def test_everything_kept_as_it_is_equals_the_completion() -> None:
    original, mask = layers()
    pruned = cut(original, mask)
    result = revive(WeightsOnly(pruned), Revival(keep=1.0, magnitude="as_is"))
    for name in mask:
        assert torch.equal(result.weights[name], complete(pruned[name], mask[name]).values.float())


def test_magnitudes_are_those_of_the_row() -> None:
    weights = {"a": torch.tensor([[1.0, -3.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])}
    places = {"a": weights["a"] == 0}
    guesses = {"a": torch.tensor([[0.0, 0.0, -0.1, 0.4], [0.3, 0.2, 0.1, 0.1]], dtype=torch.float64)}
    by_max = refill(weights, places, guesses, 1.0, "row_max", gain=2.0)["a"]
    assert by_max.tolist() == [[1.0, -3.0, -6.0, 6.0], [0.0, 0.0, 0.0, 0.0]]
    by_mean = refill(weights, places, guesses, 1.0, "row_mean")["a"]
    assert by_mean[0].tolist() == [1.0, -3.0, -2.0, 2.0]
    drawn = refill(weights, places, guesses, 1.0, "drawn")["a"]
    assert (drawn[0, 2:].abs() > 3.0).all()
    assert torch.equal(drawn, refill(weights, places, guesses, 1.0, "drawn")["a"])
    assert not torch.equal(drawn, refill(weights, places, guesses, 1.0, "drawn", seed=1)["a"])


def test_ties_are_broken_by_index() -> None:
    chosen = strongest(torch.ones(2, 5), torch.tensor([[True] * 5, [False, True, True, True, True]]), 0.5)
    assert chosen.tolist() == [[True] * 5, [False] * 5]


def test_without_zeros_the_input_comes_back_with_a_word() -> None:
    original, _ = layers()
    result = revive(WeightsOnly(original))
    assert "no place of a cut was found" in result.said
    assert all(torch.equal(result.weights[name], original[name]) for name in original)


def test_an_empty_row_or_column_gives_no_nan() -> None:
    original, mask = layers()
    mask["a"][3], mask["a"][:, 5] = True, True
    for settings in [Revival(), Revival(completion=Published()), Revival(magnitude="drawn")]:
        result = revive(WeightsOnly(cut(original, mask)), settings)
        assert bool(result.weights["a"].isfinite().all())
        assert not result.weights["a"][3].any()


def test_zeros_are_found_in_the_stored_type() -> None:
    half = {"a": torch.tensor([[1e-7, 1.0, 0.0, -0.0]], dtype=torch.float16)}
    assert ExactZeros().places(half)["a"].tolist() == [[False, False, True, True]]
    assert Threshold(size=1e-3).places(half)["a"].tolist() == [[True, False, True, True]]
    underflow = {"a": torch.tensor([[1e-9, 1.0]]).half()}
    report = oracle.location(ExactZeros().places(underflow), {"a": torch.tensor([[False, False]])})
    assert report.false == 1


def test_extremes_name_an_exact_share() -> None:
    original, _ = layers()
    total = sum(weight.numel() for weight in original.values())
    found = Extremes(share=0.1).places(original)
    assert sum(int(place.sum()) for place in found.values()) == int(0.1 * total + 0.5)
    cutoff = max(float(original[n].abs()[found[n]].max()) for n in found)
    assert all(bool((original[n].abs()[~found[n]] >= cutoff).all()) for n in found)
    largest = Extremes(share=0.1, side="largest", within="layer").places(original)
    for name, place in largest.items():
        assert original[name].abs()[place].min() >= original[name].abs()[~place].max()


def test_each_adversary_looks_where_its_knowledge_points() -> None:
    original, mask = layers()
    filled = {n: torch.where(m, torch.full_like(original[n], 1e-4), original[n]) for n, m in mask.items()}
    density = sum(int(m.sum()) for m in mask.values()) / sum(m.numel() for m in mask.values())
    rule = ExactZeros()
    assert not any(bool(p.any()) for p in locate(WeightsOnly(filled), rule).values())
    for knowledge in [WithMask(filled, mask), WithDensity(filled, density), Adaptive(filled, density, 0.01)]:
        found = oracle.location(locate(knowledge, rule), mask)
        assert found.found > 0.95
    loud = {n: torch.where(m, torch.full_like(original[n], 99.0), original[n]) for n, m in mask.items()}
    assert oracle.location(locate(Adaptive(loud, density, 9.0), rule), mask).found > 0.9
    assert oracle.location(locate(WithDensity(loud, density), rule), mask).found == 0.0
    with pytest.raises(ValueError, match="density"):
        WithDensity(filled, 0.0)


def test_knowledge_holds_copies_and_nothing_else() -> None:
    original, mask = layers()
    pruned = cut(original, mask)
    knowledge = WeightsOnly({name: weight.requires_grad_() for name, weight in pruned.items()})
    for name, weight in knowledge.weights.items():
        assert weight.data_ptr() != pruned[name].data_ptr()
        assert weight.grad_fn is None
        assert not weight.requires_grad
    view = WeightsOnly({"a": original["a"][:4]})
    assert view.weights["a"]._base is None
    reached, seen = [knowledge], set()
    while reached:
        thing = reached.pop()
        if id(thing) in seen or isinstance(thing, type):
            continue
        seen.add(id(thing))
        assert not any(thing is weight for weight in original.values())
        reached += [part for part in gc.get_referents(thing) if isinstance(part, dict | tuple | list | Tensor)]
    with pytest.raises(AttributeError):
        _ = knowledge.earlier  # type: ignore[attr-defined]


def test_no_attack_imports_the_oracle() -> None:
    folder = Path(server.revival.__file__).parent
    files = set(folder.rglob("*.py")) - {folder / "oracle.py"}
    assert {folder / "attack.py", folder / "adversaries.py"} <= files
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            assert "oracle" not in module.split(".") + names, file


def test_floor_and_ceiling_frame_the_revival() -> None:
    original, mask = layers()
    pruned = cut(original, mask)
    settings = Revival()
    ceiling = oracle.true_signs(pruned, mask, original, settings)
    floor = oracle.random_signs(pruned, mask, settings, ("test",))
    kept = {n: ceiling[n].ne(0) & m for n, m in mask.items()}
    assert oracle.sign_agreement(ceiling, original, kept) == 1.0
    assert abs(oracle.sign_agreement(floor, original, {n: floor[n].ne(0) & m for n, m in mask.items()}) - 0.5) < 0.12
    assert torch.equal(floor["a"], oracle.random_signs(pruned, mask, settings, ("test",))["a"])
    result = revive(WeightsOnly(pruned), settings)
    mean = oracle.neuron_mean(pruned, result, settings)
    filled = mask["a"] & (mean["a"] != 0)
    assert (mean["a"].abs() < result.weights["a"].abs())[filled].all()
    assert torch.equal(mean["a"].sign(), result.weights["a"].sign())
    assert oracle.success_ratio(0.9, 0.1, 0.5) == pytest.approx(0.5)


def test_history_recovers_the_old_layer_exactly() -> None:
    original, mask = layers(rank=None)
    result = subtract(History(cut(original, mask), (original,)))
    assert all(torch.equal(result.weights[name], original[name]) for name in original)
    before = {n: w + 0.01 * torch.randn(w.shape, generator=torch_generator("drift", n)) for n, w in original.items()}
    later = {n: w + 0.01 * torch.randn(w.shape, generator=torch_generator("on", n)) for n, w in original.items()}
    trained_on = subtract(History(cut(later, mask), (before, original)))
    for name in original:
        assert torch.equal(trained_on.weights[name][mask[name]], original[name][mask[name]])
        assert float((trained_on.weights[name] == later[name])[~mask[name]].float().mean()) > 0.99
    filled = {n: torch.where(m, torch.randn(m.shape, generator=torch_generator("fill", n)), original[n]) for n, m in mask.items()}
    assert oracle.location(subtract(History(filled, (original,))).places, mask) == oracle.Location(1.0, 0)
    assert all(torch.equal(rollback(History(filled, (original,))).weights[name], original[name]) for name in original)
    with pytest.raises(ValueError, match="earlier"):
        History(filled, ())
    assert "no place" in subtract(History(original, (original,))).said


def test_a_client_that_did_not_cut_gives_its_entries_away() -> None:
    original, mask = layers(rank=None)
    result = copy_from_client(UnprunedClient(cut(original, mask), original))
    assert all(torch.equal(result.weights[name], original[name]) for name in original)


def test_known_shares_undo_dilution() -> None:
    original, mask = layers(rank=None)
    diluted = {name: torch.where(mask[name], weight * 0.25, weight) for name, weight in original.items()}
    result = undilute(WithShares(diluted, mask, 0.75))
    assert all(torch.equal(result.weights[name], original[name]) for name in original)
    assert "every client cut" in undilute(WithShares(cut(original, mask), mask, 1.0)).said


def test_rounding_cannot_refill_a_cut() -> None:
    original, mask = layers(rank=None)
    pruned = cut(original, mask)
    rounded = quantise(WeightsOnly(pruned))
    assert rounded.keys() == pruned.keys()
    for name, weight in rounded.items():
        assert not weight[mask[name]].any()
        assert all(len(row.unique()) <= 15 for row in weight)
        step = pruned[name].abs().amax(dim=1, keepdim=True) / 7
        assert bool(((weight - pruned[name]).abs() <= step / 2 + 1e-6).all())


def test_relearning_starts_from_the_release_each_time() -> None:
    original, mask = layers()

    def one_up(weights: object, steps: int, rate: float) -> dict[str, Tensor]:
        assert isinstance(weights, dict)
        return {name: weight.add_(steps) for name, weight in weights.items()}

    known = OwnImages(cut(original, mask), 3, one_up)
    for steps in (1, 5):
        assert torch.equal(relearn(known, steps)["a"], cut(original, mask)["a"] + steps)


def test_settings_read_from_a_table() -> None:
    settings = Revival.model_validate({"completion": {"kind": "published", "limit": 20}, "location": {"kind": "extremes", "share": 0.1}})
    assert settings.completion == Published(limit=20)
    assert Revival().completion == SoftImpute()
