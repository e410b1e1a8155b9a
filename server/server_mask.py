"""One cut made on the server from what all peers hear their neurons do; see `server.aggregation_masks`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import PositiveInt

from server.aggregation_masks import Mean


class ServerMask(Mean):
    """The mean; peers cut nothing but send activation statistics, and the server cuts where their sums say.

    ``most_samples`` scales down a peer that reports more samples than that.
    """

    freezes: ClassVar[bool] = True
    listens: ClassVar[bool] = True
    kind: Literal["server_mask"] = "server_mask"  # type: ignore[assignment]
    most_samples: PositiveInt | None = None
