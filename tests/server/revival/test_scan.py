from __future__ import annotations

import pytest
import torch

from clients.streams import torch_generator
from server.revival.knowledge import WeightsOnly
from server.revival.scan import scan


def release(rank: int | None, cut: float) -> WeightsOnly:
    draw = torch_generator("scan", rank or 0)
    m, n = 40, 120
    weight = torch.randn(m, rank or m, generator=draw) @ torch.randn(rank or m, n, generator=draw)
    weight = torch.randn(m, n, generator=draw) if rank is None else weight
    return WeightsOnly({"a": weight.masked_fill(torch.rand(m, n, generator=draw) < cut, 0.0), "b": weight.T.contiguous()})


def test_held_out_entries_foretell_the_signs() -> None:
    leaky, tight = scan(release(2, 0.1)), scan(release(None, 0.1))
    assert leaky.right > 0.95
    assert leaky.right_top_fifth >= leaky.right
    assert abs(tight.right - 0.5) < 3 * 0.5 / tight.entries**0.5
    assert leaky.found["b"] == 0
    assert leaky.density == pytest.approx(leaky.found["a"] / 9600)
    assert tight.entries == pytest.approx(0.05 * 9600, rel=0.2)


def test_a_scan_stops_early_as_signs_settle_before_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = torch_generator("scan", "noisy")
    weight = torch.randn(80, 2, generator=draw) @ torch.randn(2, 240, generator=draw) + torch.randn(80, 240, generator=draw)
    known = WeightsOnly({"a": weight.masked_fill(torch.rand(80, 240, generator=draw) < 0.6, 0.0)})
    early = scan(known)
    found = []
    for tolerance in (0.0, 0.9):
        monkeypatch.setattr("server.revival.scan.TOLERANCE", tolerance)
        found.append(scan(known))
    late, at_once = found
    assert at_once.right < late.right - 0.05, "the control: it is the tolerance that ends a scan"
    assert 0.6 < late.right < 1.0, "the control: not all signs are told"
    assert early.right == pytest.approx(late.right, abs=0.25 / late.entries**0.5)


def test_a_whole_model_is_scanned_too() -> None:
    result = scan(release(2, 0.0))
    assert result.density == 0.0
    assert result.right > 0.95
    with pytest.raises(ValueError, match="share"):
        scan(release(2, 0.0), share=0.0)
