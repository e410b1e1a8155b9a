"""What ``make bench`` runs are benchmarks, each of which prints something to keep; their common parts have names that it passes over."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[3] / "experiments" / "benchmarks"


def test_every_script_that_is_run_prints_figures() -> None:
    scripts = sorted(FOLDER.glob("[a-z]*.py"))
    assert [script.name for script in scripts if 'if __name__ == "__main__":' not in script.read_text(encoding="utf-8")] == []
    assert any(script.name == "sisa.py" for script in scripts)
