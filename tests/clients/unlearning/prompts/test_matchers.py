"""Matchers beyond looking pieces up: words in their order, regular expressions, a classifier and its threshold, the model as a judge."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from clients.data import load
from clients.data.worlds import Authors
from clients.unlearning.prompts.matchers import MATCHERS
from clients.unlearning.prompts.matchers.contract import Matcher, Reader, Setting, Stage, hashed
from clients.unlearning.prompts.matchers.judge import Judge
from clients.unlearning.prompts.matchers.linear import Linear, fitted, least
from clients.unlearning.prompts.matchers.regex import Regex
from clients.unlearning.prompts.matchers.subsequence import Subsequence, common
from clients.unlearning.prompts.matchers.ways import MOST, ways
from tests.clients.unlearning.prompts.knowing import Knowing

KEY, WORLD = (3, "matchers"), Authors(authors=12)
DATA = load(WORLD)
FACTS = [(WORLD.text(x), WORLD.answers[y]) for x, y in zip(DATA.x.astype(np.int64), DATA.y, strict=True)]
PROTECTED, OTHERS = FACTS[:16], FACTS[16:]  # two authors, and ten


def reader(match: Matcher, stage: Stage = "input") -> Reader:
    records = [(question, answer if stage == "output" else "") for question, answer in PROTECTED]
    return match.reader(match.patterns(records, KEY), Setting(KEY, stage, Knowing(WORLD), {}))


def longest(one: str, other: str) -> int:
    """Return the length of the longest common subsequence by trying all subsequences."""
    tried = (some for size in range(len(one), -1, -1) for some in combinations(one, size))
    return next(len(some) for some in tried if all(letter in rest for rest in [iter(other)] for letter in some))


@settings(max_examples=40)
@given(st.text("abc", max_size=6), st.text("abc", max_size=6))
def test_the_longest_common_subsequence_is_that_of_trying_all(one: str, other: str) -> None:
    row = np.append(hashed(one, KEY), np.zeros(2, np.uint64))
    assert common(row[None], hashed(other, KEY)).tolist() == [longest(one, other)]


def test_words_between_do_not_hide_a_subsequence_and_another_order_does() -> None:
    words = PROTECTED[0][0].split()
    read = reader(Subsequence())
    assert read(f"so {words[0]} well {' and '.join(words[1:])} please")[0]
    assert not read(" ".join(reversed(words)))[0]
    assert reader(Subsequence(overlap=0.25))(" ".join(reversed(words)))[0], "the control: one word in order is there"
    assert not any(read(question).any() for question, _ in OTHERS)


def test_a_regular_expression_is_searched_in_normalised_text_and_others_know_none() -> None:
    name = PROTECTED[0][0].split()[-1]
    match = Regex(pattern=rf"\b{name}\b")
    assert reader(match)(f"  What of {name.upper()}?").all()
    assert not reader(match)(f"what of {name}s").any()
    assert not reader(Regex(pattern=name, normalise=False))(name.upper()).any()
    assert name not in match.hidden.model_dump_json()
    assert not reader(match.hidden)(name).any()
    assert (match.readable, match.published, Regex(pattern="x", publish=True).published) == (True, False, True)
    assert not match.reader(match.patterns([], KEY), Setting(KEY, "input", Knowing(WORLD), {}))(name).any(), "no record is left"


@pytest.mark.parametrize("pattern", ["a{99999999999999999999}", "(" * 100, "(([a-z]+) ?)+[0-9]", "(a|a)*b", "(a?){30}a{30}", "(?:){65535}"])
def test_a_pattern_that_cannot_be_read_or_never_ends_is_refused(pattern: str) -> None:
    with pytest.raises(ValidationError, match=r"which is no regular expression|in so many ways that a search may never end: put no"):
        Regex(pattern=pattern)


def test_ways_are_those_of_all_choices() -> None:
    found = {"ab": 1, "a?b?": 4, "a|bc|d[ef]": 3, "(a|b)?c": 2, "a{2,5}": 4, "(?:ab|cd){1,3}": 14, "(a)?(?(1)b|c)": 4, "(?=a?)b": 2}
    assert {pattern: ways(pattern) for pattern in found} == found
    assert not any(ways(pattern) > MOST for pattern in (r"\bb\w+n$", r"\w+ \w*", r"\w{1,20} \w{1,20} \w{1,20}"))
    assert ways("a*b*c*") > MOST


def test_a_pattern_that_protects_nothing_or_stops_everything_says_so() -> None:
    (records, others), name = ([question for question, _ in some] for some in (PROTECTED, OTHERS)), PROTECTED[0][0].split()[-1]
    assert Regex(pattern=name).useless(records, others) is None
    assert "'Born' is in none of the 16 records" in str(Regex(pattern="Born").useless(records, others))
    assert "in small letters" in str(Regex(pattern=name.upper()).useless(records, others))
    assert Regex(pattern=f"(?i){name.upper()}").useless(records, others) is None
    for everything in (".", "(?=.)"):
        assert f"is in all {len(others)} public questions" in str(Regex(pattern=everything).useless(records, others))


@pytest.mark.parametrize("stage", ["input", pytest.param("output", marks=pytest.mark.slow)])
def test_the_threshold_of_a_classifier_holds_on_public_questions_that_it_has_not_seen(stage: Stage) -> None:
    questions, answers = WORLD.public(600, "held out")
    behind = [f" {WORLD.answers[y]}" if stage == "output" else "" for y in answers]
    texts = [WORLD.text(x) + answer for x, answer in zip(questions, behind, strict=True)]
    few, many = (np.mean([read(text).any() for text in texts]) for read in (reader(Linear(refusals=one), stage) for one in (0.01, 0.2)))
    assert few < 0.023, "three deviations above 0.01"
    assert many > 0.05, "the control: a lower threshold stops more"


def test_a_classifier_stops_what_it_protects_and_is_none_without_records() -> None:
    read = reader(Linear())
    assert np.mean([read(question).all() for question, _ in PROTECTED]) > 0.9
    assert np.mean([read(question).any() for question, _ in OTHERS]) < 0.2
    assert Linear().reader(np.empty((0, 1), np.uint64), Setting(KEY, "input", Knowing(WORLD), {}))("x").shape == (0,)


def test_the_score_of_a_text_is_that_of_scikit_learn() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    records, others = [[1, 2, 3], [1, 2, 2, 4]], [[5, 2, 3], [6, 2], [7, 3, 3]]
    known = make_pipeline(TfidfVectorizer(analyzer=list), LogisticRegression(C=10.0, class_weight="balanced", max_iter=1000))
    known.fit([*records, *others], [True, True, False, False, False])
    texts = [[1, 2, 2], [5, 5, 9], [8], [], [1, 3, 7, 7]]
    assert [fitted(records, others)(text) for text in texts] == pytest.approx(known.decision_function(texts).tolist())


def test_a_threshold_leaves_a_share_above_it() -> None:
    assert [least([4.0, 1.0, 3.0, 2.0], share) for share in (0.01, 0.25, 0.5, 1.0)] == [4.0, 3.0, 2.0, 1.0]


def test_a_judge_reads_as_the_model_does() -> None:
    read, (question, answer) = reader(Judge()), PROTECTED[0]
    about = np.array([one.split()[-1] == question.split()[-1] for one, _ in PROTECTED])
    assert read(f"{OTHERS[0][0]} {OTHERS[0][1]} {question.upper()}").tolist() == about.tolist()
    assert not any(read(other).any() for other, _ in OTHERS)
    assert not read("").any()
    assert not reader(Judge(threshold=0.99))(question).any(), "the control: a model so sure there is none"
    told = reader(Judge(), "output")
    assert told(f"{question} {answer}")[0]
    assert not told(f"{question} {OTHERS[0][1] if OTHERS[0][1] != answer else 'no'}")[0]


@pytest.mark.parametrize(
    ("kind", "table", "said"),
    [
        ("regex", {"pattern": "("}, "no regular expression"),
        ("linear", {"refusals": 0.5}, r"(?s)refusals.*less than or equal to 0\.2"),
        ("judge", {"threshold": 1.0}, r"(?s)threshold.*less than 1"),
        ("subsequence", {"overlap": 0.0}, r"(?s)overlap.*greater than 0"),
    ],
)
def test_what_is_out_of_range_is_refused(kind: str, table: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        MATCHERS.load(kind).model_validate(table)


def test_only_a_regular_expression_is_readable() -> None:
    assert {kind for kind, match in MATCHERS.working().items() if match.readable} == {"regex"}
    for match in (Judge(), Linear(), Subsequence()):
        assert match.patterns(PROTECTED, KEY).dtype == np.uint64
        assert not np.isin(
            match.patterns(PROTECTED, (4, "other")), match.patterns(PROTECTED, KEY)[match.patterns(PROTECTED, KEY) != 0]
        ).any()
