"""Metrics of the averaging server of denoisers."""

from __future__ import annotations

from clients.metrics import Metric

VERSIONS = ("original", "pruned", "revived", "random_signs", "true_signs", "neuron_mean", "defended", "adaptive")
"""Versions of the weights that an attack produces, in the order of the report."""

METRICS = (
    Metric("loss.global", "mean", "squared error", "lower"),
    Metric("accuracy.sampled", "mean", "share", "higher"),
    Metric("cut.density", "mean", "share"),
    Metric("cut.survival", "mean", "share", "higher"),
    Metric("cut.agreement", "mean", "share", "higher"),
    *(
        Metric(f"{version}.{part}", "mean", "share", "lower" if part == "target" and version != "original" else "higher")
        for version in ("erased", *VERSIONS)
        for part in ("target", "others")
    ),
)
"""``target`` is the share of samples that show the erased concept when it is requested, ``others`` that of the other concepts.

Versions are measured at an attack, ``erased`` in the round in which the last peers receive a request to erase a concept.
"""
