"""The smallest federation that tests play: two linear peers on a few digits."""

from __future__ import annotations

from typing import Any

TINY: dict[str, Any] = {
    "rounds": 2,
    "data": {"dataset": "digits", "rows": 100, "reference": 20, "test": 20, "partition": {"kind": "iid"}},
    "peers": {"count": 2, "main": [{"kind": "linear"}], "seed": {"kind": "linear"}},
    "training": {"epochs": 1},
    "distillation": {"epochs": 1},
    "topology": {"kind": "complete"},
}

RETRAINED: dict[str, Any] = TINY | {"peers": TINY["peers"] | {"main": [{"kind": "retrain", "base": {"kind": "linear"}}]}}
"""The same with main models that forget by retraining."""
