"""What the results say of a denoiser: how well it draws, what was erased from it, how it was attacked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from server.averaging import FEDERATION

if TYPE_CHECKING:
    from simulator.run_store import RunStore
    from simulator.tasks.diffusion.plan import DiffusionPlan


def findings(plan: DiffusionPlan, store: RunStore) -> dict[str, Any]:
    """Return the keys that only runs of a denoiser have."""
    found: dict[str, list[dict[str, Any]]] = {}
    for number, name, body in store.rows("select round, name, body from findings order by rowid"):
        found.setdefault(name, []).append({"round": number, **json.loads(body)})
    recommendation = _last(found, "recommendation")
    return {
        "accuracy": _last(found, "model"),
        "judge": _last(found, "judge"),
        "concepts": _concepts(plan, store),
        "revivals": _revivals(found.get("revival", []), store),
        "curves": [_plain(row) for row in found.get("curve", [])],
        "recommendation": recommendation.get("text"),
        "fills": recommendation.get("tried", []),
    }


def _revivals(rows: list[dict[str, Any]], store: RunStore) -> list[dict[str, Any]]:
    """Return one row an attack, with the seconds that it took."""
    timed = "select round, value from timings where name like 'attack/%' and peer = ? order by rowid"
    seconds = [value for _, value in store.rows(timed, (FEDERATION,))]
    return [{**row, "seconds": value} for row, value in zip(rows, seconds, strict=True)]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return a finding without the round it is from."""
    return {key: value for key, value in row.items() if key != "round"}


def _last(found: dict[str, list[dict[str, Any]]], name: str) -> dict[str, Any]:
    rows = found.get(name, [])
    return _plain(rows[-1]) if rows else {}


def _concepts(plan: DiffusionPlan, store: RunStore) -> list[dict[str, Any]]:
    """Return one row a request to erase a concept."""
    policy = getattr(plan.scenario.federation, "policy", None)
    rows = []
    for one in plan.timeline.concepts:
        measured = dict(store.rows("select name, value from metrics where round = ? and peer = ?", (one.round, FEDERATION)))
        rows.append(
            {
                "concept": one.concept,
                "round": one.round,
                "peers": list(one.peers),
                "method": getattr(one.method, "kind"),  # noqa: B009  every eraser has a tag
                "policy": getattr(policy, "kind", None),
                "guarantee": "behavioural",
                "density": measured.get("cut.density"),
                "agreement": measured.get("cut.agreement"),
                "survival": measured.get("cut.survival"),
            }
        )
    return rows
