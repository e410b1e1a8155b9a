"""What follows a run: every erasure is judged beside runs in which it never had to be, or was ignored."""

from __future__ import annotations

from clients.spec import Registry
from simulator.audits.contract import AuditSpec

AUDITS: Registry[AuditSpec] = Registry(
    "lethe.audits",
    "simulator.audits.contract:AuditSpec",
    {
        "counterfactual": "simulator.audits.counterfactual:Counterfactual",
        "membership_inference": "simulator.audits.membership:MembershipInference",
        "relearn": "simulator.audits.relearning:Relearning",
    },
    tag="",
)
"""Audits by the key that the ``[audit]`` table has for each."""
