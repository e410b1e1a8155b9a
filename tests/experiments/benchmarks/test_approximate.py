from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from experiments.benchmarks import approximate


def test_each_method_leaves_less_than_doing_nothing_and_newton_the_least_of_one_step() -> None:
    left = {name: [approximate.deleted(spec, count, 0) for count in (8, 32)] for name, spec in approximate.FAMILY.items()}
    assert all(after < 0.3 * before for found in left.values() for after, before in found)
    newton, jackknife = ([after for after, _ in left[name]] for name in ("newton_statistics", "infinitesimal_jackknife"))
    assert newton[1] < 0.7 * jackknife[1]
    assert 1.5 < np.log(newton[1] / newton[0]) / np.log(4) < 2.5, "it grows with the square of the rows"


def test_the_second_order_leaves_a_tenth_of_the_first() -> None:
    assert approximate.corrected("second", 0.01, 0.05, 0) < 0.2 * approximate.corrected("first", 0.01, 0.05, 0)


@pytest.mark.slow
def test_every_table_is_printed(shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    approximate.main(["--quick", "--mnist", str(shared_data / "mnist")])
    said = capsys.readouterr().out
    assert all(name in said for name in (*approximate.FAMILY, "forget auc", "test f1", "penalty 0.001", "L-BFGS from there", "kept"))


def test_a_folder_without_images_is_answered_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(SystemExit) as left:
            approximate.main(["--quick", "--mnist", str(folder)])
        assert left.value.code == 2
        assert f"--mnist {folder}/t10k: no file *images*idx3* there" in capsys.readouterr().err
