"""Common part of the ``[federation]`` tables of denoisers."""

from __future__ import annotations

from clients.iterations import Iterations
from clients.spec import Spec


class FederationTable(Spec):
    """How peers work together; ``steps`` are the gradient steps of a present peer in a round.

    Parameters
    ----------
    steps : int
        Gradient steps of a present peer in a round.
    """

    kind: str
    steps: Iterations = 100
