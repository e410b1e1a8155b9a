"""Metrics of the averaging server of classifiers, in addition to those of the peers."""

from __future__ import annotations

from clients.metrics import Metric
from server.averaging.contract import REPLAYED

METRICS = (Metric("loss.global", "mean", "nats", "lower"), REPLAYED)
