"""The timeline: what happens in each round, after every random choice has been drawn.

The simulator resolves a scenario into a timeline; the server plays it. Nothing in it depends on what a model learns, so the same
timeline drives the run, its counterfactuals, and the dry run of ``lethe check``.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from clients.spec import Spec
from clients.unlearning.general import AnyMethod

CrashPhase = Literal["before_training", "during_training", "after_training", "before_sending", "after_sending"]


class Happening(Spec):
    """One line of the timeline, for people: what was done to whom, and by which event of the scenario (None for churn)."""

    do: str
    peers: tuple[int, ...]
    detail: str = ""
    event: int | None = None


class Round(Spec):
    """One round, resolved. Peers are numbers ``0 .. count - 1``; everything is sorted by peer.

    Parameters
    ----------
    round : int
        1-based.
    present : tuple of int
        Members online in this round: they get a message, train, and answer (unless they crash).
    members : tuple of int
        Who belongs to the federation, online or not; silent leavers are no members, their seeds stay where they are.
    erased : tuple of int
        Peers whose seed every holder must drop from this round on.
    forget : dict of int to tuple of int
        Ids of rows and edges each peer must forget at the start of this round (it is present).
    crash : dict of int to CrashPhase
        Present peers that crash in this round, and when.
    late : dict of int to int
        Present peers whose seed of this round reaches the neighbours that many rounds later than usual.
    refusing : tuple of int
        Peers that from this round on ignore requests to drop a seed (dishonest neighbours).
    generation : dict of int to int
        Peers that start anew in this round after having been erased, with their new generation (1, 2, ...).
    edges : tuple of (int, int)
        The graph in force during this round, pairs ``a < b``, sorted.
    happenings : tuple of Happening
        For the ledger, the report, and ``lethe check``.
    """

    round: int
    present: tuple[int, ...]
    members: tuple[int, ...]
    erased: tuple[int, ...] = ()
    forget: dict[int, tuple[int, ...]] = {}
    crash: dict[int, CrashPhase] = {}
    late: dict[int, int] = {}
    refusing: tuple[int, ...] = ()
    generation: dict[int, int] = {}
    edges: tuple[tuple[int, int], ...]
    happenings: tuple[Happening, ...] = ()


class Erasure(Spec):
    """One thing that must be forgotten, or put right.

    Parameters
    ----------
    index : int
        Its place among the erasures of the timeline.
    request : int
        Numbers the requests; erasures of one event share it and one counterfactual.
    round : int
        When it is carried out at the earliest.
    kind : str
        What is asked for, by a name that is registered under ``lethe.requests``.
    peer, generation : int
        Whose data it is, in which of the peer's lives.
    rows : tuple of int
        Ids of the rows it is about; of an erased peer, all its rows.
    edges : dict of int to (int, int)
        Ids of the edges it is about, with the two rows that each joins.
    details : dict
        What else a kind of request must say, plain values: the label that rows should have had.
    method : MethodSpec, optional
        How it is to be carried out; None leaves that to the federation.
    """

    index: int
    request: int
    round: int
    kind: str
    peer: int
    generation: int = 0
    rows: tuple[int, ...] = ()
    # what is not set is left out: plans from before there were such keys keep their hash
    edges: dict[int, tuple[int, int]] = Field({}, exclude_if=lambda edges: not edges)
    details: dict[str, Any] = Field({}, exclude_if=lambda details: not details)
    method: AnyMethod | None = Field(None, exclude_if=lambda method: method is None)


class Timeline(Spec):
    """All rounds in order, and everything that must be forgotten in them."""

    rounds: tuple[Round, ...]
    erasures: tuple[Erasure, ...] = ()

    def departs(self, erasure: Erasure) -> bool:
        """Return whether the whole peer is erased, so that others drop what they have of it; else the peer itself carries it out."""
        return erasure.peer in self.rounds[erasure.round - 1].erased
