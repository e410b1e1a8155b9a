"""What the averaging server of classifiers measures beside its peers."""

from __future__ import annotations

from clients.metrics import Metric
from server.averaging.contract import REPLAYED

METRICS = (Metric("loss.global", "mean", "nats", "lower"), REPLAYED)
