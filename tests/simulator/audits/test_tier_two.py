"""Audits of what is still inside: doing nothing is caught by each, retraining by none; faults that are planted show."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache as memo
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from clients.data.bundled import Digits
from clients.data.rows import Column
from clients.models.mlp import Mlp
from clients.training import Adam, Training
from clients.unlearning.approximate.approximate import Approximate
from clients.unlearning.contract import Problem, UnlearnerSpec
from clients.unlearning.deep.last_layers import CfK
from clients.unlearning.deep.nothing import Nothing
from clients.unlearning.exact.retrain import Retrain
from server.audit.quantisation import quantised
from server.audit.relearned import steps_until
from simulator.auditing import add
from simulator.audits import AUDITS
from simulator.audits.contract import NOTHING, ORIGINAL, RETRAINED, RUN, NotJudgedError
from simulator.audits.disturbed import Quantisation, Revival, right
from simulator.audits.lives import Life, Shadows
from simulator.audits.outputs import Zrf
from simulator.audits.planted import Backdoor, Canary, Interclass
from simulator.audits.relearned import Anamnesis, RelearningSteps
from simulator.audits.verdicts import Judged, by_shadows, judged
from simulator.cli import app
from simulator.report.writing import page as report_of
from simulator.runs.run import Run
from simulator.runs.verify import verify
from simulator.scenarios.scenario import Scenario

pytestmark = pytest.mark.usefixtures("own_cache")

NAMES = tuple(sorted(name for name, spec in by_shadows().items() if not spec.passes))
BASE = Mlp(hidden=(24,))
IDLE, RETRAINING = Approximate(base=BASE, method=Nothing()), Retrain(base=BASE)


def life(spec: UnlearnerSpec) -> Life:
    data = Digits().load()
    problem = Problem(data.shape, 10, training=Training(epochs=10, batch_size=16, optimizer=Adam(lr=0.02)), rounds=2)
    return Life(spec, problem, data.rows(np.arange(100)), data.rows(np.arange(1000, 1080)), np.arange(0, 100, 2), 2, 0, ("test",))


@memo
def found(name: str, spec: UnlearnerSpec) -> dict[str, Any]:
    """Return an audit's figures of a method."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("simulator.audits.lives.life_of", lambda *_: life(spec))
        branches: Any = {RUN: None}
        short = {"rounds": 2, "hold": 1} if name == "time_to_forget" else {}
        return dict(AUDITS.load(name)(models=12, **short).judge(None, (), branches))  # type: ignore[arg-type]


def verdict(name: str, spec: UnlearnerSpec) -> str:
    one = judged(name, found(name, spec))
    assert one is not None
    return one.verdict


@pytest.mark.parametrize("name", NAMES)
def test_doing_nothing_is_caught_and_retraining_is_not(name: str) -> None:
    assert (verdict(name, IDLE), verdict(name, RETRAINING)) == ("fails", "no objection")
    figures = found(name, IDLE)
    assert figures[name] == figures[f"{name}_nothing"]
    assert figures[f"{name}_low"] <= figures[name] <= figures[f"{name}_high"]
    assert figures[f"{name}_models"] == 12
    assert figures[f"{name}_rows"] >= (1 if name in ("anamnesis", "ignorance", "relearning", "time_to_forget") else 20)


def test_figures_have_the_direction_that_they_are_said_to_have() -> None:
    more, fewer = ("backdoor", "canary", "interclass", "quantisation", "time_to_forget"), ("anamnesis", "relearning")
    for name, sign in (*((name, 1) for name in more), *((name, -1) for name in fewer)):
        figures = found(name, IDLE)
        assert sign * (figures[name] - figures[f"{name}_again"]) > 0, name
    assert found("anamnesis", IDLE)["anamnesis_again"] == pytest.approx(1, abs=0.3)
    assert found("backdoor", IDLE)["backdoor"] > 0.9
    assert found("canary", IDLE)["canary_again"] == pytest.approx(1.44, abs=0.4)


def test_relearning_counts_steps_of_the_same_rows_in_the_same_order() -> None:
    """A model of the stack relearns as it does alone, and as its own training would."""
    shadows = Shadows(life(IDLE), 8, half=False)
    settings, weights = shadows.life.problem.training, shadows.weights(RETRAINED)
    losses = [loss for loss, _ in islice(shadows.stack.relearned(weights, shadows.gone, key=("k",), settings=settings), 8)]
    alone = {name: array[3:4] for name, array in weights.items()}
    for loss, (single, _) in zip(losses, shadows.stack.relearned(alone, shadows.gone, key=("k",), settings=settings), strict=False):
        assert single[0] == pytest.approx(loss[3], abs=1e-5)
    target = losses[5]
    counted = steps_until(shadows.stack, weights, shadows.gone, lambda now, _: now <= target, 6, ("k",), settings)
    assert (counted <= 5).all()
    assert (steps_until(shadows.stack, weights, shadows.gone, lambda now, _: now < 0, 6, ("k",), settings) == 6).all(), "the cap"


def test_a_broken_quantiser_shows_as_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever rounds with a step that is far too wide makes all models fail alike, which the damage tells from forgetting."""
    from server.audit import quantisation

    shadows, audit = Shadows(life(IDLE), 8, half=False), Quantisation()
    honest = list(audit.more(shadows, NOTHING))
    monkeypatch.setattr(quantisation, "quantised", lambda weights, bits: {name: 0 * array for name, array in weights.items()})
    broken = list(audit.more(shadows, NOTHING))
    assert broken[1] > 0.5 > honest[1]
    one = judged("quantisation", Quantisation(models=8).of_life(life(IDLE)))
    assert one is not None
    assert one.verdict == "no power", "and it is no forgetting, as retrained models fail alike"


def test_rounding_of_trained_and_of_untrained_networks_by_hand() -> None:
    shadows = Shadows(life(IDLE), 8, half=False)
    for weights in (shadows.weights(ORIGINAL), shadows.stack.initial([("untrained", k) for k in range(8)])):
        rounded = quantised(weights, 4)
        for name, array in weights.items():
            for one, found in zip(array.astype(float), rounded[name], strict=True):
                step = np.abs(one).max() / 7 or 1.0
                assert found == pytest.approx(np.round(one / step) * step, abs=1e-6)
        for rows in (shadows.gone, shadows.population):
            assert (right(shadows, quantised(weights, 16), rows) == right(shadows, weights, rows)).all(), "16 bits change no answer"
            assert (right(shadows, quantised(weights, 2), rows) != right(shadows, weights, rows)).any(), "the control: two bits do"
    assert next(iter(Quantisation().more(shadows, RETRAINED))) == 0, "what retrained models get back is what is told of them as nothing"


def test_networks_that_were_never_trained_have_a_zrf_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    shadows = Shadows(life(IDLE), 8, half=False)
    untrained = shadows.stack.initial([(*shadows.key, "untrained", k) for k in range(8)])
    monkeypatch.setitem(shadows._weights, RUN, untrained)
    assert Zrf().values(shadows, RUN) == pytest.approx(1)
    assert Zrf().values(shadows, ORIGINAL).mean() < 0.6


def test_an_epoch_without_the_swapped_rows_does_not_take_the_confusion_away() -> None:
    epoch = CfK(layers=2, epochs=1, batch_size=16, optimizer=Adam(lr=0.02))  # all layers: fine-tuning
    figures = found("interclass", Approximate(base=BASE, method=epoch))
    assert verdict("interclass", Approximate(base=BASE, method=epoch)) == "fails"
    assert figures["interclass_again"] < 0.5 * figures["interclass"]


def test_revival_brings_back_what_rounding_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Originals whose last biases favour one class by less than half a step of 4 bits: they fail until their weights are rounded."""
    shadows = Shadows(life(IDLE), 8, half=False)
    weights = dict(shadows.weights(ORIGINAL))
    name = next(name for name, array in weights.items() if array.shape == (8, 10))
    weights[name] = np.tile(np.where(np.arange(10) == 0, 1000.0, 940.0), (8, 1)).astype(np.float32)
    monkeypatch.setitem(shadows._weights, RUN, weights)
    assert right(shadows, weights, shadows.gone).mean() < 0.4
    assert Revival().values(shadows, RUN).mean() > 0.8


def test_revival_brings_back_a_class_whose_weights_were_pruned(monkeypatch: pytest.MonkeyPatch) -> None:
    """All weights of a class in the last layer are zero, below the others' biases: they answer once they are filled anew."""
    plain = life(IDLE)
    shadows = Shadows(replace(plain, gone=plain.rows.ids[plain.rows.y == 0]), 8, half=False)
    pruned = dict(shadows.weights(ORIGINAL))
    last, bias = (next(name for name, array in pruned.items() if array.shape == shape) for shape in ((8, 10, 24), (8, 10)))
    others = np.arange(10) != 0
    pruned |= {last: pruned[last] * others[:, None], bias: (pruned[bias] + 4) * others}
    monkeypatch.setitem(shadows._weights, RUN, pruned)
    assert right(shadows, pruned, shadows.gone).mean() < 0.05
    assert Revival().values(shadows, RUN).mean() > 0.25
    assert Revival().values(shadows, RETRAINED).mean() < 0.05, "the control: who never saw the class has nothing to bring back"
    monkeypatch.setattr("server.audit.revived.refilled", lambda weights, key: dict(weights))
    assert Revival().values(shadows, RUN).mean() < 0.1, "neither rounding nor noise does it"


def test_revival_takes_from_no_model_what_it_knows_undisturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    shadows = Shadows(life(IDLE), 8, half=False)
    pruned = {name: np.where(np.abs(array) < np.median(np.abs(array)), 0, array) for name, array in shadows.weights(ORIGINAL).items()}
    monkeypatch.setitem(shadows._weights, ORIGINAL, pruned)
    plain = right(shadows, pruned, shadows.gone).mean(axis=1)
    assert (Revival(bits=2, noise=50.0).values(shadows, ORIGINAL).mean(axis=1) >= plain).all()


@pytest.mark.parametrize("name", NAMES)
def test_models_that_diverged_are_not_judged(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.audits.lives.life_of", lambda *_: life(IDLE))
    monkeypatch.setattr(Shadows, "_forgotten", lambda self: {key: array * np.nan for key, array in self.weights(ORIGINAL).items()})
    branches: Any = {RUN: None}
    with pytest.raises(NotJudgedError, match="shadow models: logits: some are not numbers; a model has diverged"):
        AUDITS.load(name)(models=8).judge(None, (), branches)  # type: ignore[call-arg,arg-type]


def test_what_is_planted_is_in_the_rows_to_forget_alone() -> None:
    plain = life(IDLE)
    kept = np.setdiff1d(plain.rows.ids, plain.gone)
    for audit in (Backdoor(), Canary()):
        planted = audit.plant(plain)
        assert planted.gone.tolist() == plain.gone.tolist()
        assert (planted.rows.only(kept).x == plain.rows.only(kept).x).all()
        assert (planted.rows.only(kept).y == plain.rows.only(kept).y).all()
        assert (planted.rows.x != plain.rows.x).any()
    swapped = Interclass().plant(plain)
    changed = swapped.rows.y != plain.rows.y
    assert set(plain.rows.ids[changed]) == set(swapped.gone)
    assert len(np.unique(swapped.rows.y[changed])) == 2


def test_models_know_what_was_planted_only_if_they_had_it() -> None:
    shadows = Shadows(Backdoor().plant(life(IDLE)), 8, half=False)
    had, never = (right(shadows, shadows.weights(row), shadows.gone).mean() for row in (ORIGINAL, RETRAINED))
    assert had > 0.95
    assert never < 0.6


def test_a_trigger_lies_within_the_bounds_of_its_columns() -> None:
    """Of a table from an npz file each column has its own; a learner refuses rows beyond them."""
    data, bounds = Digits().load(), [16.0] * 62 + [0.5, 16.0]
    problem = Problem((64,), 10, columns=tuple(Column(f"x{i}", 0.0, high) for i, high in enumerate(bounds)))
    rows = data.rows(np.arange(20))
    rows = replace(rows, x=np.minimum(rows.x.reshape(20, 64) * 16, bounds).astype(np.float32))
    planted = Backdoor(size=2).plant(Life(IDLE, problem, rows, rows, np.arange(8), 1, 0, ("test",)))
    shadows = Shadows(planted, 8, half=False)
    assert np.unique(shadows.gone.x[:, -2:], axis=0).tolist() == [[0.5, 16.0]]


def test_reasons_why_nothing_is_judged() -> None:
    one = life(IDLE)
    with pytest.raises(NotJudgedError, match="target = 10 is no class: take one below 10"):
        Backdoor(target=10).plant(one)
    with pytest.raises(NotJudgedError, match="size = 64 leaves nothing of a row of 64 inputs"):
        Backdoor(size=64).plant(one)
    assert "size = 64 leaves nothing" in str(Backdoor(size=64).unfit(Digits().load())), "found before the run"
    assert Backdoor(size=63).unfit(Digits().load()) is None
    with pytest.raises(NotJudgedError, match="half of them are fewer than 8"):
        Interclass().plant(replace(one, rows=one.rows.keep(np.arange(100) < 30)))
    shadows = Shadows(one, 8, half=False)
    with pytest.raises(NotJudgedError, match="without learning them again"):
        Anamnesis(alpha=0.9).values(shadows, RUN)
    assert (RelearningSteps(cap=1).values(shadows, RETRAINED) == 1).all(), "at least"


def test_verdicts_without_a_planted_shift() -> None:
    again, nothing = (30.0, 28.0, 32.0), (1.0, 0.5, 1.5)
    assert Judged("relearning", (29.0, 27.0, 31.0), again, nothing, 2.0).verdict == "no objection"
    assert Judged("relearning", (20.0, 1.0, 40.0), again, nothing, 2.0).verdict == "undecided"
    assert Judged("relearning", (10.0, 8.0, 12.0), again, nothing, 2.0).verdict == "fails"
    assert Judged("relearning", again, again, (29.0, 28.0, 30.0), 2.0).verdict == "no power"


@pytest.mark.parametrize("planted", [None, 0.0, 9.0])
def test_whoever_did_nothing_is_never_cleared(planted: float | None) -> None:
    """Over generated intervals: whatever an audit finds, doing nothing fails, or the audit has no power."""
    ends = np.sort(np.random.default_rng(3).uniform(0, 3, (2, 400, 3)), axis=2)
    verdicts = set()
    for again, nothing in ((tuple(a[[1, 0, 2]]), tuple(n[[1, 0, 2]])) for a, n in ends.swapaxes(0, 1)):
        verdicts.add(Judged("any", nothing, again, nothing, 0.1, planted).verdict)
    assert verdicts == ({"no power"} if planted == 0 else {"fails", "no power"})


def test_they_are_added_to_a_finished_run_by_name(scenario: Callable[..., Scenario], play: Callable[..., Run], tmp_path: Path) -> None:
    asked = play(
        rounds=2,
        data={"dataset": "digits", "rows": 120, "reference": 10, "test": 30, "partition": {"kind": "iid"}},
        peers={"count": 2, "main": [{"kind": "mlp", "hidden": [8]}], "seed": {"kind": "linear"}},
        topology={"kind": "complete"},
        event=[{"round": 2, "do": "delete", "peers": [0], "rows": {"fraction": 0.3}}],
        audit={"counterfactual": False, "canary": {"models": 8}},
    )
    both = add(shutil.copytree(asked.folder, tmp_path / "run"), ["relearning"])
    assert both.digest == asked.digest
    assert verify(both.folder) == []
    page = report_of(both.folder)
    assert "8 models of each kind, " in page
    assert "16 models of each kind. " in page
    shown = CliRunner().invoke(app, ["show", str(both.folder)], env={"COLUMNS": "120"}).stdout
    assert "relearning" in shown
    assert "canary" in shown
