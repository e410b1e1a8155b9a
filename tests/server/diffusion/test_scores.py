"""Versions of weights that are compared sample by sample."""

from __future__ import annotations

import numpy as np
import pytest

from server.audit.paired import Paired
from server.diffusion import scores
from server.diffusion.evaluation import SampleEvaluation, Shown

ASKED = np.array([2, 2, 2, 2, 5, 5])


def shown(*judged: int) -> Shown:
    return Shown(0.5, 0.5, {}, None, np.zeros((6, 1, 1, 1), np.float32), ASKED, np.array(judged))


def test_samples_of_the_concept_are_compared_with_those_of_the_version_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "details", lambda *_: {})
    versions = {"original": shown(2, 2, 2, 1, 5, 5), "pruned": shown(1, 1, 1, 2, 1, 1), "revived": shown(2, 2, 1, 2, 5, 5)}
    told = scores.of_versions(versions, SampleEvaluation.__new__(SampleEvaluation), 2, ())
    assert "paired" not in told["original"]
    assert told["pruned"]["paired"] == {"original": vars(Paired(gained=1, lost=3, p=0.625))}
    assert told["revived"]["paired"] == {"pruned": vars(Paired(gained=2, lost=0, p=0.5))}, "nothing has random signs here"
