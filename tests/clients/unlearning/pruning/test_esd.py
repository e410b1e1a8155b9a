"""ESD against equation 7: where the concept's noise ends, that the sign matters, and whom else it moves."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from clients.diffusion.denoiser import ConditionTokens, Denoiser
from clients.diffusion.spec import SMOKE, Sampling
from clients.diffusion.subject import DenoiserSubject
from clients.unlearning.contract import UnlearningError
from clients.unlearning.pruning import esd
from clients.unlearning.pruning.esd import Drawn, Esd, drawn, moved_away, predicted

TRAINED = Esd(steps=150, lr=3e-3)


class Sum(nn.Module):
    """Predicts the sum of two linear maps, one of the image and, in the place of cross-attention, one of the tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.image = nn.Linear(64, 64)
        self.block = nn.ModuleDict({"attn2": nn.Linear(32, 64)})

    def forward(self, noisy: Tensor, time: Tensor, encoder_hidden_states: Tensor, return_dict: bool) -> tuple[Tensor]:
        found: Tensor = self.image(noisy.flatten(1)) + self.block["attn2"](encoder_hidden_states.flatten(1))
        return (found.view_as(noisy),)


class Linear(Denoiser):
    """A denoiser of which is known what ESD makes of it."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.spec = SMOKE
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.unet, self.conditions = Sum(), ConditionTokens(10, 0, 16)


def subject(denoiser: Denoiser, target: int = 3, key: str = "test", **sampling: Any) -> DenoiserSubject:
    return DenoiserSubject(denoiser, target, (key,), count=8, sampling=Sampling(**({"steps": 3} | sampling)))


def noise(denoiser: Denoiser, seen: Drawn) -> Tensor:
    """Return what the denoiser now predicts for all rows."""
    with torch.no_grad():
        return predicted(denoiser.unet, seen, torch.arange(len(seen.time)))


def place(denoiser: Denoiser, seen: Drawn) -> float:
    """Return where the noise lies on the line from the unconditional one, 0, to the conditional one, 1, both as they were."""
    added = seen.conditional - seen.without
    return float(((noise(denoiser, seen) - seen.without) * added).sum() / added.square().sum())


def trained(denoiser: Denoiser, spec: Esd) -> None:
    spec.erase(subject(denoiser), ("key",)).apply(denoiser.unet)


def test_calls_are_recorded_as_the_sampler_made_them(denoiser: Denoiser) -> None:
    seen = drawn(subject(denoiser))
    assert seen.noisy.shape == seen.without.shape == (24, 1, 8, 8)
    assert torch.allclose(noise(denoiser, seen), seen.conditional, atol=1e-5)
    with torch.no_grad():
        assert torch.allclose(denoiser(seen.noisy, seen.time, torch.full((24,), denoiser.null[0])), seen.without, atol=1e-5)
        assert torch.equal(seen.tokens, denoiser.conditions(torch.full((24,), 3)))
    assert not torch.allclose(seen.conditional, seen.without, atol=1e-3), "the control: a condition makes a difference"


def test_equation_seven_by_hand() -> None:
    assert moved_away(torch.tensor([1.0]), torch.tensor([3.0]), 2.0).tolist() == [-3.0]
    assert moved_away(torch.tensor([1.0]), torch.tensor([3.0]), 0.0).tolist() == [1.0]


@pytest.mark.parametrize(("eta", "end"), [(0.0, 0.0), (1.0, -1.0)])
def test_the_noise_moves_to_its_place_on_other_draws(eta: float, end: float) -> None:
    denoiser = Linear()
    unseen = drawn(subject(denoiser, key="unseen"))
    assert place(denoiser, unseen) == pytest.approx(1.0, abs=1e-3)
    trained(denoiser, TRAINED.model_copy(update={"eta": eta}))
    assert place(denoiser, unseen) == pytest.approx(end, abs=0.05)


def test_a_wrong_sign_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    denoiser = Linear()
    unseen = drawn(subject(denoiser, key="unseen"))
    monkeypatch.setattr(esd, "moved_away", lambda without, conditional, eta: moved_away(without, conditional, -eta))
    trained(denoiser, TRAINED.model_copy(update={"eta": 2.0}))
    assert place(denoiser, unseen) == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize("scope", ["cross_attention", "all_but_cross_attention"])
def test_the_concept_moves_further_than_others_where_only_tokens_tell_them_apart(scope: Any) -> None:
    denoiser = Linear()
    seen = {concept: drawn(subject(denoiser, concept, key="unseen")) for concept in range(10)}
    trained(denoiser, TRAINED.model_copy(update={"scope": scope}))
    moved = {concept: float((noise(denoiser, one) - one.conditional).square().mean()) for concept, one in seen.items()}
    most = max(size for concept, size in moved.items() if concept != 3)
    if scope == "cross_attention":
        assert most < 0.5 * moved[3], moved
    else:
        assert most > 0.9 * moved[3], "the control: weights that read no token move all concepts"


def test_scopes_share_no_weight_and_leave_none_out(denoiser: Denoiser) -> None:
    inside = set(Esd(steps=1, batch_size=1).erase(subject(denoiser), ()).weights)
    outside = set(Esd(steps=1, batch_size=1, scope="all_but_cross_attention").erase(subject(denoiser), ()).weights)
    assert inside
    assert all(".attn2." in name for name in inside)
    assert not inside & outside
    assert inside | outside == {name for name, _ in denoiser.unet.named_parameters()}


def test_what_it_cannot_train_or_read_is_said(denoiser: Denoiser) -> None:
    with pytest.raises(UnlearningError, match="guidance 1: esd moves away"):
        Esd().erase(subject(denoiser, guidance=1.0), ())
    denoiser.unet = nn.Linear(1, 1)
    with pytest.raises(UnlearningError, match="scope cross_attention: the model has no such weights"):
        Esd().erase(subject(denoiser), ())
