"""What a federation can be asked to learn: one spec of scenarios for each ``task``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.spec import Registry

if TYPE_CHECKING:
    from simulator.scenario import Scenario

TASKS: Registry[Scenario] = Registry(
    "lethe.tasks",
    {
        "classification": "simulator.tasks.classification.scenario:Classification",
        "diffusion": "simulator.tasks.diffusion.scenario:Diffusion",
    },
    tag="task",
)
