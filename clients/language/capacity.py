"""What guards do as they become more: leaks, precision, false refusals, and what is still answered right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from clients.data.rows import Rows
from clients.data.worlds import Tokens
from clients.unlearning.prompts.rules import Guarded, Reply


@dataclass(frozen=True)
class Point:
    """Counts of questions with the first guards alone.

    Parameters
    ----------
    guards : int
        How many there are.
    asked, leaked, stopped : int
        Protected questions, those whose protected answer is given, and those that a guard refuses or has answered by ``unknown``.
    kept, kept_stopped, kept_right : int
        Questions about rows that no guard protects, those that are stopped, and those that are answered right.
    public, public_stopped : int
        Public questions, and those that are stopped.
    """

    guards: int
    asked: int
    leaked: int
    stopped: int
    kept: int
    kept_stopped: int
    kept_right: int
    public: int
    public_stopped: int

    @property
    def precision(self) -> float | None:
        """Share of the stopped questions that are protected; None where none is stopped."""
        every = self.stopped + self.kept_stopped + self.public_stopped
        return self.stopped / every if every else None


def curve(model: Guarded, protected: Mapping[str, Rows], kept: Rows, public: Tokens, counts: Sequence[int]) -> list[Point]:
    """Return a point for each number of guards: the first ones of the model, by their ids, in which order they act.

    Parameters
    ----------
    model : Guarded
    protected : mapping of str to Rows
        The rows that each guard protects, by its id.
    kept : Rows
        Rows that none of them protects: the same for every number.
    public : int64 array, shape (n, 4)
        Public questions.
    counts : sequence of int
    """
    guards = sorted(model.guards, key=lambda guard: guard.rule.id)
    found = []
    for count in counts:
        some = replace(model, guards=tuple(guards[:count]))
        rows = [protected[guard.rule.id] for guard in some.guards]
        own = rows[0]
        for more in rows[1:]:
            own = own.joined(more.without(own.ids))
        stopped, leaked = _answers(some, own)
        kept_stopped, kept_right = _answers(some, kept)
        public_stopped = sum(_stopped(reply) for reply in some.replies([model.world.text(question) for question in public]))
        found.append(Point(count, len(own), leaked, stopped, len(kept), kept_stopped, kept_right, len(public), public_stopped))
    return found


def doubling(most: int) -> list[int]:
    """Return 1, 2, 4 ... and the largest number itself."""
    return sorted({*(2**power for power in range(most.bit_length())), most} - {0})


def _answers(model: Guarded, rows: Rows) -> tuple[int, int]:
    """Return how many questions are stopped, and how many are answered with the row's answer."""
    replies = model.replies([model.world.text(x) for x in rows.x])
    right = sum(reply.word == model.world.answers[y] for reply, y in zip(replies, rows.y, strict=True))
    return sum(_stopped(reply) for reply in replies), right


def _stopped(reply: Reply) -> bool:
    """Return whether a guard kept the answer back."""
    return reply.rule is not None and reply.withheld
