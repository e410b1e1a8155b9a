"""The bytes that the README and the measurements name are those of the benchmark."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients.unlearning.contract import UnlearnerSpec
from clients.unlearning.exact.statistical.specs import Ridge
from experiments.benchmarks import stored

ROOT = Path(__file__).resolve().parents[3]
KNOWN = [spec for spec in stored.SPECS if spec.tag not in ("dare", "hedgecut")]


@pytest.mark.parametrize("spec", KNOWN, ids=lambda spec: spec.tag)
def test_figures_are_those_of_the_benchmark(spec: UnlearnerSpec) -> None:
    problem = stored.rows(10)[1]
    told = f"{spec.state_bytes(problem, stored.ROWS):,}"
    assert f"| {told} |" in (ROOT / "docs" / "measurements.md").read_text(encoding="utf-8")


def test_every_method_gets_a_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "SPECS", (Ridge(),))
    monkeypatch.setattr(stored, "ROWS", 50)
    stored.main([])
    assert "132,624" in capsys.readouterr().out
    with pytest.raises(SystemExit) as left:
        stored.main(["--help"])
    assert left.value.code == 0
    assert "usage: " in capsys.readouterr().out, "and nothing is measured"


def test_every_file_that_make_bench_runs_and_keeps_the_output_of_is_a_command() -> None:
    scripts = sorted((ROOT / "experiments" / "benchmarks").glob("[a-z]*.py"))
    assert scripts
    assert [one.name for one in scripts if 'if __name__ == "__main__":' not in one.read_text(encoding="utf-8")] == []
