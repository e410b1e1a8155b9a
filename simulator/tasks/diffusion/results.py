"""Results of a denoiser: sample accuracy, concept erasures, attacks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from clients.diffusion.judges.spec import doubt
from clients.diffusion.spec import Concept
from server.diffusion.metrics import AVERAGED, RELEASED, SCALE, Names
from server.diffusion.timeline import ConceptErasure
from server.ledger import FEDERATION
from simulator.tasks.diffusion import shares

MEASURED = "measured"
UNCUT, REFUSED = "no weight stayed cut", "the server refused what its peers sent"
UNFINISHED, UNJUDGED = "not carried out by all who were asked", "carried out, and judged by no sample"
"""What became of a concept erasure."""

if TYPE_CHECKING:
    from simulator.storage.store import RunStore
    from simulator.tasks.diffusion.plan import DiffusionPlan


def findings(plan: DiffusionPlan, store: RunStore) -> dict[str, Any]:
    """Return the keys of the results that only runs of a denoiser have."""
    found: dict[str, list[dict[str, Any]]] = {}
    for number, name, body in store.rows("select round, name, body from findings order by rowid"):
        found.setdefault(name, []).append({"round": number, **json.loads(body)})
    recommendation = _last(found, "recommendation")
    told: dict[str, Any] = {
        "accuracy": shares.of_model(_last(found, "model"), plan, len(_values(plan, store, "accuracy.sampled"))),
        "judge": _judge(_last(found, "judge")),
        "concepts": [shares.of_row(row, plan) for row in _concepts(plan, store, {row["index"]: row for row in found.get("erasure", [])})],
        "revivals": [shares.of_row(row, plan) for row in _revivals(found.get("revival", []), store)],
        "not_played": found.get("not_played", []),
        "curves": [shares.of_curve(row, plan) for row in found.get("curve", [])],
        "recommendation": recommendation.get("text"),
        "fills": recommendation.get("tried", []),
    }
    if released := _last(found, "release"):
        told["release"] = {**shares.of_model(released, plan), "scale": _scale(store), "policy": getattr(plan.scenario.policy, "name", None)}
    styles = plan.scenario.denoiser.styles
    named = {key: _called(value, plan.scenario.denoiser.concepts) for key, value in told.items()}
    return named | ({"styles": list(styles)} if styles else {})


def _called(told: Any, names: Sequence[Concept]) -> Any:
    """Replace every concept number by the concept's name in the scenario."""
    if isinstance(told, list):
        return [_called(one, names) for one in told]
    if isinstance(told, dict):
        return {key: names[value] if key == "concept" else _called(value, names) for key, value in told.items()}
    return told


def _judge(found: dict[str, Any]) -> dict[str, Any]:
    """Return the judge's accuracy on held-out real images, with its interval, and with a warning if it is too low."""
    line = doubt(min((value for name, value in found.items() if name.endswith("held_out_accuracy")), default=1.0))
    return shares.of_judge(found) | ({} if line is None else {"doubt": line})


def _revivals(rows: list[dict[str, Any]], store: RunStore) -> list[dict[str, Any]]:
    """Return one row per attack, with its duration in seconds."""
    timed = "select round, value from timings where name like 'attack/%' and peer = ? order by rowid"
    seconds = [value for _, value in store.rows(timed, (FEDERATION,))]
    return [{**row, "seconds": value} for row, value in zip(rows, seconds, strict=True)]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return a finding without its round."""
    return {key: value for key, value in row.items() if key != "round"}


def _last(found: dict[str, list[dict[str, Any]]], name: str) -> dict[str, Any]:
    rows = found.get(name, [])
    return _plain(rows[-1]) if rows else {}


def _concepts(plan: DiffusionPlan, store: RunStore, scored: dict[int, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row per concept erasure; ``scored`` holds the sample accuracies before it, and once all its peers had received it."""
    policy, names = plan.scenario.policy, _names(plan)
    told = store.rows("select round, peers from events where do = 'refused'")
    refused = {(number, peer) for number, peers in told for peer in json.loads(peers)}
    rows = []
    for one in plan.timeline.concepts:
        received = {peer: past.round for past in plan.timeline.rounds for peer, asked in past.erase.items() if one.index in asked}
        complete = set(received) == set(one.peers)
        never = complete and refused.issuperset(_answers(plan, received))
        metrics = () if never else store.rows("select name, value from metrics where round = ? and peer = ?", (one.round, FEDERATION))
        measured = dict(metrics)
        drawn, scores, survival = _drawn(plan, store, one), scored.get(one.index, {}), measured.get(f"{names.cut}.survival")
        rows.append(
            {
                "concept": one.concept,
                "round": one.round,
                "peers": list(one.peers),
                "method": one.method.tag,
                "policy": getattr(policy, "name", None),
                "guarantee": "behavioural",
                **{part: measured.get(f"{names.cut}.{part}") for part in ("density", "agreement", "survival")},
                **{name: scores.get(name) for name in ("original", "erased")},
                "drawn": drawn,
                "outcome": _outcome(never, complete, "erased" in scores or drawn is not None, survival),
            }
        )
    return rows


def _answers(plan: DiffusionPlan, received: dict[int, int]) -> set[tuple[int, int]]:
    """Return round and peer of every update that carries out a request, which stands by peer with the round in which it was received."""
    return {(past.round, peer) for peer, first in received.items() for past in plan.timeline.rounds[first - 1 :] if peer in past.present}


def _outcome(refused: bool, complete: bool, judged: bool, survival: float | None) -> str:
    """Return what became of a concept erasure.

    That is told by whether every update that carries it out was refused, all peers had received it, samples were judged, and of what had
    been cut by its round, for this or an earlier request, any share survived.
    """
    if refused:
        return REFUSED
    if not complete:
        return UNFINISHED
    if not judged:
        return UNJUDGED
    return UNCUT if survival == 0 else MEASURED


def _names(plan: DiffusionPlan) -> Names:
    """Return the names of the metrics of what a server releases, or of the peers' own cuts if it releases nothing."""
    return RELEASED if getattr(plan.scenario.federation, "release", None) is not None else AVERAGED


def _scale(store: RunStore) -> float:
    """Return how far the last release was moved on from the seeds' public start."""
    ((scale,),) = store.rows("select value from metrics where name = ? order by round desc limit 1", (SCALE.name,))
    return float(scale)


def _drawn(plan: DiffusionPlan, store: RunStore, one: ConceptErasure) -> dict[str, Any] | None:
    """Return the final accuracy on an erased concept of the peers that erased it, alone (``local``) and with their neighbours' seeds.

    Mean over these peers, in [0, 1], with the number of samples and intervals; None if peers are not evaluated individually.
    """
    found = {name: _values(plan, store, f"accuracy.{name}.{one.concept}", one.peers) for name in ("local", "sampled")}
    drawn = {name: fmean(values) for name, values in found.items() if values}
    return shares.of_drawn(drawn, one.concept, plan, len(found["sampled"])) if drawn else None


def _values(plan: DiffusionPlan, store: RunStore, name: str, peers: Sequence[int] | None = None) -> list[float]:
    """Return what single peers, all or some, have of a metric of the final evaluation."""
    found = store.rows("select peer, value from metrics where round = ? and name = ? order by peer", (plan.rounds + 1, name))
    return [value for peer, value in found if peer != FEDERATION and (peers is None or peer in peers)]
