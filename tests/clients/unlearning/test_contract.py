"""One suite over every registered unlearner, whatever it forgets: what is claimed is compared with the run that never had the data.

A new unlearner needs one entry in ``CASES``; without it ``test_every_unlearner_has_a_case`` fails. The suite itself is `clients.checks`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from clients.checks.case import KEY, Case
from clients.checks.material import FIRST, STEP, Material, shelves
from clients.checks.material import graph_material as papers
from clients.checks.material import interactions_material as taste
from clients.checks.material import rows_material as tabular
from clients.checks.suite import ContractError
from clients.checks.unlearner import ALWAYS, EXACT, FURTHER, unlearner_checks
from clients.data.bundled import Digits
from clients.data.rows import Rows
from clients.models.linear import Linear
from clients.models.mlp import Mlp
from clients.training import Training
from clients.unlearning import UNLEARNERS
from clients.unlearning.approximate.approximate import Approximate
from clients.unlearning.approximate.certified.features_labels import FeaturesLabels
from clients.unlearning.approximate.certified.spec import CertifiedRemoval
from clients.unlearning.approximate.finetune import Finetune
from clients.unlearning.approximate.queries import AdaptiveQueries
from clients.unlearning.approximate.recollection import Recollection
from clients.unlearning.approximate.statistics.spec import InfinitesimalJackknife, NewtonStatistics
from clients.unlearning.contract import Problem, State, UnlearningError
from clients.unlearning.convex.spec import Convex
from clients.unlearning.exact.composite import ShardedUnlearner
from clients.unlearning.exact.dare.spec import Dare
from clients.unlearning.exact.graph.spec import GraphEraser
from clients.unlearning.exact.hedgecut.spec import HedgeCut
from clients.unlearning.exact.recommender.spec import Bpr, LightGcn, RecEraser, Wmf
from clients.unlearning.exact.retrain import Retrain
from clients.unlearning.exact.sisa import Sisa
from clients.unlearning.exact.statistical.specs import AdaptiveKMeans, ItemItem, NaiveBayes, Pca, QuantisedKMeans, Ridge
from clients.unlearning.general.finetune import Finetune as Finetuning


@cache
def digits() -> Material:
    """Images: 100 rows of the classes 0 to 3, three rounds of two epochs."""
    data = Digits().load()
    chosen = np.flatnonzero(data.y < 4)[:100]
    rows = Rows(FIRST + STEP * np.arange(len(chosen)), data.x[chosen], data.y[chosen])
    return Material.of_rows(Problem(data.shape, 4, rounds=3, training=Training(epochs=2, batch_size=16)), rows)


@cache
def ratings() -> Material:
    """A row is a user, its label the item that the user likes next."""
    liked, label = shelves()
    return Material.of_rows(Problem((12,), 12, rounds=2), Rows(FIRST + STEP * np.arange(120), liked.astype(np.float32), label))


def in_few_steps() -> Material:
    """The rows of `tabular` in large batches."""
    whole = tabular()
    return replace(whole, problem=replace(whole.problem, training=Training(epochs=2, batch_size=60)))


CASES: dict[str, Callable[[], Case]] = {
    "adaptive_queries": lambda: Case(AdaptiveQueries(model="network", hidden=4, iterations=10, refine=5), tabular()),
    "approximate": lambda: Case(Approximate(base=Mlp(hidden=(8,)), method=Finetuning()), digits()),
    "certified_removal": lambda: Case(CertifiedRemoval(base=Convex(penalty=1e-3), hessian="kept"), tabular()),
    "convex": lambda: Case(Convex(penalty=1e-3), tabular()),
    "dare": lambda: Case(Dare(trees=10), tabular()),
    "features_labels": lambda: Case(FeaturesLabels(base=Convex(penalty=1e-3), sigma=0.1), tabular()),
    "finetune": lambda: Case(Finetune(base=Mlp(hidden=(8,))), digits()),
    "grapheraser": lambda: Case(GraphEraser(shards=3, hidden=8, epochs=10, sample=50), papers()),
    "hedgecut": lambda: Case(HedgeCut(trees=10, budget=0.05), tabular()),
    "infinitesimal_jackknife": lambda: Case(InfinitesimalJackknife(base=Convex(penalty=1e-3), sigma=1e-3), tabular()),
    "item_item": lambda: Case(ItemItem(), ratings()),
    "kmeans": lambda: Case(AdaptiveKMeans(clusters=4), tabular()),
    "naive_bayes": lambda: Case(NaiveBayes(), tabular()),
    "newton_statistics": lambda: Case(NewtonStatistics(base=Convex(penalty=1e-3), sigma=1e-3), tabular()),
    "pca": lambda: Case(Pca(components=4), tabular()),
    "quantised_kmeans": lambda: Case(QuantisedKMeans(clusters=4), tabular()),
    "receraser": lambda: Case(RecEraser(shards=2, dim=6, attention=3, epochs=1, partition="ubp", base=Wmf(epochs=3)), taste()),
    "recollection": lambda: Case(Recollection(base=Linear(), lr=4.0), in_few_steps()),
    "retrain": lambda: Case(Retrain(base=Mlp(hidden=(8,))), digits()),
    "ridge": lambda: Case(Ridge(), tabular()),
    "sisa": lambda: Case(Sisa(shards=3, slices=2, base=Mlp(hidden=(8,))), digits()),
}


def shards(**base: Any) -> Sisa:
    return Sisa.model_validate({"shards": 3, "slices": 1, "base": base})


BASES: dict[str, Callable[[], Case]] = {
    "adaptive_queries": lambda: Case(shards(kind="adaptive_queries", model="network", hidden=4, iterations=10, refine=5), tabular()),
    "dare": lambda: Case(shards(kind="dare", trees=2), tabular()),
    "hedgecut": lambda: Case(shards(kind="hedgecut", trees=2, budget=0.05), tabular()),
    "naive_bayes": lambda: Case(shards(kind="naive_bayes"), tabular()),
}
"""SISA over unlearners: exact ones forget by themselves, others are trained again."""

OF_SOME = (
    "a restored model is the same and goes on alike",
    "forgetting equals never having had: many",
    "forgetting after round 1 equals never having had",
    "nothing of the forgotten is stored",
)
"""What SISA is asked of over bases that are exact themselves."""

KINDS = list(UNLEARNERS.targets())
EXACT_KINDS = [kind for kind in KINDS if UNLEARNERS.load(kind).guarantee == "exact"]


def case_of(kind: str) -> Case:
    if kind not in CASES:
        pytest.fail(f"unlearner {kind!r} is registered without an entry in CASES")
    return CASES[kind]()


def names_of(kind: str) -> list[str]:
    """Return the names of the checks that a kind must pass, without making anything."""
    spec = UNLEARNERS.load(kind)
    return [*ALWAYS, *(EXACT if kind in EXACT_KINDS else ()), *(FURTHER if kind in EXACT_KINDS and spec.unit != "rows" else ())]


def test_every_unlearner_has_a_case() -> None:
    assert set(KINDS) <= set(CASES), f"registered without an entry in CASES: {sorted(set(KINDS) - set(CASES))}"


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in KINDS for name in names_of(kind)])
def test_an_unlearner_keeps_its_contract(kind: str, name: str) -> None:
    case = case_of(kind)
    checks = {check.name: check for check in unlearner_checks(case.spec, case.of)}
    assert checks[name].expected_to_fail is None
    checks[name].run()


@pytest.mark.parametrize(
    ("base", "name"), [(base, name) for base in BASES for name in ([*ALWAYS, *EXACT] if base == "adaptive_queries" else OF_SOME)]
)
def test_sisa_over_an_unlearner_keeps_the_contract_of_an_exact_one(base: str, name: str) -> None:
    case = BASES[base]()
    assert case.spec.guarantee == "exact"
    next(check for check in unlearner_checks(case.spec, case.of) if check.name == name).run()


def test_a_base_that_is_not_exact_would_not_do_without_training_again(monkeypatch: pytest.MonkeyPatch) -> None:
    case = BASES["adaptive_queries"]()
    assert isinstance(case.spec, Sisa)
    monkeypatch.setattr(type(case.spec.base), "guarantee", "exact")
    check = next(check for check in unlearner_checks(case.spec, case.of) if check.name == "forgetting equals never having had: many")
    with pytest.raises(ContractError, match="the states differ"):
        check.run()


def test_only_the_touched_shards_of_an_unlearner_change_and_count() -> None:
    case = BASES["adaptive_queries"]()
    model = case.fit()
    assert isinstance(model, ShardedUnlearner)
    before = model.state()
    gone = model.rows.ids[model._places(model.rows.ids) == 1][:2]
    outcome = model.forget(gone)
    assert outcome.cost.parts == 1
    assert outcome.cost.gradient_steps == sum(case.spec.steps(case.of.problem.training, 1, t) for t in range(model.rounds)) / 3
    changed = {name.split("/")[1] for name, array in model.state().items() if not np.array_equal(array, before[name])}
    assert changed == {"1"}
    with pytest.raises(UnlearningError, match="shard/7"):
        model.restore(before | {"shard/7/model": before["progress"]}, model.rows)


@pytest.mark.parametrize(
    ("base", "line"),
    [
        ({"kind": "sisa", "base": {"kind": "linear"}}, "does not match any of the expected tags"),
        ({"kind": "pca"}, "base 'pca' is no classifier"),
        ({"kind": "grapheraser"}, "base 'grapheraser' forgets nodes and edges"),
    ],
)
def test_a_base_that_does_not_classify_rows_is_refused(base: dict[str, Any], line: str) -> None:
    with pytest.raises(ValidationError, match=line):
        shards(**base)


def test_an_unlearner_has_no_slices() -> None:
    with pytest.raises(ValidationError, match="base 'dare' is not trained slice by slice, but slices = 2: set slices = 1"):
        Sisa.model_validate({"base": {"kind": "dare"}})


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "sisa"])  # whose slices make it no more than an estimate
def test_gradient_steps_of_each_round_are_bounded_and_no_idle_bound(kind: str) -> None:
    case = case_of(kind)
    problem = case.of.problem
    model = case.spec.build(problem, KEY)
    model.begin(case.of.data)
    taken = [model.advance() for _ in range(problem.rounds)]
    told = [case.spec.steps(problem.training, len(case.ids), progress) for progress in range(problem.rounds)]
    for found, most in zip(taken, told, strict=True):
        assert most / 2 <= found <= most
    assert case.forget(model, case.ids[:3]).cost.gradient_steps <= sum(told)


@pytest.mark.parametrize("base", [Wmf(), Bpr(epochs=2, batch_size=64), LightGcn(epochs=2, batch_size=64)])
def test_a_recommenders_gradient_steps_are_foretold(base: Any) -> None:
    of = taste()
    spec = RecEraser(base=base, shards=4, partition="ubp", dim=4, epochs=3, batch_size=100)
    model = spec.build(of.problem, KEY)
    model.begin(of.data)
    most = spec.steps(of.problem.training, len(of.data), 0)
    assert 0.8 * most <= model.advance() <= most
    assert model.advance() == spec.steps(of.problem.training, len(of.data), 1) == 0


def test_finetuning_is_noticed() -> None:
    case = case_of("finetune")
    gone = case.ids[3:4]
    model = case.fit()
    case.forget(model, gone)
    oracle = case.fit(case.without(gone))
    weights = [_weights(model.state()), _weights(oracle.state())]
    assert max(np.abs(weights[0][name] - weights[1][name]).max() for name in weights[0]) > 1e-3
    assert any(np.isin(gone, kept.ids).any() for kept in model.stored()), "it says itself that the trace stays"


def _weights(state: State) -> State:
    return {name: array for name, array in state.items() if array.dtype == np.float32}
