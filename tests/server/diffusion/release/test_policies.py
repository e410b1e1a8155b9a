from __future__ import annotations

import pytest
import torch
from torch import Tensor

from clients.diffusion.denoiser import build
from clients.diffusion.spec import SMOKE, Sampling
from clients.diffusion.subject import DenoiserSubject
from clients.streams import torch_generator
from clients.unlearning.pruning.concept_prune import ConceptPrune
from clients.unlearning.pruning.layers import feed_forward_weights
from clients.unlearning.pruning.recorder import Activity, record
from server.defences.secret import Secret
from server.diffusion.release.policies import POLICIES, BudgetError, MaskedMean, Mean, PolicySpec, UnionNoise, UnionZero, Vote, hold
from server.diffusion.release.replies import Reply
from server.diffusion.release.server_mask import ServerMask, mask_from_activities
from server.revival import oracle
from server.revival.history import undilute
from server.revival.knowledge import WithShares
from server.revival.locate import ExactZeros

SECRET = Secret(b"a secret of enough bytes")
SHAPE = (16, 40)


def draw(*key: str | int) -> Tensor:
    return torch.randn(SHAPE, generator=torch_generator("aggregation", *key))


def mask(*key: str | int, share: float = 0.2) -> Tensor:
    return torch.rand(SHAPE, generator=torch_generator("aggregation mask", *key)) < share


def reply(client: int, weight: Tensor, cut: Tensor | None = None, share: float = 1.0) -> Reply:
    masks = {} if cut is None else {"layer": cut}
    sent = weight if cut is None else weight.masked_fill(cut, 0.0)
    return Reply(str(client), {"layer": sent}, masks, share)


def equal_layers(pruning: int, clients: int = 10) -> tuple[Tensor, Tensor, list[Reply]]:
    weight, cut = draw("w"), mask("m")
    return weight, cut, [reply(k, weight, cut if k < pruning else None) for k in range(clients)]


@pytest.mark.parametrize(
    ("counts", "cutting", "threshold"),
    [([1.0] * 25, 10, 0.4), ([1.0] * 50, 25, 0.5), ([1.0] * 100, 50, 0.5), ([70.0, 96.0, 134.0], 3, 1.0), ([1.0] * 3, 1, 1 / 3)],
)
def test_a_vote_is_won_by_exactly_its_threshold(counts: list[float], cutting: int, threshold: float) -> None:
    weight, cut = draw("w"), mask("m")

    def won(by: int) -> Tensor:
        replies = [reply(k, weight, cut if k < by else None, share) for k, share in enumerate(counts)]
        return Vote(threshold=threshold).aggregate(replies).frozen["layer"]

    assert torch.equal(won(cutting), cut)
    assert not won(cutting - 1).any()


@pytest.mark.parametrize("pruning", [0, 1, 5, 9, 10])
def test_the_mean_dilutes_by_the_share_that_kept(pruning: int) -> None:
    weight, cut, replies = equal_layers(pruning)
    mean = Mean().aggregate(replies).weights["layer"]
    torch.testing.assert_close(mean[cut], (1 - pruning / 10) * weight[cut])
    torch.testing.assert_close(mean[~cut], weight[~cut])
    if 0 < pruning < 10:
        assert not ExactZeros().places({"layer": mean})["layer"].any()
        undone = undilute(WithShares({"layer": mean}, {"layer": cut}, pruning / 10)).weights["layer"]
        torch.testing.assert_close(undone, weight)


def test_each_policy_does_its_rule_entry_by_entry() -> None:
    shares = [0.5, 0.3, 0.2]
    weights, cuts = [draw(k) for k in range(3)], [mask(k, share=0.5) for k in range(3)]
    replies = [reply(k, weights[k], cuts[k], 10 * shares[k]) for k in range(3)]
    policies = Mean(), MaskedMean(), UnionZero(budget=1.0), Vote(threshold=0.5)
    rules = {p.kind: p.aggregate(replies, SECRET).weights["layer"] for p in policies}
    for i in range(SHAPE[0]):
        for j in range(SHAPE[1]):
            cut = [bool(c[i, j]) for c in cuts]
            kept = [(s, float(w[i, j])) for s, w, c in zip(shares, weights, cut, strict=True) if not c]
            mean = sum(s * w for s, w in kept)
            masked = mean / sum(s for s, _ in kept) if kept else 0.0
            won = sum(s for s, c in zip(shares, cut, strict=True) if c) >= 0.5
            expected = {"mean": mean, "masked_mean": masked, "union_zero": 0.0 if any(cut) else mean, "vote": 0.0 if won else masked}
            for kind, value in expected.items():
                assert float(rules[kind][i, j]) == pytest.approx(value, abs=1e-6), kind


def test_policies_are_named_in_full() -> None:
    votes = [Vote(), Vote(threshold=0.3), Vote(losers="mean")]
    policies = [Mean(), *votes, UnionNoise(ratio=2), UnionZero(budget=0.1), ServerMask(most_samples=4)]
    assert [policy.name for policy in policies] == [
        "mean",
        "vote(0.5)",
        "vote(0.3)",
        "vote(0.5, losers mean)",
        "union_noise(2)",
        "union_zero(budget 0.1)",
        "server_mask(most_samples 4)",
    ]


def test_masked_mean_revives_by_design() -> None:
    weight, cut, replies = equal_layers(9)
    torch.testing.assert_close(MaskedMean().aggregate(replies).weights["layer"], weight)
    assert not MaskedMean().aggregate(equal_layers(10)[2]).weights["layer"][cut].any()


def test_union_is_free_of_order_and_repetition() -> None:
    replies = [reply(k, draw("w"), mask(k)) for k in range(4)]
    union = UnionZero().aggregate(replies)
    again = UnionZero().aggregate(replies[::-1] + replies)
    assert torch.equal(union.frozen["layer"], again.frozen["layer"])
    torch.testing.assert_close(union.weights["layer"], again.weights["layer"])
    assert not union.weights["layer"][union.frozen["layer"]].any()


def test_votes_run_from_union_to_intersection() -> None:
    replies = [reply(k, draw("w"), mask(k, share=0.6)) for k in range(3)]
    one, most, everyone = (Vote(threshold=t).aggregate(replies).frozen["layer"] for t in (0.0, 2 / 3, 1.0))
    assert torch.equal(one, UnionZero(budget=1.0).aggregate(replies).frozen["layer"])
    assert torch.equal(everyone, torch.stack([r.masks["layer"] for r in replies]).all(dim=0))
    assert bool((one | ~most).all())
    assert bool((most | ~everyone).all())
    assert int(one.sum()) > int(most.sum()) > int(everyone.sum()) > 0


def test_union_noise_hides_the_union_with_one_fill() -> None:
    weight, cut, replies = equal_layers(4)
    filled = UnionNoise().aggregate(replies, SECRET)
    assert not ExactZeros().places(filled.weights)["layer"].any()
    assert torch.equal(filled.frozen["layer"], cut)
    torch.testing.assert_close(filled.weights["layer"][~cut], weight[~cut])
    assert float(filled.weights["layer"][cut].std()) == pytest.approx(float(weight[~cut].std()), rel=0.3)
    assert torch.equal(filled.weights["layer"], UnionNoise().aggregate(replies, SECRET).weights["layer"])
    with pytest.raises(ValueError, match="secret"):
        UnionNoise().aggregate(replies)


def test_fills_of_single_clients_average_away() -> None:
    weight, cut = draw("w"), mask("m", share=0.5)
    replies = [reply(k, torch.where(cut, draw("fill", k), weight)) for k in range(10)]
    mean = Mean().aggregate(replies).weights["layer"]
    assert float(mean[cut].std()) == pytest.approx(1 / 10**0.5, rel=0.15)


@pytest.mark.parametrize("policy", [spec() for spec in POLICIES.specs()], ids=lambda p: p.kind)
def test_a_mask_above_the_budget_is_refused_by_name(policy: PolicySpec) -> None:
    replies = [reply(0, draw("w"), mask("m")), reply(7, draw("w"), torch.ones(SHAPE, dtype=torch.bool))]
    limited = policy.model_copy(update={"budget": 0.4})
    with pytest.raises(BudgetError, match="client 7: its mask cuts 100"):
        limited.aggregate(replies, SECRET)
    assert limited.aggregate(replies[:1], SECRET).weights["layer"].shape == SHAPE


@pytest.mark.parametrize("policy", [spec() for spec in POLICIES.specs()], ids=lambda p: p.kind)
def test_policies_say_truly_whether_they_keep_an_erasure(policy: PolicySpec) -> None:
    weight, cut, replies = equal_layers(1)
    aggregate = policy.aggregate(replies, SECRET)
    assert bool(aggregate.frozen["layer"][cut].all()) == policy.keeps_erasure
    assert policy.aggregate(replies, SECRET).weights["layer"].dtype == weight.dtype


def test_nobody_brings_a_frozen_entry_back() -> None:
    weight, cut, replies = equal_layers(10)
    erased = UnionZero().aggregate(replies)
    rejoined = Mean().aggregate([reply(0, weight), reply(1, draw("other"))]).weights
    held = hold(rejoined, erased.frozen, erased.weights)
    assert not held["layer"][cut].any()
    assert torch.equal(held["layer"][~cut], rejoined["layer"][~cut])


def test_minus_zero_is_a_zero() -> None:
    assert bool(ExactZeros().places({"layer": torch.tensor([[-0.0]])})["layer"])


def test_a_mask_from_split_statistics_is_the_pooled_one() -> None:
    denoiser = build(SMOKE.model_copy(update={"feed_forward_std": None}), ("k",))
    eraser = ConceptPrune(calls=2)

    def listen(conditions: str, batch: int) -> list[Activity]:
        subject = DenoiserSubject(denoiser, 2, ("s",), count=18, sampling=Sampling(steps=2, batch_size=batch))
        runs = list(subject.runs(conditions))
        parts, each = [], 18 // len(runs)
        for run in runs:
            one = DenoiserSubject(denoiser, 2, ("s",), count=18, sampling=Sampling(steps=2, batch_size=batch))
            one.runs = lambda _, run=run: iter([run])  # type: ignore[assignment, misc]
            one.samples = lambda _: each  # type: ignore[assignment, misc]
            parts.append(record(one, conditions, 2, "cond"))
        return parts

    weights = feed_forward_weights(denoiser.unet)
    pooled = mask_from_activities(weights, listen("target", 18), listen("base", 18), eraser)
    split = mask_from_activities(weights, listen("target", 6), listen("base", 6), eraser)
    assert oracle.location(split, pooled).found > 0.999
    alone = mask_from_activities(weights, listen("target", 6)[:1], listen("base", 6)[:1], eraser)
    assert oracle.location(alone, pooled).found < 0.99
    with pytest.raises(ValueError, match="one of each"):
        mask_from_activities(weights, [], [], eraser)


def test_a_loud_client_is_capped() -> None:
    quiet = Activity({"a": torch.full((1, 4), 2.0, dtype=torch.float64)}, {"a": 8}, 4)
    loud = Activity({"a": torch.tensor([[1e9, 0.0, 0.0, 0.0]], dtype=torch.float64)}, {"a": 8000}, 4000)
    weights, base = {"a": torch.ones(2, 4)}, Activity({"a": torch.full((1, 4), 3.0, dtype=torch.float64)}, {"a": 8}, 4)
    louder_base = Activity({"a": torch.full((1, 4), 3000.0, dtype=torch.float64)}, {"a": 8000}, 4000)
    eraser = ConceptPrune(calls=1, share=0.5)
    uncapped = mask_from_activities(weights, [quiet, loud], [base, louder_base], eraser)
    capped = mask_from_activities(weights, [quiet, loud], [base, louder_base], eraser, most_samples=4)
    assert uncapped["a"][:, 0].all()
    assert not capped["a"][:, 1:].any()


def test_replies_that_do_not_fit_are_answered() -> None:
    with pytest.raises(ValueError, match="wants at least one"):
        Mean().aggregate([])
    with pytest.raises(ValueError, match="client 2: its layers"):
        Mean().aggregate([reply(1, draw("w")), reply(2, torch.zeros(2, 2))])
    with pytest.raises(ValueError, match="fits no layer"):
        Mean().aggregate([Reply("3", {"layer": draw("w")}, {"elsewhere": mask("m")})])
