"""The attack on a released checkpoint: locate the zeros, complete, keep the most confident signs, scale them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.revival.attack import Revival, revive
from server.revival.knowledge import WithMask
from simulator.checkpoints.cut import Zeros, all_zero, find_cut
from simulator.checkpoints.finite import check_weights
from simulator.checkpoints.folder import find
from simulator.checkpoints.progress import Bars
from simulator.checkpoints.workshop import Job, Workshop, groups

if TYPE_CHECKING:
    from torch import Tensor

_QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)


def revive_checkpoint(root: Path, out: Path, settings: Revival, random_signs: bool = False, variant: str | None = None) -> str:
    """Write a revived copy of a checkpoint and a report next to it; return one line on what was done.

    Parameters
    ----------
    root, out : Path
        The input, which is never changed, and the folder to create.
    settings : Revival
        Its location is not used: the cut consists of the exact zeros in the stored dtype, in layers with more than underflow explains.
    random_signs : bool
        Draw the signs instead of completing, as a control that a revival must beat.
    variant : str, optional
    """
    checkpoint = find(root, variant)
    settings = settings.settled()
    device = settings.arithmetic.device
    chosen = settings.model_dump(mode="json", exclude={"location"}) | {"random_signs": random_signs, "on": device}
    job = Job("revive", checkpoint, out, chosen)
    check_weights(checkpoint)
    with Bars() as bars:
        found, layers = find_cut(checkpoint, bars)
        with Workshop(job) as shop:
            if not shop.delivered:
                shop.copy(bars.stage("copying files", len(checkpoint.copied())))
                step = bars.stage("reviving layers", len(layers))
                shop.rewrite(groups(layers, device), lambda weights: _revived(weights, settings, random_signs), step)
            facts = shop.done()
            shop.deliver(_report(chosen, found, facts))
    places, kept = (sum(one[key] for one in facts.values()) for key in ("places", "refilled"))
    where = f"in {len(facts)} of {len(found)} layers{all_zero(found)}"
    return job.said(f"{kept} of {places} lost weights refilled {where}; confidence by layer in {job.report}")


def _revived(weights: dict[str, Tensor], settings: Revival, random_signs: bool) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return a group's revived weights and each layer's part of the report."""
    mask = {name: weight == 0 for name, weight in weights.items()}
    if random_signs:
        from server.revival import oracle

        new = oracle.random_signs(weights, mask, settings, ("revive", settings.seed))
        return new, {name: _facts(new[name], mask[name], None) for name in weights}
    result = revive(WithMask(weights, mask), settings)
    return result.weights, {name: _facts(result.weights[name], mask[name], result.guesses[name]) for name in weights}


def _facts(new: Tensor, mask: Tensor, guess: Tensor | None) -> dict[str, Any]:
    """Return the report of one layer; confidence is a guess's absolute value relative to the observed entries' root mean square."""
    import torch

    facts: dict[str, Any] = {"shape": list(new.shape), "places": int(mask.sum()), "refilled": int((new[mask] != 0).sum())}
    if guess is None:
        return facts | {"confidence": None}
    observed = new[~mask].double()
    scale = float(observed.square().mean().sqrt()) if len(observed) else 1.0
    sizes = guess[mask].double().abs().sort().values / max(scale, 1e-300)
    at = [int(q * (len(sizes) - 1) + 0.5) for q in _QUANTILES]  # torch.quantile does not support large tensors
    confidence: dict[str, float] = {str(q): round(float(sizes[i]), 6) for q, i in zip(_QUANTILES, at, strict=True)}
    return facts | {"without_guess": int((sizes == 0).sum()), "confidence": confidence | {"mean": round(float(torch.mean(sizes)), 6)}}


def _report(settings: dict[str, Any], found: dict[str, Zeros], facts: dict[str, Any]) -> dict[str, Any]:
    left = {name: zeros.count for name, zeros in found.items() if zeros.count and not zeros.cut}
    alone = {name: found[name].alone for name in facts}
    return {
        "command": "revive",
        "settings": settings,
        "layers": {name: one | {"alone_in_column": alone[name]} for name, one in facts.items()},
        "zeros_taken_for_underflow": left,
        "note": "confidence: quantiles of the guesses' sizes over the root mean square of the layer's observed weights",
    }
