"""A run whose peers keep statistics is proven again from its directory, and is not where a certificate is a lie."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from clients.unlearning.approximate.statistics.learner import Newton
from clients.unlearning.approximate.statistics.statistics import RemainingHessian
from simulator.runs.run import Run
from simulator.runs.verify import verify
from tests.simulator.runs.test_residual_certificates import TINY as WHOLE

MAIN: dict[str, Any] = {"kind": "newton_statistics", "sigma": 1.0}
TINY: dict[str, Any] = WHOLE | {"peers": WHOLE["peers"] | {"main": [MAIN]}}


def test_certificates_are_proven_again(play: Callable[..., Run]) -> None:
    run = play(**TINY)
    rows = run.results["erasures"]
    assert rows[0]["certificate"]["kind"] == "distance"
    assert rows[0]["guarantee"] == "certified(1, 0.0001)"
    assert verify(run.folder) == []


@pytest.mark.parametrize("lie", ["no step", "no noise"])
def test_a_certificate_that_lies_is_disproved(lie: str, play: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        if lie == "no step":
            patch.setattr(RemainingHessian, "distance", lambda *given: 1e-9)
        else:
            patch.setattr(Newton, "_drawn", lambda self, *_: self.zeros())
        run = play(**TINY | {"audit": {"counterfactual": False}, "event": TINY["event"][:1]})
    said = "the optimum on the remaining rows is" if lie == "no step" else "its noise was not drawn with sigma = 1"
    assert run.results["verdict"]["name"] == "disproved"
    assert any(said in line for line in verify(run.folder)), verify(run.folder)
