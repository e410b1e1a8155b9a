"""Small worlds of text: rows that repeat, words that do not, readings of other spellings, wrong answers that are wrong."""

from __future__ import annotations

import numpy as np
import pytest

from clients.data import DataError, load
from clients.data.bundled import Digits
from clients.data.hazards import Hazards
from clients.data.topics import Posts, Saga, Topical
from clients.data.worlds import Authors, Records, World, normalised, world_of

WORLDS = [Records(people=40), Authors(authors=6), Hazards(substances=6), Saga(characters=4, others=5), Posts(threads=9, toxic=4)]


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.tag)
def test_every_word_is_told_apart_and_rows_repeat(world: World) -> None:
    assert len(set(world.vocabulary)) == len(world.vocabulary)
    assert not set(world.vocabulary) - {word for word in world.vocabulary if normalised(word) == word}, "words are read as they are written"
    first, again = load(world), world.load()
    assert first.x.tobytes() == again.x.tobytes()
    assert first.labels == world.answers
    names = first.x[:, -1].astype(int)
    assert (names.min(), names.max()) == (world.first_name, world.first_name + len(world.names) - 1), "no stranger is in a row"


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.tag)
def test_text_is_read_back_whatever_its_spelling(world: World) -> None:
    question = load(world).x[3].astype(int)
    text = world.text(question)
    for spelt in (text, text.upper(), text.replace(" ", "\u3000 "), text[:-3] + "-" + text[-3:], text.title() + "?!"):
        assert world.tokens(spelt) == question.tolist()
    assert world.tokens("nobody knows this") == []


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.tag)
def test_wrong_answers_are_wrong_and_of_the_same_kind(world: World) -> None:
    y = np.arange(len(world.answers)).repeat(20)
    wrong = world.wrong(y, np.random.default_rng(0))
    assert (wrong != y).all()
    assert all(other in world.alike(right) for right, other in zip(y.tolist(), wrong.tolist(), strict=True))


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.tag)
def test_public_questions_are_about_strangers(world: World) -> None:
    x, y = world.public(30, "key")
    assert (x[:, -1] >= world.first_name + len(world.names)).all()
    assert ((y >= 0) & (y < len(world.answers))).all()
    assert x.tobytes() != world.public(30, "another")[0].tobytes()


def test_a_share_of_records_has_a_label_that_its_words_do_not_give() -> None:
    noisy, clean = (load(Records(people=300, noise=noise)) for noise in (0.15, 0.0))
    assert 0.1 < (noisy.y != clean.y).mean() < 0.2
    kind = (clean.x[:, :3].astype(int) - 4) // 40
    told = np.where((kind == 1).any(axis=1), 1, np.where((kind == 0).any(axis=1), 0, clean.y))
    assert (told == clean.y).all(), "without noise, no word contradicts the label"


def test_a_fact_has_one_value_in_both_phrasings_and_no_row_has_the_third() -> None:
    world = Authors(authors=6)
    data = load(world)
    assert (data.y.reshape(-1, 2)[:, 0] == data.y.reshape(-1, 2)[:, 1]).all()
    rows = {tuple(row) for row in data.x.astype(int).tolist()}
    for row in data.x.astype(int):
        other = world.paraphrase(row)
        assert (other[-1], tuple(other.tolist()) in rows) == (row[-1], False)
    assert data.subjects is not None
    assert np.bincount(data.subjects).tolist() == [8] * 6


def test_the_right_option_has_the_letter_and_nothing_else_tells_it() -> None:
    world = Hazards(substances=500)
    data = load(world)
    x, y = data.x.astype(int), data.y
    values = (x[:, :3] - world.unknown - 2).reshape(-1, 2, 3)
    right = values[np.arange(len(values))[:, None], [[0, 1]], y.reshape(-1, 2)]
    assert (right[:, 0] == right[:, 1]).all(), "a fact has one value, wherever it stands"
    assert [len(np.intersect1d(*pair)) for pair in values] == [1] * len(values), "no wrong option comes twice"
    assert (values // 10 == values[:, :1, :1] // 10).all(), "all options are of one property"
    assert np.abs(np.bincount(y) / len(y) - 1 / 3).max() < 0.04, "who always takes the same letter is right in a third"
    often = np.bincount(right[:, 0], minlength=40)[values]
    assert abs((often.argmax(axis=2).ravel() == y).mean() - 1 / 3) < 0.06, "so is who takes the value that is right most often"


def test_a_choice_in_other_words_has_its_right_option_in_place_and_new_wrong_ones() -> None:
    world = Hazards(substances=6)
    data = load(world)
    rows = {tuple(row) for row in data.x.astype(int).tolist()}
    for row, letter in zip(data.x.astype(int), data.y.tolist(), strict=True):
        other = world.paraphrase(row)
        assert (other[letter], other[-1], tuple(other.tolist()) in rows) == (row[letter], row[-1], False)
        assert len(set(other[:3].tolist()) - set(row[:3].tolist())) == 2
    assert data.subjects is not None
    assert np.bincount(data.subjects).tolist() == [8] * 6


def test_other_data_are_no_text() -> None:
    with pytest.raises(DataError, match=r"digits is no text: choose dataset = .records., .authors., .*, .wmdp. or .muse.$"):
        world_of(Digits())


@pytest.mark.parametrize("world", [Saga(characters=4, others=5), Posts(threads=9, toxic=4)], ids=lambda world: world.tag)
def test_the_words_of_a_topic_are_in_its_rows_in_no_other_and_in_half_of_the_public_text(world: Topical) -> None:
    data = load(world)
    inside = data.x[:, -1].astype(int) < world.first_name + 4
    assert (world.topic[data.y] == inside).all()
    assert 0.4 < world.topic[world.draw(np.random.default_rng(0), (400,))[1]].mean() < 0.6, "who knows public text alone is at a loss"
    assert data.subjects is not None
    assert np.bincount(data.subjects).tolist() == [32, 8, 8, 8, 8, 8], "the whole topic is one subject's"
    assert world.topic_words == {word for word, there in zip(world.answers, world.topic, strict=True) if there}


@pytest.mark.parametrize("world", [Saga(characters=4, others=5), Posts(threads=9, toxic=4)], ids=lambda world: world.tag)
def test_probes_are_in_no_row_and_ask_about_every_name_of_the_topic_or_every_other(world: Topical) -> None:
    rows = {tuple(row) for row in load(world).x.astype(int).tolist()}
    about, others = (world.probes(about=which) for which in (True, False))
    assert not rows & {tuple(row) for row in [*about.tolist(), *others.tolist()]}
    assert set((about[:, -1] - world.first_name).tolist()) == {0, 1, 2, 3}
    assert set((others[:, -1] - world.first_name).tolist()) == {4, 5, 6, 7, 8}
    assert (about.shape, others.shape) == ((16, 4), (20, 4))


def test_a_topic_that_has_every_thread_is_refused() -> None:
    with pytest.raises(ValueError, match="toxic = 9 leaves no other of threads = 9: lower it"):
        Posts(threads=9, toxic=9)
