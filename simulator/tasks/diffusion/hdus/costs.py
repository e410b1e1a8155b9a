"""Costs of the main models of peers that exchange seed denoisers, estimated without training."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from clients.data.rows import Ids
from clients.diffusion.hdus.config import HdusDenoisingConfig
from clients.diffusion.hdus.spec import PlainDenoiser
from clients.unlearning.exact.placement import places
from simulator.tasks.diffusion.costs import feed_forward_parameters
from simulator.tasks.diffusion.hdus.plan import HdusDenoisingPlan


def of_main_models(plan: HdusDenoisingPlan) -> Iterator[tuple[str, str]]:
    """Yield the cost of deletions of rows, if there are any, and the size of what the main models store."""
    if any(now.forget for now in plan.timeline.rounds):
        yield "gradient steps, deletions of images", f"{deletion_steps(plan):,} at most"
    if plan.scenario.denoising.design != "joint":
        one = 4 * feed_forward_parameters(plan.scenario.denoiser)
        models = [1 if isinstance(config.main, PlainDenoiser) else config.main.shards * config.main.slices for config in plan.configs]
        what = f"{one * sum(models):,} bytes at the end, of all peers"
        yield "main models", what if max(models) == 1 else f"{what} (sisa: {max(models)} denoisers a peer, checkpoints among them)"


def of_release(plan: HdusDenoisingPlan) -> Iterator[tuple[str, str]]:
    """Yield how the server makes what it releases, if it releases anything."""
    release = plan.scenario.federation.release
    if release is not None:
        how = "chosen on the public reference images" if release.scale == "reference" else f"{release.scale:g}"
        yield "released each round", f"one model of the seeds, policy {release.policy.name}, scale {how}"


def deletion_steps(plan: HdusDenoisingPlan) -> int:
    """Return the gradient steps of all deletions of rows: exact, except where shards have no image to train on."""
    configs = {config.peer: config for config in plan.configs}
    trained, steps = dict.fromkeys(configs, 0), 0
    for now in plan.timeline.rounds:
        for peer in now.generation:
            again = plan.config(peer, now.generation[peer])
            assert isinstance(again, HdusDenoisingConfig)
            configs[peer], trained[peer] = again, 0
        for peer, gone in now.forget.items():
            steps += _restart_steps(configs[peer], np.array(gone, np.int64), trained[peer])
        for peer in now.present:
            trained[peer] += 1
    return steps


def _restart_steps(config: HdusDenoisingConfig, gone: Ids, progress: int) -> int:
    """Return the gradient steps of forgetting rows after a number of rounds."""
    if isinstance(config.main, PlainDenoiser):
        return progress * config.steps
    shards, slices = places(gone, config.main.shards, config.main.slices, (*config.stream, "main"))
    schedules = config.main.schedules(config.rounds, config.steps)
    hit = {shard: int(slices[shards == shard].min()) for shard in range(len(schedules)) if (shards == shard).any()}
    return sum(max(0, schedules[shard].reached(progress) - schedules[shard].start(stage)) for shard, stage in hit.items())
