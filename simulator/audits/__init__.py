"""Audits after a run: they compare every erasure with runs in which the data never existed, or requests were ignored."""

from __future__ import annotations

from clients.spec import Registry
from simulator.audits.contract import AuditSpec

AUDITS: Registry[AuditSpec] = Registry(
    "lethe.audits",
    "simulator.audits.contract:AuditSpec",
    {
        "anamnesis": "simulator.audits.relearned:Anamnesis",
        "answers": "simulator.audits.answers:Answers",
        "attack_rate": "simulator.audits.attack_rate:AttackRate",
        "backdoor": "simulator.audits.planted:Backdoor",
        "canary": "simulator.audits.planted:Canary",
        "causes": "simulator.audits.causes:Causes",
        "counterfactual": "simulator.audits.counterfactual:Counterfactual",
        "forgetting_quality": "simulator.audits.forgetting_quality:ForgettingQuality",
        "gaps": "simulator.audits.gaps:Gaps",
        "ignorance": "simulator.audits.ignorance:Ignorance",
        "interclass": "simulator.audits.planted:Interclass",
        "inversion": "simulator.audits.inversion:Inversion",
        "klom": "simulator.audits.klom:Klom",
        "membership_inference": "simulator.audits.membership:MembershipInference",
        "modified_entropy": "simulator.audits.outputs:ModifiedEntropy",
        "privleak": "simulator.audits.privleak:Privleak",
        "quantisation": "simulator.audits.disturbed:Quantisation",
        "relearn": "simulator.audits.relearning:Relearning",
        "relearning": "simulator.audits.relearned:RelearningSteps",
        "revival": "simulator.audits.disturbed:Revival",
        "rmia": "simulator.audits.rmia:Rmia",
        "ruli": "simulator.audits.ruli:Ruli",
        "time_to_forget": "simulator.audits.time_to_forget:TimeToForget",
        "u_lira": "simulator.audits.u_lira:ULira",
        "zrf": "simulator.audits.outputs:Zrf",
    },
    tag="",
)
"""Audits by their key in the ``[audit]`` table."""
