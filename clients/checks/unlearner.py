"""The test suite for unlearners: their claims are checked against a run that never had the data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, get_args

import numpy as np

from clients import wire
from clients.checks.adding import learns_more
from clients.checks.case import KEY, Case, canonical, require_same
from clients.checks.correcting import corrects_rows, notices_not_correcting, refuses_to_correct_unknown_rows
from clients.checks.material import Material, graph_material, interactions_material, rows_material
from clients.checks.suite import Check, require, run_all
from clients.data.rows import Ids
from clients.unlearning.contract import Cost, Guarantee, Unlearner, UnlearnerSpec, UnlearningError

UNITS: Mapping[str, Callable[[], Material]] = {
    "rows": rows_material,
    "nodes and edges": graph_material,
    "interactions and users": interactions_material,
}
"""Default data for checking an unlearner, keyed by its ``unit`` (what a request names)."""

REQUESTS: Mapping[str, Callable[[Case], list[Ids]]] = {
    "one": lambda case: [case.ids[10:11]],
    "many": lambda case: [case.ids[3:60:4]],
    "one by one": lambda case: [case.ids[[i]] for i in (5, 31, 17, 2)],
    "one by one, in another order": lambda case: [case.ids[[i]] for i in (2, 17, 31, 5)],
    "a request in no order": lambda case: [case.ids[[31, 2, 17, 5]]],
    "a whole class": lambda case: [case.group()],
    "all but one": lambda case: [np.delete(case.ids, 20)],
    "everything": lambda case: [case.ids],
    "everything, in two requests": lambda case: [case.ids[1:], case.ids[:1]],
    "the oldest, then the newest": lambda case: [case.ids[:1], case.ids[-1:]],
}
FAULTS = ("unknown", "unknown among known", "repeated", "already forgotten")


def says_what_it_is(case: Case) -> None:
    """The spec has a guarantee, a one-line summary and a source, and survives serialisation."""
    spec = case.spec
    require(spec.guarantee in get_args(Guarantee), f"guarantee {spec.guarantee!r} is none of {', '.join(get_args(Guarantee))}")
    require(spec.summary and "\n" not in spec.summary, "summary is not one line")
    require(spec.source, "source is empty")
    require(type(spec).model_validate_json(spec.model_dump_json()) == spec, "as JSON and back it is another spec")


def predicts(case: Case) -> None:
    """Predictions are probabilities, and better than chance."""
    answers = case.fit().predict_proba(case.of.asked)
    shape = (len(case.of.answers), case.of.problem.classes)
    require(answers.shape == shape, f"answers have the shape {answers.shape}, not {shape}")
    require(answers.dtype == np.float32, f"answers are {answers.dtype}, not float32")
    require((answers >= 0).all() and np.allclose(answers.sum(axis=1), 1, atol=1e-5), "answers are no probabilities")
    chance = np.bincount(case.of.answers).max() / len(case.of.answers)
    right = float((answers.argmax(axis=1) == case.of.answers).mean())
    require(right > chance + 0.1, f"{right:.2f} of answers are right, {chance:.2f} would be by chance")


def repeats(case: Case) -> None:
    """The same data and key give the same bytes."""
    require_same(case, case.fit(), case.fit())


def forgets(requests: str, case: Case) -> None:
    """After the requests, the model equals one that never had the data they name."""
    model, named = case.fit(), REQUESTS[requests](case)
    for ids in named:
        case.forget(model, ids)
    require_same(case, model, case.fit(case.without(np.concatenate(named))))


def forgets_further(case: Case) -> None:
    """The same for requests that a list of ids cannot express."""
    require(case.of.further, f"it forgets {case.spec.unit}: give material with further requests")
    for named, left in case.of.further.values():
        model = case.fit()
        for request in named:
            model.forget(request)
        require_same(case, model, case.fit(left))


def forgets_between_rounds(done: int, case: Case) -> None:
    """Forgetting between two rounds equals never having had the data, both immediately and after the last round."""
    model, gone = case.fit(rounds=done), case.ids[::3]
    case.forget(model, gone)
    require_same(case, model, case.fit(case.without(gone), rounds=done))
    for _ in range(done, case.of.problem.rounds):
        model.advance()
    require_same(case, model, case.fit(case.without(gone)))


def foretells_steps(case: Case) -> None:
    """``steps`` predicts approximately the number of gradient steps taken."""
    problem = case.of.problem
    model = case.spec.build(problem, KEY)
    model.begin(case.of.data)
    taken = sum(model.advance() for _ in range(problem.rounds))
    told = sum(case.spec.steps(problem.training, len(case.ids), progress) for progress in range(problem.rounds))
    require(told / 2 <= taken <= 2 * told, f"{taken} gradient steps were taken, {told} were foretold")


def goes_on_after_a_restart(case: Case) -> None:
    """A restored model equals the saved one and continues in the same way."""
    first, second = case.ids[4:9], case.ids[40:43]
    model = case.fit(rounds=1)
    case.forget(model, first)
    model.settle()
    again = case.spec.build(case.of.problem, KEY)
    again.restore(wire.from_bytes(wire.to_bytes(model.state())), case.without(first))
    require_same(case, again, model)
    for each in (model, again):
        case.forget(each, second)
        for _ in range(1, case.of.problem.rounds):
            each.advance()
    require_same(case, again, model)
    require(_listed(again) == _listed(model), "it lists other stored artefacts than before the restart")


def ignores_an_empty_request(case: Case) -> None:
    """An empty request costs nothing and changes nothing."""
    model = case.fit()
    before = canonical(model)
    require(case.forget(model, np.empty(0, np.int64)).cost == Cost(), "an empty request has a cost")
    require(canonical(model) == before, "an empty request changed the state")


def refuses(fault: str, case: Case) -> None:
    """A bad request raises a one-line error that names the faulty id, and changes nothing."""
    ids, model, unknown = case.ids.tolist(), case.fit(), case.of.unknown
    case.forget(model, ids[7:8])
    bad, named = {
        "unknown": ([unknown], unknown),
        "unknown among known": ([ids[1], unknown, ids[2]], unknown),
        "repeated": ([ids[1], ids[2], ids[1]], ids[1]),
        "already forgotten": ([ids[1], ids[7]], ids[7]),
    }[fault]
    before, answers, stored = canonical(model), model.predict_proba(case.of.asked).tobytes(), _listed(model)
    try:
        case.forget(model, bad)
    except UnlearningError as error:
        told = str(error)
    else:
        told = ""
    require(told, "no UnlearningError is raised")
    require(case.of.shown(named) in told and "\n" not in told, f"{told!r} is not one line that names {case.of.shown(named)}")
    same = canonical(model) == before and model.predict_proba(case.of.asked).tobytes() == answers and _listed(model) == stored
    require(same, "a refused request changed the model")


def stores_nothing_of_the_forgotten(case: Case) -> None:
    """No stored artefact depends on forgotten data, and no forgotten id is left in the state."""
    gone, model = case.ids[10:50:3], case.fit()
    known = np.concatenate([kept.ids for kept in model.stored()])
    require(np.isin(gone, known).all(), "stored() does not list what was learned from")
    case.forget(model, gone)
    model.settle()
    left = case.without(gone).ids
    for kept in model.stored():
        require(np.isin(kept.ids, left).all(), f"{kept.name} is listed with ids that were forgotten")
    for name, array in model.state().items():
        require(not np.isin(array, gone).any(), f"the state's {name} has ids that were forgotten")


def notices_not_forgetting(case: Case) -> None:
    """A model that did not forget differs from one that never had the data; otherwise the checks above would prove nothing."""
    oracle, model = case.fit(case.without(case.group())), case.fit()
    require(canonical(model) != canonical(oracle), "the state is the same with a whole class and without it")
    difference = np.abs(model.predict_proba(case.of.asked) - oracle.predict_proba(case.of.asked)).max()
    require(difference > 1e-3, "the answers are the same with a whole class and without it")


def _listed(model: Unlearner[Any, Any]) -> list[tuple[str, list[int]]]:
    return [(kept.name, kept.ids.tolist()) for kept in model.stored()]


ALWAYS: Mapping[str, Callable[[Case], None]] = {
    "says what it is": says_what_it_is,
    "answers are probabilities learned from the data": predicts,
    "the same key gives the same bytes": repeats,
    "gradient steps are foretold": foretells_steps,
    "a restored model is the same and goes on alike": goes_on_after_a_restart,
    "an empty request changes nothing": ignores_an_empty_request,
    **{f"a bad request names the culprit and changes nothing: {fault}": partial(refuses, fault) for fault in FAULTS},
    "a bad correction names the culprit and changes nothing": refuses_to_correct_unknown_rows,
    "not correcting is noticed": notices_not_correcting,
}
"""Checks for every unlearner, whatever its guarantee."""

EXACT: Mapping[str, Callable[[Case], None]] = {
    **{f"forgetting equals never having had: {name}": partial(forgets, name) for name in REQUESTS},
    **{f"forgetting after round {done} equals never having had": partial(forgets_between_rounds, done) for done in (0, 1)},
    "adding equals always having had": learns_more,
    "correcting equals always having been right": corrects_rows,
    "nothing of the forgotten is stored": stores_nothing_of_the_forgotten,
    "not forgetting is noticed": notices_not_forgetting,
}
"""Additional checks for unlearners that claim to be exact."""

FURTHER: Mapping[str, Callable[[Case], None]] = {"what else can be asked for equals never having had it": forgets_further}
"""Additional checks for exact unlearners whose requests can name more than rows."""


def unlearner_checks(spec: UnlearnerSpec, material: Material | None = None) -> Iterator[Check]:
    """Yield every check of an unlearner with its name, to be run one at a time, for example by pytest.

    Parameters
    ----------
    spec : UnlearnerSpec
        A configuration small enough to be trained some fifty times.
    material : Material, optional
        Training data; small data of its ``unit`` by default.

    Raises
    ------
    ValueError
        If there are no data of that unit.
    """
    if material is None:
        if spec.unit not in UNITS:
            raise ValueError(f"there is no material whose unit is {spec.unit!r}: give material, or take one of {', '.join(UNITS)}")
        material = UNITS[spec.unit]()
    case = Case(spec, material)
    weaker = None if spec.guarantee == "exact" else f"its guarantee is {spec.guarantee}"
    for name, check in ALWAYS.items():
        yield Check(name, partial(check, case))
    for name, check in {**EXACT, **(FURTHER if spec.unit != "rows" else {})}.items():
        yield Check(name, partial(check, case), weaker)


def check_unlearner(spec: UnlearnerSpec, material: Material | None = None) -> None:
    """Run every check of an unlearner; ``ContractError`` with one line for each check that fails and must pass.

    Parameters are those of `unlearner_checks`.
    """
    run_all(type(spec).__name__, unlearner_checks(spec, material))
