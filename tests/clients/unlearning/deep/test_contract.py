"""What every method for networks promises: settings without work, identities, which rows it reads, what it reports."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from torch.nn import functional

from clients.data.rows import Rows
from clients.passes import Meter
from clients.unlearning.contract import Cost
from clients.unlearning.deep import losses
from clients.unlearning.deep.contract import Deep
from clients.unlearning.general import METHODS
from tests.clients.unlearning.deep.small import (
    REQUEST,
    STEPS,
    TRAINING,
    changed,
    counted,
    counting,
    finetuned,
    method,
    parts,
    reads,
    rows,
    same,
    trained,
    unchanged,
)

KINDS = [kind for kind in METHODS.targets() if issubclass(METHODS.load(kind), Deep) and METHODS.load(kind).applies()]

NO_WORK: dict[str, dict[str, Any]] = {
    "amnesiac": {"scale": 0.0},
    "certified_deep": {"depth": 0, "sigma": 0.0, "bound": 1e6},
    "fisher": {"alpha": 0.0},
    "ntk": {"scale": 0.0},
    "ssd": {"alpha": 1e30},
}
"""Methods that take no epochs, and settings with which they do nothing."""

ITS_OWN: dict[str, dict[str, Any]] = {"gradient_ascent": {"until": 5.0}}
"""Settings for a network that is hardly trained."""

SIZES: dict[str, dict[str, int]] = {
    "bad_teacher": {"all": 8 + 25},
    "unsir": {"noise": 8 * 256, "retain": 41, "impair": 8 * 256 + 41},
}
"""Rows of what methods call by these names, where they draw or make them."""

BLIND = {"cf_k", "certified_deep", "eu_k", "l1_sparse"}
"""Methods that never read the rows to forget."""

SELFISH = {"boundary_expand", "boundary_shrink", "gradient_ascent", "undial"}
"""Methods that never read the retained rows, with their usual settings."""

AS_FINETUNE: dict[str, dict[str, Any]] = {
    "cf_k": {"layers": 2},
    "l1_sparse": {"gamma": 0.0},
    "neggrad_plus": {"alpha": 1.0},
    "scrub": {"msteps": 0, "alpha": 0.0},
}
"""Settings that read no row to forget and equal further training, bit for bit."""


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "eu_k"])  # which draws layers anew, whatever follows
def test_settings_without_work_change_no_bit(kind: str) -> None:
    assert unchanged(changed(kind, **NO_WORK.get(kind, {"epochs": 0}))[0])


@pytest.mark.parametrize("kind", KINDS)
def test_the_usual_settings_change_weights_and_say_what_they_cost(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    trained()
    moves = counting(monkeypatch)
    with Meter() as meter:
        found, outcome = changed(kind, **ITS_OWN.get(kind, {}))
    assert not unchanged(found)
    assert all(np.isfinite(array).all() for array in found.values())
    assert outcome.guarantee == "approximate"
    assert outcome.cost == Cost(gradient_steps=len(moves), parts=1)
    (told,) = (note for note in outcome.notes if note.startswith("cost: "))
    passes = [one.split(" over ") for one in told.removeprefix("cost: gradient passes: ").split(", ")]
    sizes = {"forget": 8, "retain": 82, "all": 90} | SIZES.get(kind, {})
    assert meter.rows == pytest.approx(sum(float(count) * sizes[name] for count, name in passes), rel=0.01), "as many as it tells"


def test_steps_of_all_descents_of_a_method_count(monkeypatch: pytest.MonkeyPatch) -> None:
    moves = counting(monkeypatch)
    outcome = changed("unsir", epochs=2)[1]
    assert len(set(moves)) == 2, "it impairs by one descent, and repairs by another"
    assert outcome.cost.gradient_steps == len(moves) > moves.count(moves[-1]), "the fault: the steps of the last one alone"


@pytest.mark.parametrize("kind", KINDS)
def test_forgetting_is_keyed_and_needs_the_rows_to_forget(kind: str) -> None:
    forget, retain = map(counted, parts())
    weights, learning = trained()
    first = method(kind).apply(weights, learning, forget, retain, REQUEST)
    assert (reads(forget) == 0) == (kind in BLIND)
    assert (reads(retain) == 0) == (kind in SELFISH)
    assert same(first[0], changed(kind)[0])


@pytest.mark.parametrize("kind", KINDS)
def test_a_failure_is_raised_and_no_other_method_takes_over(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise FloatingPointError("planted")

    monkeypatch.setattr(METHODS.load(kind), "change", fail)
    weights, learning = trained()
    with pytest.raises(FloatingPointError, match="planted"):
        method(kind).apply(weights, learning, *parts(), REQUEST)


@pytest.mark.parametrize("kind", AS_FINETUNE)
def test_without_its_own_term_a_method_is_further_training_and_reads_no_row_to_forget(kind: str) -> None:
    forget, retain = map(counted, parts())
    weights, learning = trained()
    settings = {"epochs": 2 * TRAINING.epochs, **STEPS, **AS_FINETUNE[kind]}
    found, outcome = method(kind, **settings).apply(weights, learning, forget, retain, REQUEST)
    assert same(found, finetuned(2))
    assert outcome.cost.gradient_steps == 2 * TRAINING.steps(len(retain))
    assert (reads(forget), reads(retain) > 0) == (0, True)
    own = {"l1_sparse": {"gamma": 0.1}}.get(kind, {})
    assert not same(changed(kind, epochs=2 * TRAINING.epochs, **STEPS, **own)[0], finetuned(2)), "its own term does something"


@pytest.mark.parametrize("kind", KINDS)
def test_where_no_row_is_kept_the_weights_are_those_before_training(kind: str) -> None:
    weights, learning = trained()
    nobody = Rows(rows().ids[:0], rows().x[:0], rows().y[:0])
    found, outcome = method(kind).apply(weights, learning, rows(), nobody, REQUEST)
    assert same(found, learning.initial())
    assert outcome.guarantee == "exact"


def test_divergence_is_the_sum_over_classes_and_the_mean_over_rows() -> None:
    chance = np.random.default_rng(0)
    student, teacher = chance.normal(size=(2, 5, 4))
    heat, whole = 2.5, 0.0
    for s, t in zip(student, teacher, strict=True):
        p, q = (np.exp(one / heat) / np.exp(one / heat).sum() for one in (t, s))
        whole += float((p * np.log(p / q)).sum())
    import torch

    found = losses.divergence(torch.tensor(student), torch.tensor(teacher), heat)
    assert float(found) == pytest.approx(heat**2 * whole / 5, rel=1e-12)
    by_element = functional.kl_div(
        functional.log_softmax(torch.tensor(student) / heat, 1), functional.softmax(torch.tensor(teacher) / heat, 1), reduction="none"
    ).mean()
    assert float(by_element) * heat**2 == pytest.approx(float(found) / 4), "the fault: the mean over elements is so many times smaller"
