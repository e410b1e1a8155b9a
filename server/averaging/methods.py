"""How an averaging server carries out requests."""

from __future__ import annotations

from clients.unlearning.general.contract import MethodSpec
from clients.unlearning.general.retrain import Retrain
from server.timeline import Erasure


def method_of(erasure: Erasure) -> MethodSpec:
    """Return the method by which a request is carried out: unless one is named, it begins again without the data."""
    return erasure.method or Retrain()


def able(request: str) -> tuple[str, ...]:
    """Return the methods that an event may name for a kind of request.

    ``retrain`` begins again without the data, ``rollback`` begins again before its first contact with the global model, ``finetune`` goes
    on without it.
    """
    return ("retrain", "rollback", "finetune") if request in ("peer", "rows") else ()
