"""The attack on a released checkpoint: a copy of it as an adversary changes it, layer by layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from simulator.checkpoints.adversaries import Adversary
from simulator.checkpoints.finite import check_weights
from simulator.checkpoints.folder import find
from simulator.checkpoints.progress import Bars
from simulator.checkpoints.workshop import Job, Workshop, groups


def revive_checkpoint(root: Path, out: Path, adversary: Adversary, variant: str | None = None, beside: tuple[Path, ...] = ()) -> str:
    """Write a copy of a checkpoint as the adversary changes it, and a report next to it; return one line on what was done.

    Parameters
    ----------
    root, out : Path
        The input, which is never changed, and the folder to create.
    adversary : Adversary
    variant : str, optional
    beside : tuple of Path
        What the adversary was given beside the checkpoint, which is never changed either.
    """
    checkpoint, told = find(root, variant), adversary.told()
    job = Job("revive", checkpoint, out, told, beside)
    Workshop.check(job)
    check_weights(checkpoint)
    with Bars() as bars:
        layers = adversary.layers(checkpoint, bars)
        with Workshop(job) as shop:
            if not shop.delivered:
                shop.copy(bars.stage("copying files", len(checkpoint.copied())))
                step = bars.stage("reviving layers", len(layers))
                shop.rewrite(groups(layers, told.get("on", "cpu")), adversary.attack, step)
            facts = shop.done()
            shop.deliver(_report(adversary, told, facts))
    return job.said(f"{adversary.said(facts)}; {'confidence by layer' if adversary.note else 'record'} in {job.report}")


def _report(adversary: Adversary, settings: dict[str, Any], facts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the record of what was done; zeros are those of the copy in which the cut was looked for."""
    zeros = adversary.zeros
    left = {name: one.count for name, one in zeros.items() if one.count and not one.cut}
    layers = {name: one | {"alone_in_column": zeros[name].alone} for name, one in facts.items()}
    note = {"note": adversary.note} if adversary.note else {}
    return {"command": "revive", "settings": settings, "layers": layers, "zeros_taken_for_underflow": left, **note}
