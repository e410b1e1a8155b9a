"""Costs of a plan of an averaged language model, estimated without training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from clients.data.worlds import world_of
from server.averaging.past import Past
from simulator.tasks.averaging.costs import history_in_words, replays_in_words

if TYPE_CHECKING:
    from simulator.tasks.language.averaging.plan import LanguagePlan


def in_words(plan: LanguagePlan, past: Past, further_runs: int) -> Iterator[tuple[str, str]]:
    """Yield each kind of cost and its amount."""
    scenario, timeline = plan.scenario, plan.timeline
    meetings = sum(len(now.present) for now in timeline.rounds)
    steps = sum(scenario.training.steps(len(plan.configs[peer].rows)) for now in timeline.rounds for peer in now.present)
    size = 4 * plan.configs[0].main.parameters(world_of(plan.configs[0].data).vocabulary)
    yield "messages to peers and back", f"about {2 * (meetings + len(timeline.rounds[-1].present)):,}"
    yield "gradient steps, public pre-training", f"{scenario.language.pretraining.steps:,} unless the cache has them"
    yield "gradient steps, peers", f"about {steps:,}"
    yield "one model on the wire", f"{size:,} bytes"
    yield from history_in_words(scenario.federation.keeping(timeline), timeline, past, size, 0)
    yield from replays_in_words(timeline, past)
    yield "guards", f"{len(timeline.rules)}, which change no weight"
    yield "further runs for the audits", str(further_runs)
