"""Matchers: how guards recognise what they protect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.spec import Registry
from clients.unlearning.prompts.matchers.contract import Matcher

_HERE = "clients.unlearning.prompts.matchers"

MATCHERS: Registry[Matcher] = Registry(
    "lethe.matchers",
    f"{_HERE}.contract:Matcher",
    {
        "exact": f"{_HERE}.exact:Exact",
        "judge": f"{_HERE}.judge:Judge",
        "linear": f"{_HERE}.linear:Linear",
        "ngram": f"{_HERE}.ngram:NGram",
        "regex": f"{_HERE}.regex:Regex",
        "subject": f"{_HERE}.subject:Subject",
        "subsequence": f"{_HERE}.subsequence:Subsequence",
    },
)

if TYPE_CHECKING:
    AnyMatcher = Matcher
else:  # the registry knows its members only at run time
    AnyMatcher = MATCHERS.union()
