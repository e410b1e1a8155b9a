"""Costs of a plan of peers that exchange seed language models, estimated without training."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import TYPE_CHECKING

from clients.data.worlds import world_of

if TYPE_CHECKING:
    from simulator.tasks.language.hdus.plan import HdusLanguagePlan


def in_words(plan: HdusLanguagePlan, further_runs: int) -> Iterator[tuple[str, str]]:
    """Yield each kind of cost and its amount."""
    scenario, timeline, vocabulary = plan.scenario, plan.timeline, world_of(plan.configs[0].data).vocabulary
    meetings = sum(len(now.present) for now in timeline.rounds)
    steps = sum(scenario.training.steps(len(plan.configs[peer].rows)) for now in timeline.rounds for peer in now.present)
    each = scenario.distillation.epochs * ceil(len(plan.configs[0].reference) / scenario.distillation.batch_size)
    seed_bytes = 4 * plan.configs[0].seed.parameters(vocabulary)
    copies = sum((a in now.present) + (b in now.present) for now in timeline.rounds for a, b in now.edges)
    public = [spec.pretraining.steps for spec in plan.models]
    yield "messages to peers and back", f"{2 * (meetings + len(timeline.rounds[-1].present)):,}"
    yield "gradient steps, public pre-training", f"{sum(public):,} of {len(public)} models unless the cache has them"
    yield "gradient steps, main models", f"about {steps:,}"
    yield "gradient steps, seeds", f"{meetings * each:,}"
    peers = sum(map(timeline.departs, timeline.erasures))
    others = len(timeline.erasures) - peers - (named := sum(one.method is not None for one in timeline.erasures if one.kind != "peer"))
    rows = f"{others} of rows (all earlier steps of the peer again)" + (f", {named} of rows by a method" if named else "")
    yield "erasures", f"{peers} of peers (no gradient step), {rows}"
    yield "one seed", f"{seed_bytes:,} bytes"
    yield "seeds over edges", f"about {copies * seed_bytes:,} bytes"
    yield "guards", f"{len(timeline.rules)}, which change no weight"
    yield "further runs for the audits", str(further_runs)
