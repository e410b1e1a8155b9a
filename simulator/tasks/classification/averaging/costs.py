"""Costs of a plan of averaged classifiers, estimated without training."""

from __future__ import annotations

from collections.abc import Iterator

from clients.data import load
from clients.data.columns import expanded_shape
from server.averaging.past import Past
from simulator.tasks.averaging.costs import history_in_words, replays_in_words
from simulator.tasks.classification.averaging import privacy
from simulator.tasks.classification.averaging.plan import AveragedPlan


def in_words(plan: AveragedPlan, past: Past, further_runs: int) -> Iterator[tuple[str, str]]:
    """Yield each kind of cost and its amount."""
    scenario, timeline = plan.scenario, plan.timeline
    drawn = [past.drawn(now.round, now.round) for now in timeline.rounds]
    steps = [scenario.training.steps(len(config.rows)) for config in plan.configs]
    meetings = sum(map(len, drawn))
    yield "messages to peers and back", f"about {2 * (meetings + len(timeline.rounds[-1].present)):,}"
    yield "gradient steps", f"about {sum(steps[peer] for cohort in drawn for peer in cohort):,}"
    if size := model_bytes(plan):
        yield "one model on the wire", f"{size:,} bytes"
        yield "models to peers and back", f"about {size * (2 * meetings + len(timeline.rounds[-1].present)):,} bytes"
        moments = 4 * size if scenario.federation.tag == "fedadam" else 0  # two of them, float64
        yield from history_in_words(scenario.federation.keeping(timeline), timeline, past, size, moments)
    yield from replays_in_words(timeline, past)
    yield from privacy.in_words(plan, past)
    yield "further runs for the audits", str(further_runs)


def model_bytes(plan: AveragedPlan) -> int:
    """Return the bytes of the global model's parameters; 0 if the model cannot tell them."""
    config = plan.configs[0]
    try:
        return 4 * int(config.main.parameters(expanded_shape(plan.shape, load(config.data).columns), plan.classes))
    except NotImplementedError:
        return 0
