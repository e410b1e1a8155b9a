from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from clients.diffusion.denoiser import Denoiser
from clients.diffusion.spec import Sampling
from clients.diffusion.subject import DenoiserSubject
from clients.streams import torch_generator
from clients.unlearning.contract import UnlearningError
from clients.unlearning.pruning.concept_prune import ConceptPrune, prune_mask, top_of_rows
from clients.unlearning.pruning.contract import Rows, Subject
from clients.unlearning.pruning.layers import feed_forward_layers, feed_forward_weights
from clients.unlearning.pruning.recorder import record, squared_shares

CALLS = 3


class Layer(nn.Module):
    def __init__(self, m: int, n: int, name: str) -> None:
        super().__init__()
        self.net = nn.ModuleList([nn.Identity(), nn.Identity(), nn.Linear(n, m)])
        with torch.no_grad():
            self.net[2].weight.copy_(torch.randn(m, n, generator=torch_generator("layer", name)))

    def forward(self, x: Tensor) -> Tensor:
        return self.net[2](x)  # type: ignore[no-any-return]


class Block(nn.Module):
    def __init__(self, m: int, n: int, name: str) -> None:
        super().__init__()
        self.ff = Layer(m, n, name)


class Toy(nn.Module):
    """Two feed-forward layers fed with known hidden values, in an order of registration that can be turned."""

    def __init__(self, names: tuple[str, ...] = ("first", "second")) -> None:
        super().__init__()
        for name in names:
            self.add_module(name, Block(6, 20, name))

    def forward(self, hidden: dict[str, Tensor]) -> None:
        for name, values in hidden.items():
            getattr(self, name).ff(values)


class ToySubject(Subject):
    """Feeds keyed hidden values, one batch or several, through the toy."""

    target, concepts, guided = "0", ("0", "1"), False

    def __init__(self, module: nn.Module, batches: int = 1, sizes: tuple[int, int] = (4, 4), scale: float = 1.0) -> None:
        self.module, self._batches, self._sizes, self._scale = module, batches, dict(zip(("target", "base"), sizes, strict=True)), scale

    def samples(self, conditions: str) -> int:
        return self._sizes[conditions]

    def hidden(self, conditions: str, call: int, name: str) -> Tensor:
        draw = torch.randn(self._sizes[conditions], 5, 20, generator=torch_generator("hidden", conditions, call, name))
        draw[0, 0] = 0.0  # a row without norm
        return draw

    def runs(self, conditions: str) -> Iterator[Callable[[], object]]:
        def run(part: slice) -> None:
            for call in range(CALLS + 2):
                self.module({name: self.hidden(conditions, call, name)[part] for name in ("first", "second")})

        size = self._sizes[conditions] // self._batches
        for first in range(0, self._sizes[conditions], size):
            yield lambda first=first: run(slice(first, first + size))  # type: ignore[misc]

    def loss(self, rows: Rows, step: int, batch_size: int) -> Tensor:
        raise UnlearningError("no images")

    def redirection(self, step: int, batch_size: int) -> Tensor:
        raise UnlearningError("no images")

    def describe(self) -> dict[str, Any]:
        return {"toy": True}


def by_loops(subject: ToySubject, share: float, select: float, fault: str = "") -> dict[str, Tensor]:
    """The method entry by entry; ``fault`` plants an error that the comparison must notice."""
    masks = {}
    for name in ("first", "second"):
        weight = getattr(subject.module, name).ff.net[2].weight.detach().double().numpy()
        votes = np.zeros(weight.shape, dtype=int)
        for call in range(CALLS):
            norms = {}
            for conditions in ("target", "base"):
                rows = subject.hidden(conditions, call, name).reshape(-1, 20).double().numpy()
                total = np.zeros(20)
                for row in rows:
                    size = float((row**2).sum())
                    if size and fault != "no normalisation":
                        total += row**2 / size
                    elif size:
                        total += row**2
                norms[conditions] = total if fault == "no root" else np.sqrt(total)
            for i in range(weight.shape[0]):
                target = [abs(weight[i, j]) * norms["target"][j] for j in range(20)]
                base = [abs(weight[i, j]) * norms["base"][j] for j in range(20)]
                ranked = sorted(range(20), key=lambda j: (-target[j], j))[: max(1, int(share * 20))]
                for j in ranked:
                    if target[j] > base[j] or fault == "no base":
                        votes[i, j] += 1
        masks[name + ".ff.net.2"] = torch.from_numpy(votes > select * CALLS)
    return masks


def agree(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return set(a) == set(b) and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("share", [0.01, 0.15, 0.5])
@pytest.mark.parametrize("select", [0.0, 0.5])
def test_masks_equal_those_made_entry_by_entry(share: float, select: float) -> None:
    subject = ToySubject(Toy())
    cut = ConceptPrune(share=share, calls=CALLS, select=select).erase(subject, ())
    assert agree(cut.masks, by_loops(subject, share, select))


@pytest.mark.parametrize("fault", ["no base", "no normalisation", "no root"])
def test_the_comparison_notices_planted_faults(fault: str) -> None:
    subject = ToySubject(Toy())
    assert not agree(ConceptPrune(share=0.3, calls=CALLS).erase(subject, ()).masks, by_loops(subject, 0.3, 0.0, fault))


def test_order_of_registration_number_of_batches_and_scale_change_nothing() -> None:
    spec = ConceptPrune(share=0.3, calls=CALLS)
    masks = spec.erase(ToySubject(Toy()), ()).masks
    assert agree(masks, spec.erase(ToySubject(Toy(("second", "first"))), ()).masks)
    assert agree(masks, spec.erase(ToySubject(Toy(), batches=2), ()).masks)
    louder = Toy()
    with torch.no_grad():
        for parameter in louder.parameters():
            parameter *= 4.0
    assert agree(masks, spec.erase(ToySubject(louder), ()).masks)


def test_the_union_grows_with_the_calls_and_rows_are_bounded() -> None:
    smaller: dict[str, Tensor] = {}
    sizes = list[int]()
    for calls in range(1, CALLS + 1):
        masks = ConceptPrune(share=0.15, calls=calls).erase(ToySubject(Toy()), ()).masks
        assert all(int(mask.sum(dim=1).max()) <= 3 * calls for mask in masks.values())
        assert all(bool((masks[name] | ~mask).all()) for name, mask in smaller.items())
        sizes.append(sum(int(mask.sum()) for mask in masks.values()))
        smaller = masks
    assert 0 < sizes[0] < sizes[-1], "the control: more calls cut more"


def test_columns_that_the_concept_never_excites_stay_whole() -> None:
    spec = ConceptPrune(share=0.9, calls=CALLS)
    cut = spec.erase(ToySubject(Toy()), ())
    assert any(bool(mask.any()) for mask in cut.masks.values())
    for name, mask in cut.masks.items():
        never = (cut.statistics[f"target.{name}"] <= cut.statistics[f"base.{name}"]).all(dim=0)
        assert bool(never.any())
        assert not mask[:, never].any()


def test_ties_go_by_index() -> None:
    assert top_of_rows(torch.tensor([[1.0, 2.0, 2.0, 2.0], [5.0, 5.0, 5.0, 6.0]]), 2).tolist() == [
        [False, True, True, False],
        [True, False, False, True],
    ]
    mask = prune_mask(torch.ones(2, 20), torch.ones(1, 20), torch.zeros(1, 20), 0.15)
    assert mask[0].nonzero()[:, 0].tolist() == [0, 1, 2]


def test_rows_without_norm_count_nothing() -> None:
    assert not squared_shares(torch.zeros(2, 4)).any()
    assert float(squared_shares(torch.tensor([[3.0, 4.0]])).sum()) == pytest.approx(1.0)


def test_split_statistics_give_the_pooled_mask() -> None:
    toy, spec = Toy(), ConceptPrune(share=0.3, calls=CALLS)
    subject = ToySubject(toy)
    target, base = spec.listen(subject)

    class Half(ToySubject):
        half = 0

        def samples(self, conditions: str) -> int:
            return 2

        def runs(self, conditions: str) -> Iterator[Callable[[], object]]:
            yield list(ToySubject(toy, batches=2).runs(conditions))[self.half]

    first, second = Half(toy), Half(toy)
    second.half = 1
    parts = [spec.listen(first), spec.listen(second)]
    weights = {name: layer.weight for name, layer in feed_forward_layers(toy).items()}
    pooled = spec.masks(weights, parts[0][0] + parts[1][0], parts[0][1] + parts[1][1])
    assert agree(pooled, spec.masks(weights, target, base))
    assert (parts[0][0] + parts[1][0]).samples == target.samples


def test_unequal_sets_too_many_calls_and_foreign_models_are_refused() -> None:
    with pytest.raises(UnlearningError, match="equally many"):
        ConceptPrune(calls=CALLS).erase(ToySubject(Toy(), sizes=(4, 2)), ())
    with pytest.raises(UnlearningError, match="only 5 times"):
        ConceptPrune(calls=9).erase(ToySubject(Toy()), ())
    with pytest.raises(UnlearningError, match=r"ff\.net\.2"):
        record(ToySubject(nn.Linear(2, 2)), "target", 1, "cond")


def test_hooks_are_gone_even_after_an_exception() -> None:
    toy = Toy()

    class Broken(ToySubject):
        def hidden(self, conditions: str, call: int, name: str) -> Tensor:
            if call == 1:
                raise RuntimeError("broken")
            return super().hidden(conditions, call, name)

    with pytest.raises(RuntimeError, match="broken"):
        ConceptPrune(calls=CALLS).erase(Broken(toy), ())
    assert not any(module._forward_pre_hooks for module in toy.modules())


def test_on_the_denoiser_only_masked_weights_change(denoiser: Denoiser) -> None:
    before = {name: p.detach().clone() for name, p in denoiser.named_parameters()}
    subject = DenoiserSubject(denoiser, 3, ("test",), count=18, sampling=Sampling(steps=4))
    cut = ConceptPrune(calls=2).erase(subject, ())
    assert all(torch.equal(p, before[name]) for name, p in denoiser.named_parameters())
    assert set(cut.masks) == set(feed_forward_layers(denoiser.unet))
    assert 0 < cut.record["density"] < 0.3
    cut.apply(denoiser.unet)
    for name, weight in feed_forward_weights(denoiser.unet).items():
        old = before[f"unet.{name}.weight"]
        assert torch.equal(weight, old.masked_fill(cut.masks[name], 0.0))
    outside = [name for name in before if ".ff.net.2.weight" not in name]
    assert all(torch.equal(denoiser.get_parameter(name), before[name]) for name in outside)


def test_halves_of_a_guided_call_are_told_apart(denoiser: Denoiser) -> None:
    def activity(halves: str, guidance: float = 2.0) -> Any:
        subject = DenoiserSubject(denoiser, 3, ("test",), count=8, sampling=Sampling(steps=2, guidance=guidance))
        return record(subject, "target", 1, halves)  # type: ignore[arg-type]

    name = next(iter(feed_forward_layers(denoiser.unet)))
    cond, both, plain = activity("cond"), activity("both"), activity("cond", guidance=1.0)
    torch.testing.assert_close(cond.sums[name], plain.sums[name], rtol=1e-4, atol=1e-6)
    assert both.rows[name] == 2 * cond.rows[name]
    assert not torch.allclose(both.sums[name] / 2, cond.sums[name], rtol=1e-4)


def test_batches_of_the_sampler_do_not_change_the_mask(denoiser: Denoiser) -> None:
    masks = [
        ConceptPrune(calls=2).erase(DenoiserSubject(denoiser, 1, ("t",), count=18, sampling=Sampling(steps=2, batch_size=size)), ()).masks
        for size in (18, 7)
    ]
    assert agree(masks[0], masks[1])
