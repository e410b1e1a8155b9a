from __future__ import annotations

import pytest
import torch

from clients.streams import torch_generator
from server.revival import knowledge
from server.revival.adversaries import ADVERSARIES, AdversarySpec, Historian, ZeroScan
from server.revival.attack import Revival
from server.revival.knowledge import WeightsOnly
from server.revival.locate import Extremes

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
}
ALL = [spec() for spec in ADVERSARIES.specs()]


@pytest.mark.parametrize("adversary", ALL, ids=lambda adversary: adversary.kind)
def test_every_adversary_brings_the_signs_back_with_its_knowledge_and_takes_no_other(adversary: AdversarySpec) -> None:
    revived = adversary.attack(KNOWN[adversary.knowledge])
    kept = MASK["a"] & (revived.weights["a"] != 0)
    assert int(kept.sum()) >= int(0.6 * int(MASK["a"].sum()) + 0.5)
    assert float((revived.weights["a"].sign() == ORIGINAL["a"].sign())[kept].double().mean()) > 0.97
    assert torch.equal(revived.weights["a"][~MASK["a"]], ORIGINAL["a"][~MASK["a"]])
    for name, known in KNOWN.items():
        if name != adversary.knowledge:
            with pytest.raises(TypeError, match=adversary.knowledge):
                adversary.attack(known)


def test_settings_reach_the_attack() -> None:
    few = ZeroScan(revival=Revival(location=Extremes(share=0.01))).attack(KNOWN["WeightsOnly"])
    assert int(few.places["a"].sum()) == int(0.01 * 768 + 0.5)
    assert torch.equal(Historian(whole=True).attack(KNOWN["History"]).weights["a"], ORIGINAL["a"])
