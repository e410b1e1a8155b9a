"""What ``make bench`` runs are benchmarks, each of which prints something to keep; their common parts have names that it passes over."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "experiments" / "benchmarks"
SCRIPTS = {
    "broken": "raise ValueError('half of it')",
    "good": "",
    "missed": f"import sys; sys.path.insert(0, {str(ROOT)!r}); from experiments.bars import status; sys.exit(status([True, False]))",
}


def test_every_script_that_is_run_prints_figures() -> None:
    scripts = sorted(FOLDER.glob("[a-z]*.py"))
    assert [script.name for script in scripts if 'if __name__ == "__main__":' not in script.read_text(encoding="utf-8")] == []
    assert any(script.name == "sisa.py" for script in scripts)


def test_results_that_miss_a_bar_are_kept_and_those_that_broke_off_are_not(tmp_path: Path) -> None:
    folder, binaries = tmp_path / "experiments" / "benchmarks", tmp_path / ".venv" / "bin"
    for made in (folder / "results", binaries):
        made.mkdir(parents=True)
    for name, code in SCRIPTS.items():
        (folder / f"{name}.py").write_text(f"print('begun')\n{code}\n")
        (folder / "results" / f"{name}.txt").write_text("of old\n")
    (binaries / "python").symlink_to(sys.executable)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv" / ".installed").touch()
    ended = subprocess.run(["make", "bench"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    kept = {name: (folder / "results" / f"{name}.txt").read_text() for name in SCRIPTS}
    assert kept == {"broken": "of old\n", "good": "begun\n", "missed": "begun\nbars met: 1 of 2\n"}
    assert len(list((folder / "results").iterdir())) == len(SCRIPTS)
    assert "an error, see above: experiments/benchmarks/broken.py\n" in ended.stderr
    assert "whose results are kept: experiments/benchmarks/missed.py\n" in ended.stderr
