"""The cells in which scenarios can run: pairs of a task and a federation kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clients.spec import Registry
from simulator.errors import ScenarioError
from simulator.scenarios.validation_errors import suggestion

CELLS: Registry[Any] = Registry(
    "lethe.cells",
    "simulator.tasks.contract:Cell",
    {
        "classification/fedadam": "simulator.tasks.classification.averaging.federation:AveragedClassification",
        "classification/fedavg": "simulator.tasks.classification.averaging.federation:AveragedClassification",
        "classification/fedprox": "simulator.tasks.classification.averaging.federation:AveragedClassification",
        "classification/hdus": "simulator.tasks.classification.hdus.federation:HdusClassification",
        "classification/sums": "simulator.tasks.classification.sums.federation:SumsClassification",
        "diffusion/fedadam": "simulator.tasks.diffusion.averaging.federation:AveragedDenoising",
        "diffusion/fedavg": "simulator.tasks.diffusion.averaging.federation:AveragedDenoising",
        "diffusion/fedprox": "simulator.tasks.diffusion.averaging.federation:AveragedDenoising",
        "diffusion/hdus": "simulator.tasks.diffusion.hdus.federation:HdusDenoising",
        "language/fedavg": "simulator.tasks.language.averaging.federation:AveragedLanguage",
        "language/fedprox": "simulator.tasks.language.averaging.federation:AveragedLanguage",
        "language/hdus": "simulator.tasks.language.hdus.federation:HdusLanguage",
    },
)
"""`simulator.tasks.contract.Cell` classes by ``<task>/<federation kind>``."""

DEFAULT_TASK = "classification"
DEFAULT_KINDS = {"classification": "hdus"}
"""The federation kind of a task whose scenario names none; other tasks must name one."""


def name_of(raw: Mapping[str, Any], source: str = "scenario") -> str:
    """Return the name of the cell of a scenario file's content.

    Raises
    ------
    ScenarioError
        If the task or the federation kind is unknown, or a kind is missing; the line lists the known ones.
    """
    task = raw.get("task", DEFAULT_TASK)
    tasks = sorted({name.partition("/")[0] for name in CELLS.targets()})
    if task not in tasks:
        raise ScenarioError([f"{source}: task = {task!r} is unknown: {suggestion(task, tasks)}"])
    kinds = [kind for known, _, kind in (name.partition("/") for name in CELLS.targets()) if known == task]
    table = raw.get("federation", {})
    kind = table.get("kind", DEFAULT_KINDS.get(task)) if isinstance(table, Mapping) else None
    if kind is None:
        raise ScenarioError([f'{source}: federation: has no kind: add kind = "..." with one of {", ".join(kinds)}'])
    if kind not in kinds:
        raise ScenarioError([f"{source}: federation.kind = {kind!r} is unknown: {suggestion(kind, kinds)}"])
    return f"{task}/{kind}"
