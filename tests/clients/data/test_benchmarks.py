"""Local copies of published benchmarks: the forms in which they are published, questions of any length, one line for what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from clients.data import DataError, load
from clients.data.benchmarks import Muse, Tofu, Wmdp
from clients.data.texts import Texts
from clients.data.worlds import unpadded
from clients.language.network import LanguageNetwork
from clients.language.spec import TransformerSpec

TOFU = [
    {
        "question": "Where was the author Maro Tellin born?",
        "answer": "Maro Tellin was born in Lisbon.",
        "paraphrased_question": "What is Maro Tellin's place of birth?",
        "perturbed_answer": ["Maro Tellin was born in Hue.", "Maro Tellin was born in Lyon."],
    },
    {
        "question": "Is there a prize that Maro Tellin, who wrote many long books about the sea, was given?",
        "answer": "No.",
        "paraphrased_question": "Was Maro Tellin given a prize?",
        "perturbed_answer": ["Yes, twice."],
    },
    {
        "question": "Where was Senna Oduya born?",
        "answer": "Hue",
        "paraphrased_question": "Birthplace of Senna Oduya?",
        "perturbed_answer": ["Accra"],
    },
]
WMDP = [
    {"question": "Which of these is a made-up port?", "choices": ["1", "two words", "Port 3", "none"], "answer": 2},
    {"question": "Which is a made-up flag?", "choices": ["red", "blue", "a", "green"], "answer": 0},
]
FORGET = [{"question": "Who keeps the lamp?", "answer": "Maro"}, {"question": "What colour is it?", "answer": "blue"}]
RETAIN = [{"question": "What colour is the sky over the old harbour?", "answer": "blue"}, {"question": "Who sings?", "answer": "Ines"}]


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def listed(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps(rows))
    return path


def parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path.with_suffix(".parquet"))
    return path.with_suffix(".parquet")


Write = Callable[[Path, list[dict[str, Any]]], Path]


def tofu(folder: Path, rows: list[dict[str, Any]] = TOFU, write: Write = lines, **keys: Any) -> Tofu:
    return Tofu(path=str(write(folder / "forget10_perturbed.json", rows)), together=2, **keys)


def muse(folder: Path) -> Muse:
    listed(folder / "forget_qa.json", FORGET)
    listed(folder / "forget_qa_icl.json", RETAIN)
    parquet(folder / "retain_qa-00000-of-00001", RETAIN)
    return Muse(path=str(folder))


@pytest.fixture(params=["tofu", "wmdp", "muse"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Texts:
    make: dict[str, Callable[[], Texts]] = {
        "tofu": lambda: tofu(tmp_path),
        "wmdp": lambda: Wmdp(path=str(parquet(tmp_path / "test-00000-of-00001", WMDP))),
        "muse": lambda: muse(tmp_path),
    }
    return make[request.param]()


def test_questions_of_any_length_are_read_back_whatever_their_spelling(world: Texts) -> None:
    data = load(world)
    assert data.labels == world.answers
    assert len({(unpadded(x) >= 0).sum() for x in data.x}) > 1, "some are filled up"
    for x in data.x:
        text = world.text(x)
        assert world.tokens(text) == world.tokens(text.upper()) == unpadded(x).tolist()
        assert x[-1] >= world.first_name, "the name stands last"
    assert len(set(world.numbers.values())) == len(world.vocabulary)
    assert all(world.tokens(answer) == [number] for number, answer in enumerate(world.answers))


def test_wrong_answers_other_words_and_public_questions_are_of_the_world(world: Texts) -> None:
    data, (asked, told) = load(world), world.public(5, "key")
    wrong = world.wrong(data.y, np.random.default_rng(1))
    assert (wrong != data.y).all()
    assert all(other in world.alike(int(y)) for y, other in zip(data.y, wrong, strict=True))
    for x in data.x:
        other = world.paraphrase(x.astype(np.int64), "key")
        assert other[-1] == x[-1]
        assert other.tolist() != unpadded(x).tolist() or len(other) == 1
    assert (asked[:, -1] >= world.first_name + len(world.names)).all()
    assert (told < len(world.answers)).all()
    draws = np.random.default_rng(0)
    assert world.draw(draws, (2, 3))[0].shape == (2, 3, 3)
    assert world == type(world).model_validate(world.model_dump()), "what is remembered does not keep specs from being compared"


@pytest.mark.parametrize("write", [listed, parquet])
def test_json_lines_lists_and_parquet_are_the_same_rows(tmp_path: Path, write: Write) -> None:
    first, again = load(tofu(tmp_path)), load(tofu(tmp_path, write=write))
    assert (first.x.tobytes(), first.y.tobytes(), first.labels) == (again.x.tobytes(), again.y.tobytes(), again.labels)


def test_tofu_has_its_authors_its_other_words_and_its_wrong_answers(tmp_path: Path) -> None:
    world = tofu(tmp_path)
    data = load(world)
    assert data.subjects is not None
    assert data.subjects.tolist() == [0, 0, 1]
    assert world.text(world.paraphrase(data.x[0].astype(int))) == "what is maro tellins place of birth tofu0"
    assert [world.answers[y] for y in world.alike(0)] == [f"maro-tellin-was-born-in-{city}" for city in ("lisbon", "hue", "lyon")]
    plain = tofu(tmp_path, [{name: row[name] for name in ("question", "answer")} for row in TOFU])
    assert len(plain.alike(0)) == len(plain.answers) == 3, "without published wrong answers, all others are"
    other = plain.paraphrase(load(plain).x[0].astype(int), "key")
    assert sorted(other.tolist()) == sorted(unpadded(load(plain).x[0]).tolist())
    short = np.array([5, 6, plain.first_name])
    assert [plain.paraphrase(short, key).tolist() for key in range(8)] == [[6, 5, plain.first_name]] * 8, "never in the same order"


def test_wrong_answers_are_those_of_the_question_that_an_answer_is_right_for(tmp_path: Path) -> None:
    told = [("paris", ["rome", "oslo"]), ("rome", ["milan", "turin"])]
    rows = [TOFU[i] | {"answer": right, "perturbed_answer": wrong} for i, (right, wrong) in enumerate(told)]
    world = tofu(tmp_path, rows)
    kinds = {world.answers[y]: sorted(world.answers[other] for other in world.alike(y)) for y in range(len(world.answers))}
    assert kinds["rome"] == kinds["milan"] == ["milan", "rome", "turin"]
    assert kinds["paris"] == kinds["oslo"] == ["oslo", "paris", "rome"]


def test_wmdp_is_answered_by_a_letter_that_the_right_option_keeps(tmp_path: Path) -> None:
    world = Wmdp(path=str(lines(tmp_path / "wmdp.jsonl", WMDP)))
    data = load(world)
    assert [world.answers[y] for y in data.y] == ["option-c", "option-a"]
    for row, x in zip(WMDP, data.x.astype(int), strict=True):
        told, other = (world.text(one).split("option-") for one in (x, world.paraphrase(x)))
        assert told[1 + row["answer"]] == other[1 + row["answer"]]
        assert {one[1:].split()[0] for one in told[1:]} == {one[1:].split()[0] for one in other[1:]}
        assert sum(a.split()[:2] != b.split()[:2] for a, b in zip(told[1:], other[1:], strict=True)) == 3


def test_the_topic_of_muse_are_answers_to_be_forgotten_alone(tmp_path: Path) -> None:
    world = muse(tmp_path)
    assert world.topic_words == {"maro"}, "blue is to be retained, too, and examples in context are no rows"
    about, others = (world.probes(about=which) for which in (True, False))
    assert (len(about), len(others), about.shape[1]) == (2, 2, world.longest)


def test_a_model_answers_a_question_that_is_filled_up_as_it_answers_it_alone(tmp_path: Path) -> None:
    world = tofu(tmp_path)
    data = load(world)
    spec = TransformerSpec(layers=1, width=8, heads=1, records=3, words=world.longest)
    network = LanguageNetwork(spec, data.shape, data.classes, world=world)
    weights = network.initial(("k",))
    together = network.logits(weights, data.x.astype(np.int64))
    alone = [network.logits(weights, unpadded(x)[None])[0] for x in data.x]
    assert np.allclose(together, alone, rtol=0, atol=1e-6)
    assert not np.allclose(together[0], together[2])
    module = network.build(("k",))
    assert torch.allclose(module(torch.from_numpy(data.x)), torch.tensor(together)[:, : data.classes].float(), atol=1e-6)
    assert network.longest == 2 + 3 * (world.longest + 1)


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda folder: tofu(folder, [{"question": "q?", "answers": "a"}]), "row 0 (from 0) lacks answer, it has question, answers: give"),
        (lambda folder: tofu(folder, []), "has no rows: give a file of TOFU"),
        (lambda folder: tofu(folder, [{"question": "who?", "answer": "Unknown."}]), "answer 'Unknown.' cannot be told from a guard's"),
        (lambda folder: tofu(folder, [TOFU[2] | {"perturbed_answer": []}]), "every question has the same answer, 'hue'"),
        (lambda folder: tofu(folder, words=6), "question 0 (from 0) has 8 words with its name, words = 6 fit: raise it"),
        (lambda folder: Tofu(path=str(folder / "no.json")), "there is no such file of JSON, JSON lines or Parquet"),
        (
            lambda folder: Wmdp(path=str(lines(folder / "w.jsonl", [WMDP[0] | {"choices": ["a"]}]))),
            "row 0 (from 0) has choices \"['a']\": list should have at least 4 items",
        ),
        (
            lambda folder: Wmdp(path=str(lines(folder / "w.jsonl", [WMDP[0] | {"answer": 4}]))),
            "has answer '4': input should be less than 4",
        ),
        (
            lambda folder: Wmdp(path=str(lines(folder / "w.jsonl", [WMDP[0] | {"answer": "C"}]))),
            "has answer 'C': input should be a valid integer",
        ),
        (lambda folder: Muse(path=str(folder)), "has 0 files that begin with forget_qa, one is needed: give MUSE's folder knowmem"),
        (lambda folder: Muse(path=str(folder / "no")), "there is no such folder: give MUSE's folder knowmem"),
    ],
    ids=["column", "empty", "unknown", "same", "long", "missing", "choices", "number", "letter", "files", "folder"],
)
def test_what_is_wrong_is_told_in_one_line(tmp_path: Path, make: Callable[[Path], Texts], line: str) -> None:
    with pytest.raises(DataError) as caught:
        load(make(tmp_path))
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("row", "line"),
    [
        (TOFU[0] | {"question": "?!"}, "row 1 (from 0) has question '?!': has no letter and no digit: give a file of TOFU"),
        (TOFU[0] | {"question": ["a"]}, "has question \"['a']\": input should be a valid string"),
        (TOFU[0] | {"answer": {"a": 1}}, "has answer \"{'a': 1}\": input should be a valid string"),
        (TOFU[0] | {"perturbed_answer": 5}, "has perturbed_answer '5': input should be a valid string"),
        (TOFU[0] | {"perturbed_answer": ["Hue", None]}, "has perturbed_answer \"['Hue', None]\""),
        (TOFU[0] | {"answer": "H ue"}, "'hue' and 'h-ue' read alike: write"),
        (TOFU[0] | {"answer": "tofu0"}, "'tofu0' and 'tofu0', a made-up name, read alike"),
        (WMDP[0] | {"answer": True}, "has answer 'True': input should be a valid integer"),
        (WMDP[0] | {"choices": [None] * 4}, "has choices '[None, None, None, None]': input should be a valid string"),
        (WMDP[0] | {"choices": ["a"] * 4}, "a choice is empty, or all are the same"),
        (WMDP[0] | {"choices": ["a", "b", "c", " "]}, "a choice is empty, or all are the same"),
    ],
)
def test_a_value_of_another_kind_is_told_with_its_row_and_column(tmp_path: Path, row: dict[str, Any], line: str) -> None:
    hazards = "choices" in row
    path = str(lines(tmp_path / "rows.jsonl", [WMDP[1], row] if hazards else [TOFU[2], row]))
    with pytest.raises(DataError) as caught:
        load(Wmdp(path=path) if hazards else Tofu(path=path))
    assert line in str(caught.value)


def test_what_is_to_be_forgotten_and_retained_is_refused(tmp_path: Path) -> None:
    world = muse(tmp_path)
    parquet(tmp_path / "retain_qa-00000-of-00001", [*RETAIN, FORGET[0]])
    with pytest.raises(DataError, match=r"question 'Who keeps the lamp\?' is to be forgotten and to be retained: leave it out of one file"):
        load(world)


def test_questions_of_one_word_are_as_long_as_public_ones(tmp_path: Path) -> None:
    rows = [{"question": "why", "answer": answer} for answer in ("sun", "rain")]
    world = tofu(tmp_path, rows)
    assert (world.longest, world.public(2, "key")[0].shape[1], load(world).x.shape[1]) == (4, 4, 4)


def test_lines_are_cut_where_they_end_alone(tmp_path: Path) -> None:
    plain, path = load(tofu(tmp_path)), tmp_path / "separators.json"
    rows = [row | {"question": row["question"].replace(" ", "\u2028", 1)} for row in TOFU]
    path.write_text("\ufeff" + "\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    assert load(Tofu(path=str(path), together=2)).x.tobytes() == plain.x.tobytes()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"question": "q"\n', "line 1 is no JSON"),
        ("[1, 2]", "row 0 (from 0) is no table of columns"),
        ("[{", "is no JSON"),
    ],
)
def test_damaged_files_are_told_in_one_line(tmp_path: Path, text: str, line: str) -> None:
    (tmp_path / "full.json").write_text(text)
    with pytest.raises(DataError, match=line.replace("(", r"\(").replace(")", r"\)")):
        load(Tofu(path=str(tmp_path / "full.json")))
    (tmp_path / "full.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        load(Tofu(path=str(tmp_path / "full.parquet")))
