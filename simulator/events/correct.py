"""Corrections of classes and values of rows."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from clients.corrections import Correction
from clients.data import DataError
from clients.data.cells import coded
from clients.unlearning.general import AnyMethod
from simulator.events.contract import EventSpec, Stage
from simulator.events.peers import EventError, Peers
from simulator.events.rows import Chosen
from simulator.events.world import Pending, World


class Correct(EventSpec):
    """Members must correct rows: give them another class, or another value in a column, and carry on as if they had always had it.

    Rows that already have it are left alone. An absent peer does so in the first round in which it is present again.

    Parameters
    ----------
    peer : int, optional
        The peer whose rows are wrong.
    peers : list of int or str, optional
        The peers whose rows are wrong: their numbers, or the name of a group.
    rows : table, optional
        The rows to correct; by default all that each of the peers has.
    label : int or str, optional
        The name of the class that the rows should have had.
    feature : str, optional
        The name of the column in which they should have had ``value``.
    value : float or str, optional
        A number as the data hold it, within the column's public range, or the name of a category.
    method : str or table, optional
        Where a server averages classifiers: the unlearning method, by default ``retrain``; see ``lethe methods``.
    """

    stage: ClassVar[Stage] = "request"
    corrects_rows: ClassVar[bool] = True
    do: Literal["correct"] = "correct"
    peer: int | None = None
    peers: Peers | None = None
    # keys that are not set are left out, as in other events
    rows: Chosen | None = Field(None, exclude_if=lambda rows: rows is None)
    label: int | str | None = Field(None, exclude_if=lambda label: label is None)
    feature: str | None = Field(None, exclude_if=lambda feature: feature is None)
    value: float | str | None = Field(None, exclude_if=lambda value: value is None)
    method: AnyMethod | None = Field(None, exclude_if=lambda method: method is None)

    @model_validator(mode="after")
    def _one_way(self) -> Correct:
        if (self.peer is None) == (self.peers is None):
            raise ValueError("needs either peer or peers: say whose rows in one way")
        if (self.label is None) == (self.feature is None):
            raise ValueError("needs either label or feature: say what the rows should have had in one way")
        if (self.feature is None) != (self.value is None):
            raise ValueError("needs feature and value together: name the column, and what should have stood in it")
        return self

    @property
    def request(self) -> str:
        """The kind of request that this event makes."""
        return "correction"

    def resolve(self, world: World) -> None:
        """Schedule the corrections for when their peers are next present."""
        if wrong := world.uncorrectable:
            raise EventError(f"{wrong}: remove the event")
        peers = world.named((self.peer,) if self.peer is not None else self.peers or ())
        erased_now = [peer for peer in peers if peer in world.draft.erased]
        for peer in erased_now:
            world.tell("correct", [peer], "covered by the peer's erasure in this round")
        peers = [peer for peer in peers if peer not in erased_now]
        for peer in peers:
            world.membership.require_member(peer, "correct rows")
        chosen = self.rows.choose(world, peers, "correct") if self.rows else {peer: sorted(world.rows[peer]) for peer in peers}
        right = self._right(world, peers)
        changed = {peer: ids for peer, rows in chosen.items() if (ids := world.otherwise(rows, right))}
        if peers and not changed:
            raise EventError(f"every row named already has {self._words()}, so nothing would change: name other rows, or another value")
        request = world.new_request() if changed else -1
        for peer, ids in changed.items():
            waits = "" if peer in world.online else "; due when the peer is present again"
            correction = right.model_copy(update={"rows": tuple(ids)})
            world.correct(Pending(request, self.request, world.event, peer, tuple(ids), world.round, self.method, correction))
            world.tell("correct", [peer], f"{len(ids)} rows: {self._words()}{waits}")

    def _right(self, world: World, peers: list[int]) -> Correction:
        """Return what rows should have had, without rows; ``EventError`` for an unknown class, column or value."""
        if self.label is not None:
            return Correction(rows=(), label=world.class_called(self.label, peers[0] if peers else 0))
        assert self.feature is not None
        assert self.value is not None
        assert world.data is not None
        assert world.facts is not None
        try:
            place, value = coded(world.facts, world.data, self.feature, self.value)
        except DataError as error:
            raise EventError(str(error)) from None
        return Correction(rows=(), column=place, value=value)

    def _words(self) -> str:
        """Return what rows should have had, in words."""
        return f"class {self.label}" if self.label is not None else f"{self.feature} = {self.value}"
