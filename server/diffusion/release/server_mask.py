"""One cut made on the server from the peers' activation statistics; see `server.diffusion.release.policies`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import PositiveInt

from server.diffusion.release.policies import Mean

if TYPE_CHECKING:
    from torch import Tensor

    from clients.unlearning.pruning.concept_prune import ConceptPrune
    from clients.unlearning.pruning.recorder import Activity
    from server.diffusion.release.replies import Weights


class ServerMask(Mean):
    """The mean; peers cut nothing but send activation statistics, and the server cuts by their sums.

    ``most_samples`` scales down a peer that reports more samples than that.

    Parameters
    ----------
    most_samples : int, optional
        A peer that reports more samples is scaled down to so many.
    """

    freezes: ClassVar[bool] = True
    collects_statistics: ClassVar[bool] = True
    kind: Literal["server_mask"] = "server_mask"  # type: ignore[assignment]
    most_samples: PositiveInt | None = None


def mask_from_activities(
    weights: Weights, target: Sequence[Activity], base: Sequence[Activity], eraser: ConceptPrune, most_samples: int | None = None
) -> dict[str, Tensor]:
    """Return one mask made from clients' activation statistics on the common global model, summed in the order given.

    Parameters
    ----------
    weights : mapping of str to tensor
        Global feed-forward output weights.
    target, base : sequence of Activity
        One per client each, over equally many conditions.
    eraser : ConceptPrune
    most_samples : int, optional
        A client that reports more samples is scaled down to this many, so that no client decides by its sample count alone.
    """
    if not target or len(target) != len(base):
        raise ValueError(f"{len(target)} target and {len(base)} base statistics: wants one of each from every client")
    summed = [_sum([_capped(activity, most_samples) for activity in side]) for side in (target, base)]
    return eraser.masks(dict(weights), *summed)


def _sum(activities: Sequence[Activity]) -> Activity:
    total = activities[0]
    for activity in activities[1:]:
        total = total + activity
    return total


def _capped(activity: Activity, most: int | None) -> Activity:
    """Return the statistics scaled down to at most ``most`` samples; a sum is clamped to at most its number of rows."""
    from clients.unlearning.pruning.recorder import Activity

    factor = 1.0 if most is None else min(1.0, most / activity.samples)
    sums = {name: value.clamp(0, activity.rows[name]) * factor for name, value in activity.sums.items()}
    rows = {name: round(count * factor) for name, count in activity.rows.items()}
    return Activity(sums, rows, round(activity.samples * factor))
