"""What private steps have spent is what opacus says of them, however they are told apart by rate."""

from __future__ import annotations

import pytest

from clients.privacy.accountant import Spent
from clients.privacy.settings import DpSgd, LocalTraining

pytest.importorskip("opacus")


def test_epsilon_is_that_of_the_library_for_steps_at_several_rates() -> None:
    from opacus.accountants import RDPAccountant

    library = RDPAccountant()
    library.history = [(1.0, 0.1, 30), (1.0, 0.3, 5)]
    found = Spent().after(0.3, 2).after(0.1, 30).after(0.3, 3)
    assert found.epsilon(1.0, 1e-5) == pytest.approx(library.get_epsilon(1e-5), rel=1e-12)


def test_nothing_costs_nothing_and_more_costs_more() -> None:
    usual = Spent().after(0.1, 100)
    assert Spent().epsilon(1.0, 1e-5) == 0.0
    assert 0 < usual.epsilon(2.0, 1e-5) < usual.epsilon(1.0, 1e-5) < usual.after(0.1, 1).epsilon(1.0, 1e-5)
    assert usual.epsilon(1.0, 1e-3) < usual.epsilon(1.0, 1e-5) < Spent().after(0.2, 100).epsilon(1.0, 1e-5)


def test_a_budget_is_kept_to_the_last_step() -> None:
    at = Spent().after(0.1, 100).epsilon(1.0, 1e-5)
    assert Spent().after(0.1, 100).within(DpSgd(epsilon=at))
    assert not Spent().after(0.1, 101).within(DpSgd(epsilon=at))
    assert Spent().after(1.0, 10_000).within(DpSgd())


def test_what_is_spent_survives_in_integers() -> None:
    spent = Spent().after(1 / 3, 7).after(0.1, 2)
    assert spent.array().dtype == "int64", "floats of an artefact are parameters of a model"
    assert Spent.read(spent.array()) == spent
    assert Spent.read(Spent().array()) == Spent()


def test_a_batch_of_all_rows_draws_every_row() -> None:
    assert [LocalTraining(batch_size=32).rate(rows) for rows in (1, 32, 64)] == [1.0, 1.0, 0.5]
