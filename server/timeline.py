"""The timeline: what happens in each round, after every random choice has been drawn.

The simulator resolves a scenario into a timeline; the server plays it. Nothing in it depends on what a model learns, so the same
timeline drives the run, its counterfactuals, and the dry run of ``lethe check``.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from clients.spec import Spec

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
    """One thing that must be forgotten.

    ``request`` numbers the requests; erasures of one event share it and one counterfactual. ``rows`` are the row ids to forget, or all
    rows of an erased peer; ``edges`` the ids of the edges to forget, with the two rows that each joins.
    """

    index: int
    request: int
    round: int
    kind: Literal["peer", "rows", "edges"]
    peer: int
    generation: int = 0
    rows: tuple[int, ...] = ()
    # left out where it is empty: plans from before there were deletions of edges keep their hash
    edges: dict[int, tuple[int, int]] = Field({}, exclude_if=lambda edges: not edges)


class Timeline(Spec):
    """All rounds in order, and everything that must be forgotten in them."""

    rounds: tuple[Round, ...]
    erasures: tuple[Erasure, ...] = ()
