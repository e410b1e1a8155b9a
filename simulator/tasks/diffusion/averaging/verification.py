"""Verification, from a run directory, that cut entries stayed cut."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from clients import wire
from clients.diffusion.local import parameter_of
from clients.unlearning.pruning.masks import unpack_masks
from simulator.errors import LetheError

if TYPE_CHECKING:
    from simulator.storage.store import RunStore
    from simulator.tasks.diffusion.plan import DiffusionPlan

Arrays = dict[str, npt.NDArray[Any]]


def problems(plan: DiffusionPlan, store: RunStore) -> Iterator[str]:
    """Yield a line for every round in which the global model lost a frozen entry, or changed its value.

    Entries may only be added to the frozen ones; a new one is zero, or filled by a defence in the round or by a policy that fills.
    """
    before: Arrays | None = None
    held: Arrays = {}
    fills = getattr(plan.scenario.policy, "ratio", None) is not None
    for now in plan.timeline.rounds:
        try:
            names = store.model("global", now.round), store.model("frozen", now.round)
            if None in names:
                continue
            weights, frozen = (wire.from_bytes(store.artefact(str(name))) for name in names)
        except LetheError as error:
            yield str(error)
            return
        masks = {layer: mask.numpy() for layer, mask in unpack_masks(frozen).items()}
        filled = fills or any(act.do == "defend" for act in now.acts)
        for layer, mask in masks.items():
            array, old = weights[parameter_of(layer)], held.get(layer, np.zeros_like(mask))
            if (old & ~mask).any():
                yield f"round {now.round}, layer {layer}: {int((old & ~mask).sum())} entries were cut before and are not held any more"
            if not filled and (array[mask & ~old] != 0).any():
                yield f"round {now.round}, layer {layer}: {int((array[mask & ~old] != 0).sum())} entries were cut, but are not zero"
            if before is not None and not any(act.do == "defend" for act in now.acts):
                moved = int((array[old] != before[parameter_of(layer)][old]).sum())
                if moved:
                    yield f"round {now.round}, layer {layer}: {moved} entries of the cut have changed"
        before, held = weights, masks
