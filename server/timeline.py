"""The timeline: what happens in each round, after every random choice has been drawn.

The simulator resolves a scenario into a timeline; the server runs it. Nothing in it depends on what a model learns, so the same
timeline drives the run, its counterfactuals, and the dry run of ``lethe check``.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from pydantic import Field

from clients.corrections import Correction
from clients.spec import Spec
from clients.unlearning.general import AnyMethod

CrashPhase = Literal["before_training", "during_training", "after_training", "before_sending", "after_sending"]


class Happening(Spec):
    """One readable line of the timeline: the action, its peers, and the index of the scenario's event (None for churn)."""

    do: str
    peers: tuple[int, ...]
    detail: str = ""
    event: int | None = None


class Round(Spec):
    """One resolved round. Peers are numbers ``0 .. count - 1``; everything is sorted by peer.

    Parameters
    ----------
    round : int
        1-based.
    present : tuple of int
        Members online in this round: they get a message, train, and answer (unless they crash).
    members : tuple of int
        Peers that belong to the federation, online or offline. Silent leavers are not members, although their seeds stay in circulation.
    erased : tuple of int
        Peers whose seed every holder must drop from this round on.
    forget : dict of int to tuple of int
        Ids of the rows and edges that each peer must forget at the start of this round; these peers are present.
    arrive : dict of int to tuple of int
        Ids of the rows that reach each peer at the start of this round, before it forgets; these peers are present.
    correct : dict of int to tuple of Correction
        What each peer must correct at the start of this round, after it has forgotten; these peers are present.
    crash : dict of int to CrashPhase
        Present peers that crash in this round, and when.
    late : dict of int to int
        Present peers whose seed of this round reaches the neighbours later than usual, with the number of rounds.
    refusing : tuple of int
        Peers that from this round on ignore requests to drop a seed (dishonest neighbours).
    generation : dict of int to int
        Peers that start from scratch in this round after an erasure, with their new generation (1, 2, ...).
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
    # left out where nothing arrives or is corrected, so that plans from before these existed keep their hash
    arrive: dict[int, tuple[int, ...]] = Field({}, exclude_if=lambda rows: not rows)
    correct: dict[int, tuple[Correction, ...]] = Field({}, exclude_if=lambda told: not told)
    crash: dict[int, CrashPhase] = {}
    late: dict[int, int] = {}
    refusing: tuple[int, ...] = ()
    generation: dict[int, int] = {}
    edges: tuple[tuple[int, int], ...]
    happenings: tuple[Happening, ...] = ()


class Erasure(Spec):
    """One peer's part of a request: the data that must be forgotten or corrected.

    Parameters
    ----------
    index : int
        Position among the erasures of the timeline.
    request : int
        Number of the request; erasures of one event share it and one counterfactual.
    round : int
        Earliest round in which it is carried out, 1-based.
    kind : str
        Kind of request, a name registered under ``lethe.requests``.
    peer, generation : int
        Owner of the data, and how often it had rejoined after an erasure by then.
    rows : tuple of int
        Ids of the affected rows; for an erased peer, all its rows.
    edges : dict of int to (int, int)
        Ids of the affected edges, with the two rows that each connects.
    details : dict
        Further plain values that the kind of request needs, such as the label that the rows should have had.
    correction : Correction, optional
        What the affected rows should have held, if they are corrected and not forgotten.
    method : MethodSpec, optional
        How the erasure is carried out; None leaves the choice to the federation.
    """

    index: int
    request: int
    round: int
    kind: str
    peer: int
    generation: int = 0
    rows: tuple[int, ...] = ()
    # unset keys are left out of the JSON, so that plans from before these keys existed keep their hash
    edges: dict[int, tuple[int, int]] = Field({}, exclude_if=lambda edges: not edges)
    details: dict[str, Any] = Field({}, exclude_if=lambda details: not details)
    correction: Correction | None = Field(None, exclude_if=lambda correction: correction is None)
    method: AnyMethod | None = Field(None, exclude_if=lambda method: method is None)


class Waiting(Spec):
    """One peer's part of a request that it never got, because it was away from then on to the end of the run.

    Parameters
    ----------
    request : int
        Number of the request.
    event : int
        Number of the scenario's event, counted from 0.
    round : int
        The round in which it was made, 1-based.
    peer : int
    ids : tuple of int
        Ids of the rows and edges that should have been forgotten or corrected.
    """

    request: int
    event: int
    round: int
    peer: int
    ids: tuple[int, ...]


class Arrival(NamedTuple):
    """Rows that reach a peer in a round: the round, the peer and its generation, and the rows' ids."""

    round: int
    peer: int
    generation: int
    rows: tuple[int, ...]


class Timeline(Spec):
    """All rounds in order, everything that must be forgotten in them, and the requests that never reach their peers."""

    rounds: tuple[Round, ...]
    erasures: tuple[Erasure, ...] = ()
    # left out where every request arrives, so that plans from before this key existed keep their hash
    waiting: tuple[Waiting, ...] = Field((), exclude_if=lambda waiting: not waiting)

    def departs(self, erasure: Erasure) -> bool:
        """Return whether the whole peer is erased, and the others drop its seeds; otherwise the peer itself carries the erasure out."""
        return erasure.peer in self.rounds[erasure.round - 1].erased

    def arrivals(self) -> list[Arrival]:
        """Return the arrivals of rows, in the order of rounds and peers."""
        generation: dict[int, int] = {}
        found: list[Arrival] = []
        for now in self.rounds:
            generation.update(now.generation)
            found += [Arrival(now.round, peer, generation.get(peer, 0), rows) for peer, rows in now.arrive.items()]
        return found
