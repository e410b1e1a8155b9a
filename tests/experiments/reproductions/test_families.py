"""The table of four families: what is called exact has no gap, what is not has one, and guards leave the weights as they are."""

from __future__ import annotations

import numpy as np
import pytest

from clients.classification.hdus.distillation import Distillation
from clients.models.linear import Linear
from clients.training import Training
from clients.unlearning.approximate.approximate import Approximate
from clients.unlearning.exact.sisa import Sisa
from clients.unlearning.exact.statistical.specs import NaiveBayes
from experiments.benchmarks import hdus
from experiments.benchmarks.hdus_costs import LEAVER, Party
from experiments.reproductions import families, families_language, families_tables
from experiments.reproductions.families_tables import Figures

SMALL = hdus.Settings(mains=(Linear(),), rounds=2, training=Training(epochs=1), distillation=Distillation(epochs=2))


def test_exact_methods_have_no_gap_and_others_have_one() -> None:
    specs = {
        "sisa": Sisa(shards=2, slices=1, base=Linear()),
        "naive_bayes": NaiveBayes(),
        "finetune": Approximate.model_validate({"kind": "approximate", "base": Linear(), "method": "finetune"}),
    }
    found = families.measured(SMALL, 0, specs)
    assert [name for name, one in found.items() if one.guarantee == "exact"] == ["sisa", "naive_bayes", families_tables.DECENTRALISED]
    for name, one in found.items():
        assert (one.gap == 0) == (one.guarantee == "exact"), name
        assert one.undone > 0, f"{name}: the control, a model that was not asked to forget"
        assert one.held > 0
    assert found["naive_bayes"].floor == 0, "nothing is drawn"
    assert found["sisa"].floor > 0


def test_rows_in_one_place_are_those_of_the_peers() -> None:
    party = Party(SMALL, 1)
    rows, peers = families.Pooled.of(party), party.federation.peers
    assert rows.gone.ids.tolist() == peers[LEAVER].tolist()
    assert rows.kept.ids.tolist() == sorted(np.concatenate(peers[1:]).tolist())
    assert not np.isin(rows.test.ids, np.concatenate(peers)).any()


def figures(guarantee: str, gap: float) -> Figures:
    return Figures(guarantee, gap, 0.3, 0.1, 0.9, 0.9, 0.01, 1.0, 100)


def test_a_gap_is_called_none_only_where_every_seed_has_none() -> None:
    names = ("retrain", "certified_removal", "scrub", families_tables.DECENTRALISED)
    guarantees = ("exact", "certified(1, 0.0001)", "approximate", "exact")
    first = {name: figures(guarantee, 0.0) for name, guarantee in zip(names, guarantees, strict=True)}
    drawn = families_tables.of_digits([first, first | {"scrub": figures("approximate", 0.2)}], [30, 40], 360)
    columns = {str(column.header): list(column.cells) for column in drawn.columns}
    assert columns["family"] == ["exact", "certified", "approximate", "decentralised"]
    assert columns["gap"][0] == "0"
    assert columns["gap"][2].startswith("0.100 ± ")
    assert columns["nearer by"][2].startswith("0.200 ± ")


def test_guards_keep_no_fewer_bytes_than_the_model_and_their_gap_is_their_own() -> None:
    found = families_language.measured(1, quick=True)
    assert found["retrain"].gap == 0
    guards = [one for one in found.values() if one.guarantee == "behavioural"]
    assert len(guards) == 4
    assert all(one.held > found["retrain"].held for one in guards)
    assert families_tables.of_authors([found, found]).row_count == 5


@pytest.mark.parametrize("wrong", [["--seeds", "1"], ["--seeds", "1", "1"], ["--seeds", "-1", "0"]])
def test_wrong_seeds_are_answered_in_one_line(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        families.main(wrong)
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.slow
def test_every_family_has_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    families.main(["--quick", "--seeds", "0", "1"])
    said = capsys.readouterr().out
    assert all(name in said for name in (*families.SPECS, families_tables.DECENTRALISED, "guard (input)", "in_context"))
    assert all(kind in said for kind in ("exact", "certified", "approximate", "behavioural", "decentralised"))
