"""The systems of the literature that the project covers: what each is called here, what it promises, and which scenario shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from clients.diffusion.hdus.spec import AnyMainDenoiser
from clients.unlearning import UNLEARNERS
from clients.unlearning.general import METHODS
from clients.unlearning.pruning import ERASERS
from simulator.scenarios.tasks import CELLS
from simulator.tasks.classification.sums.scenario import AnyModel

FOLDER = "experiments/scenarios"

_REGISTRIES: Mapping[str, Any] = {"method": METHODS, "unlearner": UNLEARNERS, "eraser": ERASERS}
_TASKS = {"eraser": "diffusion", "adversary": "diffusion", "fill": "diffusion", "event": "language"}
_ROOTS = "Zhang et al., Roots Beneath the Cut, CVPR 2026, arXiv 2603.06640"


@dataclass(frozen=True)
class System:
    """A system, and its component here.

    Parameters
    ----------
    name : str
        What its authors call it.
    what : {"method", "unlearner", "eraser", "adversary", "fill", "event"}
        What kind of component implements it.
    kind : str
        What scenarios write to have it.
    scenario : str
        Path of a ready scenario that does, below ``experiments/scenarios``.
    guarantee, source : str
        Only where the component itself states none.
    """

    name: str
    what: str
    kind: str
    scenario: str
    guarantee: str = ""
    source: str = ""


SYSTEMS = (
    System("SISA", "unlearner", "sisa", "departures.toml"),
    System("DaRE forest", "unlearner", "dare", "adult.toml"),
    System("HedgeCut", "unlearner", "hedgecut", "adult.toml"),
    System("GraphEraser", "unlearner", "grapheraser", "citations.toml"),
    System("RecEraser", "unlearner", "receraser", "ratings.toml"),
    System("statistical queries, summation form", "unlearner", "ridge", "sums.toml"),
    System("influence functions", "method", "influence", "keys/convex.toml"),
    System("certified removal", "unlearner", "certified_removal", "certified.toml"),
    System("unlearning in spiking networks", "method", "spiking", "spiking.toml"),
    System("cheap-to-store data statistics", "unlearner", "newton_statistics", "keys/convex.toml"),
    System("infinitesimal jackknife", "unlearner", "infinitesimal_jackknife", "keys/convex.toml"),
    System("L-CODEC", "method", "l_codec", "keys/causes.toml"),
    System("L-FOCI", "method", "l_codec", "keys/causes.toml"),
    System("PUMA", "method", "puma", "keys/causes.toml"),
    System("repair by leaving the past behind", "method", "repair", "repair.toml"),
    System("unlearning of features and labels", "unlearner", "features_labels", "correct.toml"),
    System(
        "guardrails",
        "event",
        "guard",
        "guardrails.toml",
        "behavioural",
        "Thaker et al., Guardrail Baselines for Unlearning in LLMs, 2024, arXiv 2403.03329",
    ),
    System("in-context unlearning", "method", "in_context", "in_context.toml"),
    System("HDUS", "method", "drop_seed", "departures.toml"),
    System("ConceptPrune", "eraser", "concept_prune", "revival.toml"),
    System("revival of pruned concepts", "adversary", "zero_scan", "revival.toml", "attack", _ROOTS),
    System("Gaussian fill of the cut", "fill", "gaussian", "revival.toml", "defence", _ROOTS),
    System("RUM", "method", "rum", "keys/refined.toml"),
)


def rows(places: Mapping[str, str]) -> list[tuple[str, str, str, str, str, str]]:
    """Return system, component, guarantee, where it can be used, ready scenario and source of every system.

    ``places`` tells where each method can be used, by its kind. A component that cannot be loaded is left out.
    """
    found = []
    for one in SYSTEMS:
        spec = _REGISTRIES[one.what].working().get(one.kind) if one.what in _REGISTRIES else one
        if spec is not None:
            guarantee = "behavioural" if one.what == "eraser" else str(spec.guarantee)
            where = places[one.kind].replace("main models", "classification/hdus") if one.what == "method" else _where(one)
            found.append((one.name, f"{one.what} {one.kind}", guarantee, where, f"{FOLDER}/{one.scenario}", str(spec.source)))
    return found


def _where(one: System) -> str:
    """Return the cells in which a component that is no method can be used, as text."""
    if one.what != "unlearner":
        return ", ".join(name for name in CELLS.working() if name.startswith(f"{_TASKS[one.what]}/"))
    further = {"classification/sums": AnyModel, "diffusion/hdus": AnyMainDenoiser}
    return ", ".join(["classification/hdus", *(cell for cell, union in further.items() if one.kind in _kinds(union))])


def _kinds(union: Any) -> set[str]:
    """Return the kinds of the specs in an annotated union."""
    return {spec.model_fields["kind"].default for spec in get_args(get_args(union)[0])}
