"""The tables of a scenario in which peers exchange seed denoisers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from clients.diffusion.hdus.spec import AnyMainDenoiser, PlainDenoiser
from simulator.scenarios import scenario as common
from simulator.tasks.diffusion.hdus.tables import Hdus
from simulator.tasks.diffusion.scenario import Diffusion


class Peers(common.Peers):
    """The peers: their number ``count``, main models assigned in turn, and names for groups of peers.

    Parameters
    ----------
    main : list of tables
        Main models, assigned to the peers in turn.
    """

    # the default is left out, so that plans from before there were other main models keep their hash
    main: Annotated[tuple[AnyMainDenoiser, ...], Field(min_length=1)] = Field(
        (PlainDenoiser(),), exclude_if=lambda main: main == (PlainDenoiser(),)
    )


class HdusDenoisingScenario(Diffusion):
    """A scenario in which each peer trains its own denoiser and sends its neighbours a seed."""

    peers: Peers
    federation: Hdus
