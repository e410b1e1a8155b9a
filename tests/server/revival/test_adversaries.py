from __future__ import annotations

import pytest
import torch

from clients.streams import torch_generator
from server.revival import knowledge
from server.revival.adversaries import ADVERSARIES, HOLDS, AdversarySpec, Historian, Quantise, Relearn, Tune, ZeroScan
from server.revival.attack import Revival
from server.revival.knowledge import WeightsOnly
from server.revival.locate import Extremes
from server.revival.unchanging import Invert, Name

DRAW = torch_generator("adversaries")
ORIGINAL = {"a": torch.randn(16, 2, generator=DRAW) @ torch.randn(2, 48, generator=DRAW)}
MASK = {"a": torch.rand(16, 48, generator=DRAW) < 0.1}
PRUNED = {"a": ORIGINAL["a"].masked_fill(MASK["a"], 0.0)}
DILUTED = {"a": torch.where(MASK["a"], ORIGINAL["a"] * 0.5, ORIGINAL["a"])}
DENSITY = float(MASK["a"].double().mean())
KNOWN: dict[str, WeightsOnly] = {
    "WeightsOnly": knowledge.WeightsOnly(PRUNED),
    "WithDensity": knowledge.WithDensity(PRUNED, DENSITY),
    "Adaptive": knowledge.Adaptive(PRUNED, DENSITY, 0.0),
    "WithMask": knowledge.WithMask(PRUNED, MASK),
    "WithShares": knowledge.WithShares(DILUTED, MASK, 0.5),
    "History": knowledge.History(PRUNED, (ORIGINAL,)),
    "UnprunedClient": knowledge.UnprunedClient(PRUNED, ORIGINAL),
    "OwnImages": knowledge.OwnImages(PRUNED, 8, lambda weights, steps, rate: {n: w + steps * rate for n, w in weights.items()}),
    "OwnEmbedding": knowledge.OwnEmbedding(PRUNED, 3, lambda steps, rate: torch.full((4,), steps * rate)),
    "WithActivity": knowledge.WithActivity(PRUNED, tuple({"a": one} for one in torch.rand(3, 48, generator=DRAW, dtype=torch.float64))),
    "OwnReleases": knowledge.OwnReleases(PRUNED, ((PRUNED, MASK),)),
    "OtherImages": knowledge.OtherImages(PRUNED, 5, lambda weights, steps, rate: {n: w - steps * rate for n, w in weights.items()}),
}
ALL = [spec() for spec in ADVERSARIES.specs()]


@pytest.mark.parametrize("adversary", ALL, ids=lambda adversary: adversary.kind)
def test_every_adversary_takes_its_own_knowledge_and_no_other(adversary: AdversarySpec) -> None:
    assert adversary.knows() == HOLDS[adversary.knowledge]
    for name, known in KNOWN.items():
        if name != adversary.knowledge:
            with pytest.raises(TypeError, match=adversary.knowledge):
                adversary.attack(known)


@pytest.mark.parametrize("adversary", [one for one in ALL if one.guesses and one.kind != "reader"], ids=lambda adversary: adversary.kind)
def test_who_guesses_brings_the_signs_back(adversary: AdversarySpec) -> None:
    revived = adversary.attack(KNOWN[adversary.knowledge])
    kept = MASK["a"] & (revived.weights["a"] != 0)
    assert int(kept.sum()) >= int(0.6 * int(MASK["a"].sum()) + 0.5)
    assert float((revived.weights["a"].sign() == ORIGINAL["a"].sign())[kept].double().mean()) > 0.97
    assert torch.equal(revived.weights["a"][~MASK["a"]], ORIGINAL["a"][~MASK["a"]])


def test_who_guesses_nothing_names_no_place() -> None:
    rounded = Quantise(bits=3).attack(KNOWN["WeightsOnly"])
    assert not rounded.places["a"].any()
    assert not rounded.weights["a"][MASK["a"]].any(), "rounding does not refill a cut"
    assert all(len(row.unique()) <= 7 for row in rounded.weights["a"])
    assert rounded.said == "rounded to 3 bits"
    relearnt = Relearn(steps=4, lr=0.5).attack(KNOWN["OwnImages"])
    assert torch.equal(relearnt.weights["a"], PRUNED["a"] + 2)
    assert relearnt.said == "4 steps on 8 images of its own"
    tuned = Tune(steps=2, lr=0.5).attack(KNOWN["OtherImages"])
    assert torch.equal(tuned.weights["a"], PRUNED["a"] - 1)
    assert tuned.said == "2 steps on 5 images of other concepts"


def test_who_changes_no_weight_learns_an_embedding_or_names_a_concept() -> None:
    learned = Invert(steps=4, lr=0.5).attack(KNOWN["OwnEmbedding"])
    assert learned.embedding is not None
    assert learned.embedding.tolist() == [2.0] * 4
    assert learned.said == "an embedding learned in 4 steps on 3 images of its own"
    heard = {"a": MASK["a"].double().mean(dim=0)}
    quiet = {"a": torch.rand(48, generator=torch_generator("quiet"), dtype=torch.float64)}
    named = Name().attack(knowledge.WithActivity(PRUNED, (quiet, heard)))
    assert named.suspects == (1, 0)
    for one in (learned, named):
        assert torch.equal(one.weights["a"], PRUNED["a"])
        assert not one.places["a"].any()
    assert (learned.suspects, named.embedding) == ((), None)


def test_settings_reach_the_attack() -> None:
    few = ZeroScan(revival=Revival(location=Extremes(share=0.01))).attack(KNOWN["WeightsOnly"])
    assert int(few.places["a"].sum()) == int(0.01 * 768 + 0.5)
    assert torch.equal(Historian(whole=True).attack(KNOWN["History"]).weights["a"], ORIGINAL["a"])
