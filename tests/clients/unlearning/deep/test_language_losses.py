"""Losses made for language models: their limits, which words count, plain loops, and which weights and rows they leave alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from clients import wire
from clients.data import load
from clients.data.rows import Rows
from clients.data.worlds import Records
from clients.language.network import LanguageNetwork
from clients.language.spec import Pretraining, TransformerSpec
from clients.training import Adam, Sgd, Training
from clients.unlearning.deep.forget_loss import ForgetLoss
from clients.unlearning.deep.grad_diff import GradDiff
from clients.unlearning.deep.losses import MASKED, counted, log_likelihood, lowered
from clients.unlearning.deep.npo import Npo, SimNpo
from clients.unlearning.deep.rmu import Rmu, _states
from clients.unlearning.deep.undial import Undial
from clients.unlearning.general.contract import Learning
from tests.clients.unlearning.deep import small

DRAWS = np.random.default_rng(3)
LOGITS, BEFORE = torch.tensor(DRAWS.normal(size=(2, 4, 3, 6)))
WORDS = torch.tensor([[MASKED, 2, 5], [MASKED, MASKED, 0], [1, 1, 1], [MASKED, 4, MASKED]])
ALL: list[ForgetLoss] = [GradDiff(), Npo(), SimNpo(), Undial()]


def gradient(method: ForgetLoss, logits: torch.Tensor = LOGITS, frozen: torch.Tensor = BEFORE) -> torch.Tensor:
    leaf = logits.clone().requires_grad_()
    (found,) = torch.autograd.grad(method.loss(leaf, WORDS, frozen), leaf)
    return found


def test_an_answer_is_as_likely_as_its_words_together_without_masked_ones() -> None:
    whole = []
    for logits, words in zip(LOGITS, WORDS, strict=True):
        whole.append(sum(float(torch.log_softmax(one, 0)[word]) for one, word in zip(logits, words, strict=True) if word != MASKED))
    np.testing.assert_allclose(log_likelihood(LOGITS, WORDS), whole)
    assert counted(WORDS).tolist() == [2, 1, 3, 1]
    assert torch.equal(log_likelihood(LOGITS[:, 0], WORDS[:, 2]), -cross_entropy(LOGITS[:, 0], WORDS[:, 2], reduction="none"))


@pytest.mark.parametrize("method", ALL, ids=lambda method: method.kind)
def test_masked_words_are_of_no_account(method: ForgetLoss) -> None:
    found = gradient(method)
    assert not found[WORDS == MASKED].any()
    assert found[WORDS != MASKED].any(), "the control: words of answers are"
    assert torch.isfinite(method.loss(LOGITS, WORDS, BEFORE))
    longer = [torch.cat([one, one[:, :1]], 1) for one in (LOGITS, BEFORE)], torch.cat([WORDS, torch.full((4, 1), MASKED)], 1)
    padded = method.loss(longer[0][0], longer[1], longer[0][1])
    torch.testing.assert_close(padded, method.loss(LOGITS, WORDS, BEFORE), msg="the fault: a mean over prompts and padding, too")


@pytest.mark.parametrize("beta", [0.1, 2.0])
def test_npo_of_a_network_that_has_not_changed_is_two_over_beta_times_log_two(beta: float) -> None:
    assert float(Npo(beta=beta).loss(BEFORE, WORDS, BEFORE)) == pytest.approx(2 / beta * math.log(2))


def test_npo_is_gradient_ascent_where_beta_is_near_zero_and_fades_out_where_it_is_not() -> None:
    ascent = gradient(GradDiff())
    torch.testing.assert_close(gradient(Npo(beta=1e-6)), ascent, rtol=1e-4, atol=1e-8)
    unlikely = LOGITS - 9 * torch.nn.functional.one_hot(WORDS.clamp(min=0), 6)
    assert gradient(Npo(beta=1.0), unlikely).norm() < 0.1 * gradient(GradDiff(), unlikely).norm()


def test_simnpo_is_ascent_by_the_word_where_beta_is_near_zero() -> None:
    gamma, leaf = 0.7, LOGITS.clone().requires_grad_()
    per_word = (log_likelihood(leaf, WORDS) / counted(WORDS)).mean()
    (ascent,) = torch.autograd.grad(2 * torch.sigmoid(torch.tensor(gamma)) * per_word, leaf)
    torch.testing.assert_close(gradient(SimNpo(beta=1e-6, gamma=gamma)), ascent, rtol=1e-4, atol=1e-8)
    assert torch.equal(gradient(SimNpo()), gradient(SimNpo(), frozen=-BEFORE)), "it knows no network as it was"


def test_undial_lowers_the_true_answer_alone_and_without_that_has_nothing_to_learn() -> None:
    apart = BEFORE - lowered(BEFORE, WORDS, 10.0)
    assert (apart.sum(-1) == 10.0 * (WORDS != MASKED)).all()
    assert gradient(Undial(beta=0), BEFORE).abs().max() < 1e-12
    assert gradient(Undial(), BEFORE).abs().max() > 1e-3


def test_undial_equals_a_loop_over_the_words_of_answers() -> None:
    whole = []
    for one, before, word in zip(LOGITS.flatten(0, 1), BEFORE.flatten(0, 1), WORDS.flatten(), strict=True):
        if word != MASKED:
            aim = torch.softmax(before - 3.0 * torch.nn.functional.one_hot(word, 6), 0)
            whole.append(-sum(float(p) * float(q) for p, q in zip(aim, torch.log_softmax(one, 0), strict=True)))
    assert float(Undial(beta=3.0).loss(LOGITS, WORDS, BEFORE)) == pytest.approx(np.mean(whole))


@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_grad_diff_is_one_loss_of_both_sets(alpha: float) -> None:
    (gone, lost), (kept, classes) = map(small.tensors, small.parts())

    def loss(network: Any, number: int) -> Any:
        yield alpha * cross_entropy(network(kept), classes) - cross_entropy(network(gone), lost)

    settings: dict[str, Any] = {"batch_size": 200, "optimizer": Sgd(lr=0.1), "epochs": 2, "alpha": alpha}
    small.near(small.changed("grad_diff", **settings)[0], small.plainly(loss, 2))


@pytest.mark.parametrize("kind", ["grad_diff", "npo", "simnpo", "undial"])
def test_retained_rows_are_read_for_their_own_term_only(kind: str) -> None:
    for alpha in (0.0, 1.0):
        forget, retain = map(small.counted, small.parts())
        weights, learning = small.trained()
        small.method(kind, alpha=alpha).apply(weights, learning, forget, retain, small.REQUEST)
        assert (small.reads(retain) > 0, small.reads(forget) > 0) == (alpha > 0, True)


WORLD = Records(people=30)
DATA = load(WORLD)
NETWORK = LanguageNetwork(
    TransformerSpec(layers=2, width=16, heads=2, records=4, pretraining=Pretraining(rehearsal=0)), DATA.shape, DATA.classes, world=WORLD
)
FORGET, RETAIN = DATA.rows(np.arange(6)), DATA.rows(np.arange(6, 30))


def directed(**settings: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    before = NETWORK.initial(("rmu",))
    learning = Learning(NETWORK, Training(epochs=1), 1, ("rmu",))
    method = Rmu(**{"epochs": 40, "scale": 5.0, "optimizer": Adam(lr=1e-2), **settings})
    return before, method.apply(before, learning, FORGET, RETAIN, ("request",))[0]


def states(weights: dict[str, Any], rows: Rows) -> np.ndarray:
    module = NETWORK.module(weights)
    with torch.no_grad():
        return _states(module, NETWORK.inputs(rows.x), 1).numpy().copy()


def test_states_are_read_of_blocks_that_answer_with_their_attention() -> None:
    class Block(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, None]:
            return 2 * x, None

    module = torch.nn.Module()
    module.blocks = torch.nn.ModuleList([Block()])
    module.forward = lambda x: module.blocks[0](x)[0]  # type: ignore[method-assign,index]
    x = torch.ones(2, 3, 4)
    assert torch.equal(_states(module, x, 1), 2 * x.flatten(0, 1))


def test_rmu_moves_the_states_of_one_layer_and_no_weight_behind_it() -> None:
    before, found = directed()
    changed = {name for name in before if before[name].tobytes() != found[name].tobytes()}
    assert changed == {name for name in before if name.startswith(("words", "places", "blocks.0."))}
    gone = states(found, FORGET)
    assert np.linalg.norm(gone.mean(0)) == pytest.approx(5.0, rel=0.3)
    assert (gone > 0).mean() > 0.9, "the direction has no negative entry"
    kept = [np.square(states(one, RETAIN) - states(before, RETAIN)).mean() for one in (found, directed(alpha=0.0)[1])]
    assert kept[0] < 0.5 * kept[1], "retained rows' states are held by their own term"
    assert wire.to_bytes(directed()[1]) == wire.to_bytes(found)
    assert wire.to_bytes(directed(epochs=0)[1]) == wire.to_bytes(before)


def test_rmu_reports_the_steps_that_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    moves = small.counting(monkeypatch)
    learning = Learning(NETWORK, Training(epochs=1), 1, ("rmu",))
    outcome = Rmu(epochs=2).apply(NETWORK.initial(("rmu",)), learning, FORGET, RETAIN, ("request",))[1]
    assert outcome.cost.gradient_steps == len(moves) == 2
