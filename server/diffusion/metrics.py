"""Metrics of servers that release a denoiser."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from clients.metrics import Metric

VERSIONS = ("original", "pruned", "revived", "random_signs", "true_signs", "neuron_mean", "defended", "adaptive")
"""Versions of the weights that an attack produces, in the order of the report."""

COMPARED = (
    ("erased", "original"),
    ("pruned", "original"),
    ("revived", "pruned"),
    ("revived", "random_signs"),
    ("random_signs", "pruned"),
    ("true_signs", "pruned"),
    ("neuron_mean", "pruned"),
    ("defended", "pruned"),
    ("adaptive", "defended"),
)
"""Versions whose samples of the erased concept are compared, each with an earlier one: all start from the same noise."""


@dataclass(frozen=True)
class Names:
    """Names of a release's own metrics, which must not be those of the peers' models: loss, accuracy of samples, prefix of the cut's."""

    loss: str
    accuracy: str
    cut: str


AVERAGED = Names("loss.global", "accuracy.sampled", "cut")
"""Names where peers have no models of their own."""

RELEASED = Names("release.loss", "release.accuracy", "release.cut")
"""Names where peers keep their own models."""

SCALE = Metric("release.scale", "mean", "factor")
"""How far a release of seeds is moved on from their public start."""


def others_of(concept: int, concepts: Iterable[int], erased: Collection[int]) -> list[int]:
    """Return the concepts beside one that nobody has erased; all of them if none is left."""
    others = [one for one in concepts if one != concept]
    return [one for one in others if one not in erased] or others


def declared(names: Names) -> tuple[Metric, ...]:
    """Return every metric of a server that releases a denoiser.

    ``target`` is the share of samples that show the erased concept when it is requested, ``others`` that of those others which nobody has
    erased by then. Versions are measured at an attack, ``erased`` in the round in which the last peers are asked to erase a concept.
    """
    return (
        Metric(names.loss, "mean", "squared error", "lower"),
        Metric(names.accuracy, "mean", "share", "higher"),
        Metric(f"{names.cut}.density", "mean", "share"),
        Metric(f"{names.cut}.survival", "mean", "share", "higher"),
        Metric(f"{names.cut}.agreement", "mean", "share", "higher"),
        *(
            Metric(f"{version}.{part}", "mean", "share", "lower" if part == "target" and version != "original" else "higher")
            for version in ("erased", *VERSIONS)
            for part in ("target", "others")
        ),
    )


METRICS = declared(AVERAGED)
"""Metrics of the averaging server of denoisers."""
