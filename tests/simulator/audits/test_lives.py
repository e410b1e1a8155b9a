"""Shadow models live as main models do: model k of a stack is the network that lives alone, whether it forgets or not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from clients.data.bundled import Digits
from clients.models.linear import Linear
from clients.models.mlp import Mlp
from clients.training import Adam, Arrays, Training
from clients.unlearning.approximate.approximate import Approximate
from clients.unlearning.approximate.finetune import Finetune
from clients.unlearning.approximate.recollection import Recollection
from clients.unlearning.contract import Problem, UnlearnerSpec
from clients.unlearning.deep.random_labels import RandomLabels
from clients.unlearning.exact.retrain import Retrain
from clients.unlearning.general.puma import Puma
from clients.unlearning.plain import Plain
from server.audit.margins import margins
from simulator.audits.contract import RUN, NotJudgedError
from simulator.audits.lives import Life, Shadows, life_of

BASE = Mlp(hidden=(8,))
SPECS = {
    "retrain": Retrain(base=BASE),
    "finetune": Finetune(base=BASE),
    "random_labels": Approximate(base=BASE, method=RandomLabels(epochs=1)),
}


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LETHE_CACHE", str(tmp_path))


def life(spec: UnlearnerSpec, lr: float = 0.01) -> Life:
    data = Digits().load()
    problem = Problem(data.shape, 10, training=Training(epochs=2, batch_size=8, optimizer=Adam(lr=lr)), rounds=3)
    rows, population = data.rows(np.arange(30)), data.rows(np.arange(100, 120))
    return Life(spec, problem, rows, population, np.arange(0, 24, 3), 2, 1, ("test",))


def alone(one: Life, shadows: Shadows, k: int, *, ignoring: bool = False) -> Arrays:
    """Return the weights of a main model with the key and the rows of shadow model k, as the federation makes it live."""
    learner = one.spec.build(one.problem, (*shadows.key, "shadow", k))
    assert isinstance(learner, Plain)
    learner.begin(one.rows.keep(shadows.had[k]))
    for _ in range(one.before):
        learner.advance()
    if not ignoring:
        learner.forget(np.intersect1d(learner.rows.ids, one.gone))
    for _ in range(one.after):
        learner.advance()
    return learner.weights


@pytest.mark.parametrize("half", [True, False])
@pytest.mark.parametrize("kind", SPECS)
def test_a_shadow_model_is_the_main_model_that_lives_alone(kind: str, half: bool) -> None:
    one = life(SPECS[kind])
    shadows = Shadows(one, 3, half=half)
    gone = one.rows.only(one.gone)
    for outputs, ignoring in ((shadows.unlearned, False), (shadows.nothing, True)):
        weights = alone(one, shadows, 1, ignoring=ignoring)
        expected = margins(shadows.stack.logits({name: array[None] for name, array in weights.items()}, gone.x), gone.y)[0]
        assert outputs.gone[1] == pytest.approx(expected, abs=1e-3)
    assert np.abs(shadows.unlearned.gone - shadows.nothing.gone).max() > 0.01


def test_models_that_never_had_the_rows_do_not_depend_on_them() -> None:
    one = life(SPECS["finetune"])
    x = one.rows.x.copy()
    x[np.isin(one.rows.ids, one.gone)] *= -1
    other = replace(one, rows=replace(one.rows, x=x))
    first, second = Shadows(one, 2, half=False), Shadows(other, 2, half=False)
    assert np.array_equal(first.never.kept, second.never.kept)
    assert np.array_equal(first.again.population, second.again.population)
    assert not np.array_equal(first.never.kept, first.again.kept)
    assert not np.array_equal(first.unlearned.kept, second.unlearned.kept)


def test_models_that_have_forgotten_once_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    one = life(SPECS["finetune"])
    first = Shadows(one, 2, half=False).unlearned
    monkeypatch.setattr(Shadows, "_forget", lambda *_: pytest.fail("they forget again"))
    assert np.array_equal(Shadows(one, 2, half=False).unlearned.gone, first.gone)


def test_what_is_remembered_for_some_validation_rows_is_not_taken_for_others() -> None:
    one, data = life(Approximate(base=Linear(), method=Puma(tolerance=0.5))), Digits().load()
    problems = [replace(one.problem, validation=data.rows(np.arange(first, first + 20))) for first in (200, 300)]
    found = [Shadows(replace(one, problem=problem), 1, half=False).weights(RUN) for problem in problems]
    assert any(not np.array_equal(found[0][name], found[1][name]) for name in found[0])


def test_diverged_models_are_not_judged() -> None:
    with pytest.raises(NotJudgedError, match="not numbers"):
        _ = Shadows(life(SPECS["finetune"], lr=1e38), 2, half=False).nothing


def test_a_main_model_that_trains_in_its_own_way_is_not_judged() -> None:
    """Recollection keeps vectors beside its weights, without which it forgets nothing."""
    own = life(SPECS["finetune"])
    learner = Recollection(base=Linear()).build(own.problem, own.key)
    learner.begin(own.rows)
    peer = SimpleNamespace(main=learner, config=SimpleNamespace(main=Recollection(base=Linear())))
    erasure = SimpleNamespace(rows=tuple(range(8)), peer=0, correction=None)
    with pytest.raises(NotJudgedError, match="main model of kind 'recollection' trains in a way of its own"):
        life_of(erasure, [0], SimpleNamespace(peers={0: peer}))  # type: ignore[arg-type]
    with pytest.raises(NotJudgedError, match="rows were corrected and stay"):
        life_of(SimpleNamespace(correction=object()), [0], SimpleNamespace(peers={}))  # type: ignore[arg-type]
