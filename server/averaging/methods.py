"""The methods by which an averaging server carries out requests."""

from __future__ import annotations

from clients.unlearning.general import METHODS
from clients.unlearning.general.contract import MethodSpec
from clients.unlearning.general.retrain import Retrain
from server.timeline import Erasure


def method_of(erasure: Erasure) -> MethodSpec:
    """Return the method of a request; by default ``retrain``."""
    return erasure.method or Retrain()


def able(request: str) -> tuple[str, ...]:
    """Return the methods that an event may name for a kind of request.

    ``retrain`` restarts training without the data, ``rollback`` restarts before the data's first contact with the global model,
    ``finetune`` continues training without it.
    """
    return ("retrain", "rollback", "finetune") if request in ("peer", "rows", "correction") else ()


def for_networks(request: str) -> tuple[str, ...]:
    """Return the further methods that an event may name where the global model is a network: of holders of rows, and of the server.

    Rows that are corrected are forgotten as they were and retained as they are.
    """
    able = (kind for kind, spec in METHODS.working().items() if (spec.by_peers or spec.by_server) and spec.applies())
    return tuple(able) if request in ("rows", "correction") else ()
