"""The runs of a sweep before any is played: each variant under each seed, resolved to the hash of its plan."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from simulator.errors import LetheError
from simulator.plugins import by_hand, in_words, refuse_elsewhere
from simulator.scenarios.plan import Plan
from simulator.scenarios.resolution import resolve
from simulator.scenarios.scenario import Scenario
from simulator.sweeps.variants import Variant


@dataclass(frozen=True)
class Planned:
    """One run of a sweep.

    Parameters
    ----------
    variant : int
        Place of its variant among all variants.
    seed : int
    label : str
        Variant and seed in words.
    scenario : Scenario
    digest : str
        Hash of its plan, by which a run that was played already is found.
    stem : str
        How the name of its run directory begins.
    judged_on : str
        Hash of the data and the test rows. Runs of one seed that agree in it are compared with each other.
    """

    variant: int
    seed: int
    label: str
    scenario: Scenario
    digest: str
    stem: str
    judged_on: str


@dataclass(frozen=True)
class Design:
    """Everything that a sweep plays.

    Parameters
    ----------
    name : str
    variants : tuple of Variant
    seeds : tuple of int
    runs : tuple of Planned
        Variant by variant, in each seed by seed.
    """

    name: str
    variants: tuple[Variant, ...]
    seeds: tuple[int, ...]
    runs: tuple[Planned, ...]

    @property
    def digest(self) -> str:
        """Short hash (16 hexadecimal digits) of what is varied, and of the plans of all runs."""
        told = [[variant.values for variant in self.variants], [(one.variant, one.seed, one.digest) for one in self.runs]]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]

    @property
    def keys(self) -> tuple[str, ...]:
        """The varied keys."""
        return tuple(key for key, _ in self.variants[0].values)

    @property
    def labels(self) -> tuple[str, ...]:
        """The variants in words, keys by their last step where that names one alone."""
        ends = [key.rpartition(".")[2] for key in self.keys]
        names = {key: end if ends.count(end) == 1 and not end.isdigit() else key for key, end in zip(self.keys, ends, strict=True)}
        return tuple(Variant(tuple((names[key], value) for key, value in one.values)).label for one in self.variants)


Make = Callable[[Sequence[str]], Scenario]
"""Returns the scenario with changes such as ``seed=3``."""


def designed(make: Make, variants: Sequence[Variant], seeds: Sequence[int], jobs: int, step: Callable[[], None]) -> Design:
    """Resolve all runs of a sweep, and call ``step`` after each.

    Raises
    ------
    LetheError
        If one cannot be resolved, or not be played in another process where ``jobs`` are more than one, or if two come to the same plan;
        nothing is written.
    """
    runs: list[Planned] = []
    known: dict[str, Planned] = {}
    for place, variant in enumerate(variants):
        for seed in seeds:
            plan = resolve(make([*variant.overrides, f"seed={seed}"]))
            _refuse_elsewhere(plan, jobs)
            one = _planned(plan, place, variant, seed)
            if one.digest in known:
                raise LetheError(f"vary: {known[one.digest].label} and {one.label} are the same run: vary what changes results")
            known[one.digest] = one
            runs.append(one)
            step()
    return Design(runs[0].scenario.name, tuple(variants), tuple(seeds), tuple(runs))


def _refuse_elsewhere(plan: Plan, jobs: int) -> None:
    """Raise ``LetheError`` if a run would need classes in other processes that were registered by hand in this one."""
    used = by_hand(plan)
    refuse_elsewhere(used, plan.scenario.engine)
    if used and jobs > 1:
        raise LetheError(f"jobs = {jobs}: other processes cannot import what this one registered by hand ({in_words(used)}): take jobs = 1")


def _planned(plan: Plan, place: int, variant: Variant, seed: int) -> Planned:
    label = f"{variant.label}, seed {seed}" if variant.values else f"seed {seed}"
    return Planned(place, seed, label, plan.scenario, plan.digest, plan.stem, _judged_on(plan))


def _judged_on(plan: Plan) -> str:
    return hashlib.sha256(json.dumps([plan.data_sha256, plan.configs[0].test]).encode()).hexdigest()
