"""What a federation can be asked to learn: one spec of scenarios for each ``task``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.spec import Registry

if TYPE_CHECKING:
    from simulator.scenarios.scenario import Scenario

TASKS: Registry[Scenario] = Registry(
    "lethe.tasks",
    {
        "classification": "simulator.tasks.classification.scenario:Classification",
        "diffusion": "simulator.tasks.diffusion.scenario:Diffusion",
    },
    tag="task",
)

CLASSIFYING: Registry[Scenario] = Registry(
    "lethe.classifying",
    {
        "hdus": "simulator.tasks.classification.scenario:Classification",
        "sums": "simulator.tasks.classification.sums.scenario:Summation",
    },
    tag="federation",
)
"""How peers that classify work together: one spec of scenarios for each ``kind`` of the ``[federation]`` table."""
