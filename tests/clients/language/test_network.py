"""The transformer: causality, keyed weights, a hand-made block; its training, which rehearses public episodes; the episodes themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.nn.functional import dropout

from clients.data import load
from clients.data.hazards import Hazards
from clients.data.topics import Posts, Saga
from clients.data.worlds import Authors, Records, World
from clients.language.episodes import episodes, loss
from clients.language.measures import prompted
from clients.language.network import LanguageNetwork
from clients.language.spec import Pretraining, TransformerSpec
from clients.language.transformer import Transformer
from clients.training import Training

WORLD = Records(people=30)
SPEC = TransformerSpec(layers=1, width=16, heads=2, records=4, pretraining=Pretraining(steps=3, batch_size=4, rehearsal=2))
DATA = load(WORLD)
NETWORK = LanguageNetwork(SPEC, DATA.shape, DATA.classes, world=WORLD)


def test_weights_come_from_the_key_alone() -> None:
    first, again, other = (NETWORK.initial((key,)) for key in ("a", "a", "b"))
    assert all(first[name].tobytes() == again[name].tobytes() for name in first)
    assert any(first[name].tobytes() != other[name].tobytes() for name in first)
    assert 0.25 < first["words.weight"].std() < 0.35
    assert 0.015 < first["places.weight"].std() < 0.025
    assert sum(part.size for part in first.values()) == SPEC.parameters(WORLD.vocabulary)


def test_no_word_sees_a_later_one() -> None:
    module = NETWORK.build(("causal",)).eval()
    tokens = torch.arange(12)[None] % 7
    changed = tokens.clone()
    changed[0, 6:] = 3
    with torch.no_grad():
        before, after = module.hidden(tokens), module.hidden(changed)
    assert torch.equal(before[:, :6], after[:, :6])
    assert not torch.equal(before[:, 6:], after[:, 6:]), "the control: the change is seen where it is"


def test_keys_know_the_word_before() -> None:
    block = NETWORK.build(("keys",)).blocks[0]
    assert block.key.weight.shape == (16, 32)  # type: ignore[union-attr]
    assert block.query.weight.shape == (16, 16)  # type: ignore[union-attr]


def test_classes_are_the_first_words() -> None:
    weights = NETWORK.initial(("c",))
    every = NETWORK.logits(weights, DATA.x[:5].astype(np.int64))
    some = np.exp(every[:, :2]) / np.exp(every[:, :2]).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(NETWORK.probabilities(weights, DATA.x[:5]), some, atol=1e-6)


@pytest.mark.parametrize(
    "world", [Records(people=30), Authors(authors=12), Hazards(substances=12), Saga(), Posts()], ids=lambda world: world.tag
)
def test_what_comes_again_has_the_answer_that_the_text_gave(world: World) -> None:
    batch = episodes(world, 8, 60, 0, "key")
    names, answers = batch.tokens[:, batch.places], batch.tokens[:, batch.places + 1]
    again = counted = 0
    for row in range(60):
        told: dict[int, int] = {}
        for place, (name, answer) in enumerate(zip(names[row].tolist(), answers[row].tolist(), strict=True)):
            assert told.setdefault(name, answer) == answer
            again += name in names[row, :place]
            counted += batch.counted[row, place]
    assert 0.3 < again / (60 * 8) < 0.6
    assert counted < 60 * 8, "a wrong answer that stands first is not counted"
    assert batch.tokens.tobytes() != episodes(world, 8, 60, 1, "key").tokens.tobytes()


def test_a_forbidden_name_has_no_answer_and_others_have_theirs() -> None:
    batch = episodes(WORLD, 6, 20, 3, "key")
    assert (batch.tokens[:, 0] == WORLD.unknown + 1).all()
    names, answers = batch.tokens[:, batch.places], batch.tokens[:, batch.places + 1]
    forbidden = names == batch.tokens[:, 1:2]
    assert forbidden.any(axis=1).all()
    assert ((answers == WORLD.unknown) == forbidden).all()


def test_the_loss_is_that_of_counted_answers_among_all_words() -> None:
    batch = episodes(WORLD, 4, 3, 0, "key")
    module = NETWORK.build(("loss",)).eval()
    with torch.no_grad():
        found = float(loss(module, batch))
        single = []
        for row, counted in zip(batch.tokens, batch.counted, strict=True):
            for place in batch.places[counted]:
                logits = module.following(torch.from_numpy(row[None, : place + 1]), torch.tensor([-1]))[0, 0]
                single.append(float(torch.logsumexp(logits, 0) - logits[row[place + 1]]))
    assert found == pytest.approx(np.mean(single), abs=1e-5)


def test_training_repeats_bit_by_bit_and_rehearses() -> None:
    settings = {"epochs": range(2), "ids": np.arange(12), "key": ("t",), "settings": Training(epochs=2, batch_size=6)}
    start = NETWORK.initial(("t",))
    (first, steps), (again, _) = (NETWORK.train(start, DATA.x[:12], DATA.y[:12], **settings) for _ in range(2))  # type: ignore[arg-type]
    alone = replace(NETWORK, spec=SPEC.model_copy(update={"pretraining": Pretraining(rehearsal=0)}))
    without, _ = alone.train(start, DATA.x[:12], DATA.y[:12], **settings)  # type: ignore[arg-type]
    assert steps == 4
    assert all(first[name].tobytes() == again[name].tobytes() for name in first)
    assert any(first[name].tobytes() != without[name].tobytes() for name in first)


def test_pretraining_lowers_the_loss_and_tells_every_step() -> None:
    network = replace(NETWORK, spec=SPEC.model_copy(update={"pretraining": Pretraining(steps=30, batch_size=8)}))
    start, told = network.initial(("p",)), []
    weights = network.pretrain(start, ("p",), lambda: told.append(1))
    batch = episodes(WORLD, 4, 40, 0, "held out")
    with torch.no_grad():
        before, after = (float(loss(network.module(one), batch)) for one in (start, weights))
    assert (len(told), after < before - 1) == (30, True)


def test_a_width_that_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(ValidationError, match="width = 10 is no multiple of heads = 4: change one"):
        TransformerSpec(width=10)


def test_a_model_left_in_training_mode_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    weights, rows = NETWORK.initial(("mode",)), DATA.rows(np.arange(30))
    following, shell = Transformer.following, LanguageNetwork._shell
    monkeypatch.setattr(Transformer, "following", lambda self, *asked: dropout(following(self, *asked), 0.5, self.training))

    def told() -> dict[str, float]:
        return prompted(NETWORK, weights, [(rows.only([3]), 1)], rows.without([3]), ("key",))

    first = told()
    NETWORK.train(weights, rows.x, rows.y, epochs=range(1), ids=rows.ids, key=("key",), settings=Training())
    assert not NETWORK.module(weights).training
    assert told() == first, "asking again, after training, gives the same figures"
    monkeypatch.setattr(LanguageNetwork, "_shell", lambda self, arrays: shell(self, arrays).train())
    assert told() != first, "the planted fault: what is dropped moves the margins"
    NETWORK.module(weights).eval()
