"""The proof of ignorance: held-out verification models deviate by about one, and those that saw the rows object to nobody."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from server.audit.ignorance import deviations, lead
from simulator.audits.contract import NOTHING, RETRAINED, NotJudgedError
from simulator.audits.ignorance import Ignorance, _leads
from simulator.audits.lives import Shadows
from simulator.audits.verdicts import judged
from tests.simulator.audits.test_tier_two import IDLE, RETRAINING, life

pytestmark = pytest.mark.usefixtures("own_cache")


def test_leads_are_compared_within_classes() -> None:
    gone, others = np.array([[5.0, 1.0, 1.0]]), np.array([[2.0, 4.0, 0.0, 9.0]])
    found = lead(gone, others, np.array([0, 1, 1]), np.array([0, 0, 1, 2]))
    assert found.tolist() == [pytest.approx((1 * (5 - 3) + 2 * (1 - 0)) / 3)], "a row of class 2 has nobody to be compared with"
    assert lead(gone, others, np.array([0, 3, 3]), np.array([0, 0, 1, 2])).tolist() == [2.0], "nor have forgotten rows of class 3"
    with pytest.raises(ValueError, match="set more test rows aside"):
        lead(gone, others, np.array([3, 3, 3]), np.array([0, 0, 1, 2]))


def test_held_out_verification_models_deviate_by_one() -> None:
    shadows = Shadows(life(IDLE), 48, half=True)
    leads = _leads(shadows, RETRAINED)
    assert deviations(leads[:24], leads[24:]).std(ddof=1) == pytest.approx(1, abs=0.4)
    assert abs(deviations(leads[:24], leads[24:]).mean()) < 0.7


@pytest.mark.slow
def test_who_did_nothing_is_objected_to_in_every_seed_and_who_retrained_in_few() -> None:
    verdicts: dict[str, list[str]] = {"nothing": [], "retrain": []}
    for seed in range(3):
        for name, spec in (("nothing", IDLE), ("retrain", RETRAINING)):
            figures = Ignorance(models=8, verification=12).of_life(replace(life(spec), key=("seed", seed)))
            one = judged("ignorance", figures)
            assert one is not None
            verdicts[name].append(one.verdict)
    assert verdicts["nothing"] == ["fails"] * 3
    assert verdicts["retrain"].count("no objection") >= 2


def test_verification_models_that_saw_the_rows_object_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    shadows = Shadows(life(IDLE), 12, half=False)
    apart = Ignorance().values(shadows, NOTHING).mean()
    monkeypatch.setattr(Shadows, "_kept", property(lambda self: self.had | self._gone))
    assert apart > 2 > Ignorance().values(shadows, NOTHING).mean()


def test_classes_that_no_test_row_has_are_not_judged() -> None:
    plain = life(IDLE)
    shadows = Shadows(plain, 8, half=False)
    shadows.population = shadows.population.keep(~np.isin(shadows.population.y, shadows.gone.y))
    with pytest.raises(NotJudgedError, match="none of the rows that nobody held"):
        Ignorance(verification=8).values(shadows, NOTHING)
