"""The public weights from which main models and seeds start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients import wire
from clients.language.hdus.config import start_of
from simulator.tasks.language.pretraining import pretrained

if TYPE_CHECKING:
    from simulator.progress import Watch
    from simulator.tasks.language.hdus.plan import HdusLanguagePlan


def starts(plan: HdusLanguagePlan, watch: Watch) -> dict[str, bytes]:
    """Return the weights of every kind of model after public pre-training, as safetensors files, by the names of their records."""
    kinds = {start_of(spec): spec for spec in plan.models}
    return {name: wire.to_bytes(pretrained(plan.configs[0], spec, watch)) for name, spec in kinds.items()}
