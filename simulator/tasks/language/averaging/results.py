"""Results of a language model: what it memorised, what leaks past guards, and what prompts change, with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clients.unlearning.prompts.bypasses import FAMILIES
from clients.unlearning.prompts.prompting import CONTROLS
from server.audit.intervals import wilson
from server.ledger import FEDERATION

if TYPE_CHECKING:
    from clients.unlearning.prompts.rules import Rule
    from simulator.storage.store import RunStore
    from simulator.tasks.language.averaging.plan import LanguagePlan


def findings(plan: LanguagePlan, store: RunStore) -> dict[str, Any]:
    """Return the keys of the results that only runs of a language model have; shares with their numbers and 95 % intervals."""
    values = dict(store.rows("select name, value from metrics where round = ? and peer = ?", (plan.rounds + 1, FEDERATION)))
    told: dict[str, Any] = {}
    if "asked.own" in values:
        told["memorised"] = _share(values, "exact.own", "asked.own") | {"truth_ratio": values["truth_ratio.own"]}
    if "asked.kept" in values:
        told["guarded"] = {
            "kept_right": _share(values, "exact.guarded", "asked.kept"),
            "kept_refused": _share(values, "refused.kept", "asked.kept"),
            "public_refused": _share(values, "refused.public", "asked.public"),
        }
    told["guards"] = [_rule(rule, values) for rule in plan.timeline.acting(plan.rounds + 1) if f"asked.rule.{rule.id}" in values]
    if "asked.forgotten" in values:
        told["in_context"] = {
            control: _share(values, f"exact.forgotten.{control}", "asked.forgotten") | {"margin": values[f"margin.{control}"]}
            for control in CONTROLS
        }
    return {"language": told}


def _rule(rule: Rule, values: dict[str, float]) -> dict[str, Any]:
    """Return, of one rule, the shares of protected answers that each bypass gets with guards on, and with guards off."""
    told = {
        "id": rule.id,
        "peer": rule.peer,
        "stage": rule.stage,
        "scope": rule.scope,
        "match": rule.match.kind,
        "guarantee": "behavioural",
    }
    for name, key in (("on", "leaked"), ("off", "known")):
        told[name] = {family: _share(values, f"{key}.{rule.id}.{family}", f"asked.rule.{rule.id}") for family in FAMILIES}
    return told


def _share(values: dict[str, float], name: str, of: str) -> dict[str, Any]:
    """Return a share with the number that it is of, and its Wilson interval; None where nothing was asked."""
    n = int(values[of])
    share = values[name] / n if n else None
    return {"share": share, "n": n, "interval": None if share is None else wilson(share, n)}
