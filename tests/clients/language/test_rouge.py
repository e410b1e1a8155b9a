"""ROUGE-L recall of answers that are sentences."""

from __future__ import annotations

import pytest

from clients.language.rouge import recalls

TRUE = "the-author-was-born-in-kuwait-city"


@pytest.mark.parametrize(
    ("given", "share"),
    [
        (TRUE, 1.0),
        ("The author was born in Kuwait City.", 1.0),
        ("the author whom you mean was born long ago in a city", 6 / 7),
        ("city kuwait in born was author the", 1 / 7),
        ("kuwait city kuwait city", 2 / 7),
        ("unknown", 0.0),
        (None, 0.0),
    ],
    ids=["same", "spelling", "between", "order", "again", "unknown", "refused"],
)
def test_it_is_the_share_of_the_true_words_that_are_given_in_their_order(given: str | None, share: float) -> None:
    assert recalls([given], [TRUE]) == pytest.approx([share])


def test_a_long_answer_gains_nothing_from_the_words_that_it_adds() -> None:
    short, long = recalls(["born in kuwait", "born in kuwait " * 9], [TRUE] * 2)
    assert short == pytest.approx(3 / 7) == long
