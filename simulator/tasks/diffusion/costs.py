"""Costs of a plan of a denoiser, estimated without training."""

from __future__ import annotations

from collections.abc import Iterator

from clients.diffusion.spec import DenoiserSpec
from simulator.tasks.diffusion.plan import DiffusionPlan
from simulator.tasks.diffusion.resolution import warnings


def in_words(plan: DiffusionPlan, further_runs: int, distillation: int = 0) -> Iterator[tuple[str, str]]:
    """Yield each kind of cost and its amount, then warnings; ``distillation`` is the number of distillation steps of all seeds."""
    scenario = plan.scenario
    meetings = sum(len(now.present) for now in plan.timeline.rounds)
    yield "messages to peers and back", f"{2 * (meetings + len(plan.timeline.rounds[-1].present)):,}"
    if scenario.denoising.design != "joint":
        yield "gradient steps, public backbone", f"{scenario.denoising.backbone_steps:,} unless the cache has it"
    yield "gradient steps, peers", f"{meetings * scenario.federation.steps:,} at most"
    if distillation:
        yield "gradient steps, seeds", f"{distillation:,} at most"
    if scenario.denoising.design != "joint":
        yield "one model on the wire", f"{4 * feed_forward_parameters(scenario.denoiser):,} bytes"
    acts = [act.do for now in plan.timeline.rounds for act in now.acts]
    concepts = plan.timeline.concepts
    yield "concept erasures", f"{len(concepts)}, by {sum(len(one.peers) for one in concepts)} peers in all"
    yield "attacks and defences", f"{acts.count('attack')} and {acts.count('defend')}"
    yield "further runs for the audits", str(further_runs)
    for line in warnings(scenario):
        yield "WARNING", line


def feed_forward_parameters(spec: DenoiserSpec) -> int:
    """Return the number of feed-forward parameters: 12 d^2 + 9 d for each of the blocks of width d."""
    with_attention = spec.widths[spec.plain_levels :]
    blocks = [(width, 2 * spec.layers + 1 + (level == len(with_attention) - 1)) for level, width in enumerate(with_attention)]
    return sum(count * (12 * width**2 + 9 * width) for width, count in blocks)
