"""A server that takes Newton's steps on sums over peers, and certifies what they leave of rows that must be forgotten.

The objective of certified removal (Guo, Goldstein, Hannun, van der Maaten, ICML 2020) is a sum over peers, the perturbation included, so
the server's steps are those on all rows together, and one exchange of sums at the new parameters measures the residual.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from clients.classification.sums.newton.config import NewtonConfig
from clients.classification.sums.newton.question import Question
from clients.unlearning.approximate.certified.shared import combined
from clients.unlearning.approximate.certified.spec import CertifiedRemoval
from clients.unlearning.convex.sums import ObjectiveSums
from server.classification.sums.newton.asking import Asked, Asking, Members
from server.classification.sums.newton.outcome import EMPTY, outcome
from server.classification.sums.newton.solving import Reached, solved, stepped
from server.classification.sums.newton.state import Kept
from server.coordinator import Exchanges
from server.ledger import Ledger, RoundRecord
from server.mailbox import MailboxState
from server.timeline import Round, Timeline


class FederatedNewton(Asking):
    """The server of Newton's method; see `Asking`.

    It asks for sums only when all members are present and there is something to do: peers have come or gone, or a request is due.

    Parameters
    ----------
    config : NewtonConfig
        Config of any peer.
    table : CertifiedRemoval
    timeline : Timeline
    ledger : Ledger
        A run resumes from it.
    colluding : int
        Peers whose shares of the perturbation need not be secret, or may leave.
    """

    def __init__(self, config: NewtonConfig, table: CertifiedRemoval, timeline: Timeline, ledger: Ledger, colluding: int) -> None:
        super().__init__(config, timeline, ledger)
        self.table, self.colluding, last = table, colluding, self.last()
        self.kept = Kept(self.model.zeros()) if last is None else Kept.read(*last)

    @property
    def released(self) -> Tensor | None:
        """The parameters; None before they were made."""
        return self.kept.weights if self.kept.members else None

    def prepare(self, now: Round, mailbox: MailboxState, record: RoundRecord, exchanges: Exchanges) -> None:
        """Make the model anew if peers have come, step if rows have gone, and record the outcome of the requests that are due."""
        members, due = self.members(now), [one for one in self.open_erasures if one.round <= now.round]
        if set(now.members) != set(now.present) or (members == self.kept.members and not due):
            return
        if not members:
            # a peer that comes back brings a share of another draw
            self.kept = Kept(self.model.zeros(), draw=self.kept.draw + 1)
            self.keep(self.kept.weights, self.kept.proof(), record)
            self.told(due, EMPTY, record)
            return
        here, again = self._reached(members, self.asking(now, mailbox, record, exchanges))
        self.keep(self.kept.weights, self.kept.proof(), record)
        self.told(due, outcome(self.table, self.kept, here, again), record)

    def _reached(self, members: Members, asked: Asked) -> tuple[Reached, bool]:
        """Take over the parameters for the present rows of these members; return them, and whether the perturbation was drawn anew.

        With members that are new the optimum is found from zero, as it is after a draw; else one or two steps lead on.
        """
        table, enough = self.table, len(members) - self.colluding
        joined = not set(members) <= set(self.kept.members)
        state = replace(self.kept, members=members, divisor=self.kept.divisor if self.kept.members else enough)
        start = self.model.zeros() if joined else state.weights
        ask = _asking(asked, state, table.sigma)
        here, again = Reached(start, ask(start)), False
        if not here.sums.rows:
            here = Reached(self.model.zeros(), here.sums)
        else:
            here = solved(ask, here) if joined else stepped(ask, here, table.law.budget / 2)
            again = here.sums.residual > table.law.budget or len(members) < state.divisor or state.divisor < 1 <= enough
        if again:
            state, start = replace(state, draw=state.draw + 1, divisor=enough), self.model.zeros()
            ask = _asking(asked, state, table.sigma)
            here = solved(ask, here._replace(weights=start, sums=ask(start)))
        bound, commitment = here.sums.residual, combined(self.commitments)
        self.kept = replace(state, weights=here.weights, bound=bound, commitment=commitment)
        return here, again


def _asking(asked: Asked, state: Kept, sigma: float) -> Callable[[Tensor], ObjectiveSums]:
    """Return how sums at parameters are asked for under the perturbation of a state."""
    scale = sigma / max(1, state.divisor) ** 0.5
    return lambda weights: asked(Question(weights, state.draw, scale))
