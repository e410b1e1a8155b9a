"""What a server that averages denoisers measures, declared."""

from __future__ import annotations

from clients.metrics import Metric

VERSIONS = ("original", "pruned", "revived", "random_signs", "true_signs", "neuron_mean", "defended", "adaptive")
"""What an attack makes of the weights, in the order in which it is told."""

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
"""``target`` is the share of samples that show the erased concept when it is asked for, ``others`` that of the other concepts.

Versions are measured where there is an attack, ``erased`` where the last peers are asked to erase a concept.
"""
