"""What is measured on a card is kept with its hardware; where there is none, that is said in one line."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from experiments import gpu


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_card_there_is_one_line_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu, "RESULTS", tmp_path)
    assert gpu.main([]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert torch.__version__ in said.err
    assert not list(tmp_path.iterdir())


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of results where a card seems to be."""
    monkeypatch.setattr(gpu, "RESULTS", tmp_path)
    monkeypatch.setattr(gpu, "header", lambda now: "a card")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H200 (x)")
    return tmp_path


@pytest.mark.parametrize(("code", "status"), [("print('fast')", 0), ("print('fast'); raise SystemExit(3)", 1)])
def test_what_was_said_is_kept(
    code: str, status: int, card: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu, "PARTS", (("-c", code), ("-c", "print('last')")))
    assert gpu.main([]) == status
    assert capsys.readouterr().err.count(f"python {shlex.join(('-c', code))}\n") == status, "what failed is named"
    (kept,) = card.iterdir()
    assert kept.name.startswith("gpu-nvidia-h200-x-20")
    lines = kept.read_text().splitlines()
    assert (lines[0], lines[3], lines[4]) == ("a card", "fast", f"exit status {3 * status}")
    assert "last" in lines, "one part that fails does not keep the others from being run"


def test_date_hardware_and_versions_stand_at_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    found = SimpleNamespace(name="NVIDIA H200", total_memory=140 << 30, major=9, minor=0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: found)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    lines = gpu.header(datetime(2026, 11, 28, 12, 5, tzinfo=UTC)).splitlines()
    assert lines[0].startswith("2026-11-28 12:05 UTC")
    assert lines[1] == "2 x NVIDIA H200, 140 GiB, compute capability 9.0"
    assert f"PyTorch {torch.__version__}" in lines[3]


@pytest.mark.parametrize(("asked", "status"), [("--help", 0), ("--quick", 2)])
def test_help_and_mistakes_measure_nothing(asked: str, status: int, card: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        gpu.main([asked])
    assert left.value.code == status
    assert "What there is to measure" in capsys.readouterr().out or status
    assert not list(card.iterdir())


def test_the_parts_are_there() -> None:
    assert gpu.PARTS[0][2:4] == ("-m", "gpu")
    assert (gpu.ROOT / gpu.SCENARIO).is_file()
