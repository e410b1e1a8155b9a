"""The completion benchmark: it runs to its verdicts, which say what was measured, and its plain loop is the published rule."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from experiments.benchmarks import _device_rates, revival
from experiments.benchmarks._device_rates import needs
from server.revival.arithmetic import Arithmetic
from server.revival.completion import complete
from server.revival.completion_specs import PolarMomentum, Published, SoftImpute
from server.revival.stack import make_stack


def line(faster: float = 20.0, agree: float = 0.995, ours: float = 0.8, seconds: float = 5.0) -> revival.Line:
    return revival.Line("a rule", seconds, faster, agree, ours, 0.8, "told")


@pytest.mark.parametrize(
    ("one", "cuda", "verdict"),
    [
        (line(), False, "reached"),
        (line(faster=14.9), False, "NOT reached"),
        (line(agree=0.98, ours=0.796), False, "reached"),
        (line(agree=0.98, ours=0.79), False, "NOT reached"),
        (line(faster=1.0), True, "reached"),
        (line(faster=1000.0, seconds=61.0), True, "NOT reached"),
    ],
)
def test_the_verdict_is_that_of_the_bar(one: revival.Line, cuda: bool, verdict: str) -> None:
    assert one.verdict(cuda).endswith(f": {verdict}")
    assert one.reached(cuda) == (verdict == "reached")


def test_it_runs_to_its_verdicts(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(revival, "SHAPES", {(24, 96): 2, (40, 160): 1, (48, 192): 1})
    monkeypatch.setattr(_device_rates, "RATED", {"cpu": 64})
    status = revival.main(["--device", "cpu", "--quick", "--double"])
    said = capsys.readouterr().out
    assert "3 layers" in said, "the largest shape is left out"
    assert "run to its end" in said
    measured = re.findall(r"^(\S.*), float\d\d: .* s for all layers .* ([\d.]+) times as fast as published", said, re.M)
    assert [name for name, _ in measured] == ["soft-impute", "soft-impute", "polar momentum", "one-shot polar"]
    shares = re.findall(r"decompositions included: \d+% of the [\d.e+]+ of a product of 64x64; .* \d+% of the", said)
    assert len(shares) == 4
    verdicts = re.findall(
        r"^bar for (\S.*): at least 15 times as fast as published \(([\d.]+) times\), .*: (NOT )?reached( \(the default\))?$", said, re.M
    )
    assert [float(times) for _, times, _, _ in verdicts] == [float(times) for _, times in measured]
    assert [name for name, _, _, default in verdicts if default] == ["soft-impute, float32"]
    assert status == any(missed for _, _, missed, _ in verdicts)


def test_the_plain_loop_is_the_published_rule() -> None:
    weight, mask = revival.layer((24, 96), 0, 0.1, 0.1)
    plain, iterations = revival.published_loop(weight.double().numpy(), mask.numpy(), 500)
    ours = complete(weight.double(), mask, Published())
    assert ours.iterations == iterations
    np.testing.assert_allclose(ours.values.numpy(), plain, atol=1e-9)


def test_needs_count_what_the_rules_do() -> None:
    m, c = 100, 300
    soft, _ = needs(SoftImpute(), Arithmetic(device="cpu"), m, c)
    assert soft == 2 * (2 * m * m * c) + 9 * m**3 + 2 * m**3
    products, entries = needs(PolarMomentum(), Arithmetic(device="cuda"), m, c)
    counted = FlopCounterMode(display=False)
    generator = torch.Generator().manual_seed(0)
    stack = make_stack(
        [torch.randn(m, c, generator=generator)], [torch.eye(m, c) + torch.rand(m, c, generator=generator) > 0.9], Arithmetic(device="cpu")
    )
    with counted:
        PolarMomentum(steps=2, polar="newton").solve(stack)
    assert counted.get_total_flops() == pytest.approx(2 * products, rel=0.05), "all but the power iteration"
    assert entries > 3 * 40 * m * m
