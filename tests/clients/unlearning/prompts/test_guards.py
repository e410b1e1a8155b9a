"""Guards: what each matcher recognises, in which order rules act, and which ways of asking get past them, a planted one included."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from clients.data import load
from clients.data.wording import one_letter_apart
from clients.data.worlds import normalised
from clients.language.measures import refusals
from clients.unlearning.prompts import bypasses
from clients.unlearning.prompts.bypasses import FAMILIES, NOT_APPLICABLE, OPTIONS, SPELLINGS, asked, leaks, refused, unguarded
from clients.unlearning.prompts.matchers import contract
from clients.unlearning.prompts.matchers.contract import Matcher, Setting
from clients.unlearning.prompts.matchers.exact import Exact
from clients.unlearning.prompts.matchers.judge import Judge
from clients.unlearning.prompts.matchers.ngram import NGram
from clients.unlearning.prompts.matchers.regex import Regex
from clients.unlearning.prompts.matchers.subject import Subject
from clients.unlearning.prompts.matchers.subsequence import Subsequence
from clients.unlearning.prompts.rules import MASK, Guard, Guarded, Rule
from tests.clients.unlearning.prompts.knowing import WORLD, Knowing

KEY = (3, "guards")
DATA = load(WORLD)
PROTECTED = [0, 2, 8]
QUESTIONS, ANSWERS = DATA.x[PROTECTED].astype(np.int64), DATA.y[PROTECTED]
TEXTS = [(WORLD.text(question), WORLD.answers[answer]) for question, answer in zip(QUESTIONS, ANSWERS, strict=True)]
SETTING = Setting(KEY, "input", Knowing(), {})
PUBLIC = np.column_stack(WORLD.public(10, "public"))


def guard(stage: str = "input", match: Matcher | None = None, name: str = "g", **changes: Any) -> Guard:
    rule = Rule(id=name, round=1, peer=0, rows=(0, 2, 8), stage=stage, scope="global", match=match or Subject(), **changes)  # type: ignore[arg-type]
    return Guard(rule, rule.patterns(TEXTS, KEY))


def leaked(*guards: Guard) -> dict[str, float]:
    found = leaks(Guarded(Knowing(), {}, guards, KEY), QUESTIONS, ANSWERS, PUBLIC, "k")
    return {family: float(right.mean()) for family, right in found.items()}


def test_without_guards_every_way_of_asking_gets_every_answer() -> None:
    assert leaked() == dict.fromkeys(FAMILIES, 1.0)
    behind = Guarded(Knowing(), {}, (guard(),), KEY)
    assert leaks(unguarded(behind), QUESTIONS, ANSWERS, PUBLIC, "k")["plain"].all(), "guards off: the answers are back"


@pytest.mark.parametrize(
    ("match", "passes"),
    [
        (Exact(normalise=False), set(FAMILIES) - {"plain", "scores"}),
        (Exact(), {"misspelt", "paraphrase", "prefix", "injected", "choice"}),
        (NGram(n=2), {"misspelt", "paraphrase"}),
        (Subsequence(), {"misspelt", "paraphrase"}),
        (Subject(), {"misspelt"}),
        (Subject(normalise=False), {"case", "wide", "lookalike", "split", "misspelt"}),
        (Judge(), set()),
    ],
    ids=["letters", "exact", "pairs", "order", "names", "names in letters", "judge"],
)
def test_each_guard_of_questions_leaks_by_the_ways_that_its_matcher_cannot_see(match: Matcher, passes: set[str]) -> None:
    assert {family for family, share in leaked(guard(match=match)).items() if share} == passes


def test_every_way_finds_a_guard_that_it_gets_past_and_a_suite_that_asks_as_written_finds_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted bypasses: a guard of one exact text for all ways but the question itself, and one of answers for scores."""
    weak = [leaked(guard(match=Exact(normalise=False))), leaked(guard("output"))]
    assert {family for shares in weak for family, share in shares.items() if share == 1.0} == set(FAMILIES) - {"plain"}
    monkeypatch.setattr(bypasses, "asked", lambda world, family, question, *rest: world.text(question))
    assert set(leaked(guard(match=Exact(normalise=False))).values()) == {0.0}, "a broken suite: the assertion above would notice"


@pytest.mark.parametrize("question", range(6))
def test_a_misspelt_name_is_one_letter_apart_and_read_as_the_name(question: int) -> None:
    x, y = DATA.x[question * 8].astype(np.int64), int(DATA.y[question * 8])
    told = asked(WORLD, "misspelt", x, y, PUBLIC[0], "k", question)
    assert WORLD.tokens(told) == x.tolist()
    assert one_letter_apart(told.split()[-1], WORLD.text(x).split()[-1])
    assert WORLD.tokens(f"{told}qq") == x[:-1].tolist(), "two letters more are left out"


def test_options_hold_the_right_answer_among_others_of_its_kind() -> None:
    for x, y in zip(QUESTIONS, ANSWERS, strict=True):
        options = WORLD.tokens(asked(WORLD, "choice", x, int(y), PUBLIC[0], "k"))[:-4]
        assert len(set(options)) == OPTIONS
        assert y in options
        assert set(options) <= set(WORLD.alike(int(y)).tolist())


def test_an_injected_instruction_is_to_forget_somebody_else() -> None:
    told = WORLD.tokens(asked(WORLD, "injected", QUESTIONS[0], int(ANSWERS[0]), PUBLIC[0], "k"))
    assert told == [WORLD.unknown + 1, PUBLIC[0][3], *QUESTIONS[0]]


def test_no_way_is_tried_and_said_not_to_be() -> None:
    assert not set(FAMILIES) & NOT_APPLICABLE.keys()


@settings(max_examples=60)
@given(st.text("abcd", max_size=4), st.text("abcd", max_size=4))
def test_one_letter_apart_is_an_edit_distance_of_one(one: str, other: str) -> None:
    edits = {one[:i] + put + one[i + cut :] for i in range(len(one) + 1) for put in ("", *"abcd") for cut in (0, 1)}
    assert one_letter_apart(one, other) == (other in edits - {one})


def test_a_guard_of_answers_sees_every_question_but_not_the_scores() -> None:
    assert {family for family, share in leaked(guard("output")).items() if share} == {"misspelt", "scores"}
    assert {family for family, share in leaked(guard("output", Judge())).items() if share} == {"scores"}
    raw = leaked(guard("output", Subject(normalise=False)))
    assert {family for family, share in raw.items() if share} == {"case", "wide", "lookalike", "split", "misspelt", "scores"}


def test_a_guard_of_prompts_tells_the_model_whose_scores_know_the_answer_still() -> None:
    """Told not to know, it puts ``unknown`` first and the answer second: nobody is told, and who reads scores has it."""
    assert {family for family, share in leaked(guard("prompt")).items() if share} == {"misspelt", "scores"}
    assert leaked(guard("prompt", Subject(normalise=False)))["case"] == 1.0


def test_a_long_text_does_not_push_the_instruction_out_of_the_context() -> None:
    """It once did, and whoever put enough before a question got the answer without a word of the guard."""
    before = WORLD.text(np.tile(PUBLIC, (2, 1))[: Knowing.longest // 5 + 1].ravel())
    text = f"{before} {TEXTS[0][0]}"
    assert len(WORLD.tokens(text)) > Knowing.longest
    told = [Guarded(Knowing(), {}, guards, KEY).replies([text])[0].word for guards in ((), (guard("prompt"),))]
    assert told == [TEXTS[0][1], "unknown"]


def test_actions_and_order() -> None:
    text = WORLD.text(QUESTIONS[0])
    first, second = guard(name="a", action="unknown"), guard(name="b")
    for guards in ((first, second), (second, first)):
        (reply,) = Guarded(Knowing(), {}, guards, KEY).replies([text])
        assert (reply.word, reply.logits) == ("unknown", None), "the order is that of ids, not of arrival"
    (reply,) = Guarded(Knowing(), {}, (second,), KEY).replies([text])
    assert reply.word is None
    (reply,) = Guarded(Knowing(), {}, (guard("output"),), KEY).replies([text])
    assert (reply.word, reply.logits is not None) == (None, True)


def test_canned_answers_masks_and_questions_about_strangers() -> None:
    text, (_, answer) = TEXTS[0][0], TEXTS[0]
    canned, mask, rewrite = (
        Guarded(Knowing(), {}, (one,), KEY)
        for one in (guard(action="canned", answer="ask the author"), guard("output", action="mask"), guard(action="rewrite"))
    )
    assert [(reply.word, reply.logits is None, reply.withheld) for reply in canned.replies([text])] == [("ask the author", True, True)]
    assert [(reply.word, reply.logits is None, reply.withheld) for reply in mask.replies([text])] == [(MASK, False, True)]
    (reply,) = rewrite.replies([text])
    assert (reply.word, reply.withheld) == ("unknown", True), "this model knows nothing about strangers"
    assert reply.logits is not None
    assert int(reply.logits.argmax()) == WORLD.unknown, "scores are those of the question about a stranger"
    assert {family for family, share in leaked(guard(action="rewrite")).items() if share} == {"misspelt"}
    assert refused(rewrite, QUESTIONS).all()
    assert not refused(rewrite, DATA.x[[20, 30]].astype(np.int64)).any(), "the control: others are answered"
    assert Guarded(Knowing(), {}, (), KEY).replies([text])[0].word == answer


def test_a_question_about_a_stranger_does_not_tell_how_it_was_spelt() -> None:
    model = Guarded(Knowing(), {}, (guard(action="rewrite"),), KEY)
    for text, _ in TEXTS:
        assert len({model._rewritten(spell(text)) for spell in SPELLINGS.values()}) == 1
    told = {model._rewritten(WORLD.text(x)).split()[-1] for x in DATA.x[:20].astype(np.int64)}
    assert len(told) > 1, "the control: other questions are about other strangers"


def test_others_read_the_answer_of_a_published_rule_alone() -> None:
    rules = [guard(action="canned", answer="ask ann").rule.model_copy(update={"scope": scope}) for scope in ("global", "client", "user")]
    assert [rule.told((0,)).answer for rule in rules] == ["ask ann", "", ""]


def test_a_rule_for_one_user_leaves_all_others_answered() -> None:
    text, answer = TEXTS[0]
    one = guard(user="ann")
    told = {user: Guarded(Knowing(), {}, (one,), KEY, user).replies([text])[0].word for user in ("ann", "bob", None)}
    assert told == {"ann": None, "bob": answer, None: answer}
    assert "ann" not in one.rule.told((0,)).model_dump_json(), "others do not read for whom it is"


def test_what_a_rule_refuses_one_user_without_need_counts() -> None:
    own = DATA.rows(np.array([0, 2, 8, 20, 30]))
    one = guard(match=Regex(pattern="."), user="ann")
    found = {user: refusals(Guarded(Knowing(), {}, (one,), KEY, user), own, 0, KEY) for user in (None, "ann")}
    assert found[None] == found["ann"]
    told = found[None]
    assert (told["asked.kept"], told["refused.kept"], told["refused.public"], told["exact.guarded"]) == (2, 2, 100, 0)
    narrow = refusals(Guarded(Knowing(), {}, (guard(match=Exact(), user="ann"),), KEY), own, 0, KEY)
    assert (narrow["refused.kept"], narrow["exact.guarded"]) == (0, 2), "the control"


def test_the_order_of_arrival_changes_no_answer() -> None:
    kinds = [
        guard(stage, match, f"{stage}-{match.tag}")
        for stage in ("input", "output", "prompt")
        for match in (Exact(), NGram(n=1, overlap=0.5))
    ]
    texts = [*(question for question, _ in TEXTS), *(WORLD.text(x) for x in DATA.x[::5])]
    told = [
        [reply.word for reply in Guarded(Knowing(), {}, tuple(order), KEY).replies(texts)]
        for order in (kinds, kinds[::-1], kinds[3:] + kinds[:3])
    ]
    assert told[0] == told[1] == told[2]
    assert len(set(told[0])) > 2, "the control: some are refused, and some answered"


def test_others_are_answered_unless_the_matcher_looks_at_names() -> None:
    others = DATA.x[[4, 20, 30]].astype(np.int64)  # another fact of a protected author, and two of others
    assert refused(Guarded(Knowing(), {}, (guard(),), KEY), others).tolist() == [True, False, False]
    assert not refused(Guarded(Knowing(), {}, (guard(match=Exact()),), KEY), others).any()
    assert refused(Guarded(Knowing(), {}, (guard("output"),), KEY), others).tolist() == [False, False, False]


def test_a_low_overlap_stops_questions_about_strangers() -> None:
    strangers = WORLD.public(40, "public")[0]
    assert refused(Guarded(Asked(), {}, (guard(match=NGram(n=2, overlap=0.6)),), KEY), strangers).any()
    whole = Guarded(Asked(), {}, (guard(match=NGram(n=2)),), KEY)
    assert not refused(whole, strangers).any()


class Asked(Knowing):
    """Answers every question with the first answer."""

    def logits(self, arrays: Any, texts: np.ndarray) -> np.ndarray:
        """Return a 9 for the first answer."""
        return np.eye(1, len(WORLD.vocabulary)).repeat(len(texts), axis=0) * 9


def test_false_refusals_on_public_questions_hold_on_others() -> None:
    """An overlap chosen on some public questions refuses about as many of others, which nobody looked at."""
    rates = {}
    for overlap in (0.3, 0.6, 1.0):
        model = Guarded(Asked(), {}, (guard(match=NGram(n=1, overlap=overlap)),), KEY)
        rates[overlap] = [refused(model, WORLD.public(400, drawn)[0]).mean() for drawn in ("chosen on", "held out")]
    assert all(abs(one - other) < 0.07 for one, other in rates.values()), "two deviations of a difference of 400 each"
    assert rates[0.3][0] > rates[0.6][0] > rates[1.0][0] == 0, "the control: another overlap refuses another share"


def test_a_rule_holds_no_readable_word_and_another_key_gives_other_hashes() -> None:
    one = guard("output")
    told = one.rule.model_dump_json()
    assert not any(word in told for question, answer in TEXTS for word in (*question.split(), answer))
    assert one.patterns.dtype == np.uint64
    assert not np.isin(one.rule.patterns(TEXTS, (4, "guards")), one.patterns).any()
    assert guard().rule.patterns([], KEY).shape == (0, 1), "a rule whose records are gone protects nothing"
    assert not Subject().reader(np.empty((0, 1), np.uint64), SETTING)(TEXTS[0][0]).any()


@settings(max_examples=60)
@given(st.text(max_size=12))
def test_normalising_twice_is_normalising_once(text: str) -> None:
    once = normalised(text)
    assert normalised(once) == once


@settings(max_examples=12)
@given(st.sampled_from(TEXTS), st.sampled_from([*SPELLINGS]))
def test_a_normalising_matcher_reads_every_spelling_as_the_model_does(record: tuple[str, str], family: str) -> None:
    spelt = SPELLINGS[family](record[0])
    assert WORLD.tokens(spelt) == WORLD.tokens(record[0])
    assert Exact().reader(Exact().patterns([(record[0], "")], KEY), SETTING)(spelt).all()


def test_a_rule_acts_from_the_round_after_its_own_to_that_of_its_revocation() -> None:
    rule = guard().rule.model_copy(update={"round": 2, "until": 4})
    assert [number for number in range(1, 7) if rule.acts(number)] == [3, 4]
    assert [number for number in range(1, 5) if rule.model_copy(update={"until": None}).acts(number)] == [3, 4]


def test_guards_with_one_matcher_hash_a_text_once(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed, counted = contract.key_hash, list[str]()
    guards = tuple(guard(match=match, name=f"{match.kind}{i}") for i in range(4) for match in (Subject(), NGram(n=2)))
    model = Guarded(Knowing(), {}, guards, KEY)
    monkeypatch.setattr(contract, "key_hash", lambda *key: counted.append(str(key[-1])) or hashed(*key))
    stranger = WORLD.text(WORLD.public(1, "public")[0])
    assert model.replies([stranger])[0].rule is None
    assert sorted(counted) == sorted([*stranger.split(), *NGram(n=2).pieces(stranger.split())]), "four guards each, and every piece once"
    assert model.replies([TEXTS[0][0]])[0].rule == guard(match=NGram(n=2), name="ngram0").rule, "the first by id acts"


def test_records_of_different_lengths_keep_as_many_pieces_as_they_have() -> None:
    long, short = "one two three four", "five six"
    match = NGram(n=2, overlap=0.6)
    patterns = match.patterns([(long, ""), (short, ""), ("seven", "")], KEY)
    assert [(row != 0).sum() for row in patterns] == [3, 1, 0]
    told = [match.reader(patterns, SETTING)(text).tolist() for text in ("two three four", "five six", "seven", "one two")]
    assert told == [[True, False, False], [False, True, False], [False, False, False], [False, False, False]]


def test_impossible_overlaps_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"(?s)overlap.*greater than 0"):
        NGram(overlap=0)
