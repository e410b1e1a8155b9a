"""Resolution of a scenario of a denoiser to a plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from clients.config import PeerConfig
from clients.data import Dataset
from clients.data.rows import Ids
from server.diffusion.timeline import Attack, ConceptRound, ConceptTimeline, Defence
from server.revival.attack import Revival
from server.timeline import Round, Timeline
from server.topology import Graph
from simulator.events.world import World
from simulator.scenarios.validation_errors import name_place
from simulator.tasks.diffusion.events import EraseEvent
from simulator.tasks.diffusion.scenario import Diffusion
from simulator.tasks.diffusion.world import ConceptWorld
from simulator.tasks.placement import PlacedResolution

JUDGED = 4
"""Images of each class that the judge of samples needs: its accuracy is measured on a third of them."""


@runtime_checkable
class Refuses(Protocol):
    """The part of a cell that only this resolution needs; see `simulator.tasks.diffusion.denoising`."""

    def refusals(self, scenario: Any) -> Iterator[tuple[str, str]]:
        """Yield place and reason of everything in a scenario that contradicts its federation."""


class DiffusionResolution(PlacedResolution[Diffusion]):
    """Resolution of a scenario of a denoiser."""

    def check(self, data: Dataset, dealt: Sequence[Ids] | None) -> None:
        """Record an error for everything that contradicts the data or the partition."""
        assert isinstance(self.cell, Refuses)
        for place, what in self.cell.refusals(self.scenario):
            first, _, rest = place.partition(".")
            self.wrong(name_place([first, int(rest)]) if rest.isdigit() else place, what)
        if wrong := _misfit(self.scenario, data):
            self.wrong("denoiser", wrong)
        for peer, rows in enumerate(dealt or ()):
            if not len(rows):
                self.wrong("data.partition", f"peer {peer} gets no image to train on: deal to fewer peers, or set min_rows")
        if dealt:
            self._check_erasers(data, dealt)
        self._check_adversaries()
        self.check_workers()

    def _check_adversaries(self) -> None:
        """Record an error for adversaries whose completion cannot run as configured, or whose device does not exist here."""
        for i, event in enumerate(self.scenario.event):
            settings: Revival | None = getattr(getattr(event, "adversary", None), "revival", None)
            if settings is None:
                continue
            try:
                settings.completion.check(settings.arithmetic)
                if settings.arithmetic.device == "cuda":  # only this check needs torch
                    settings.arithmetic.place()
            except ValueError as error:
                self.wrong(name_place(("event", i, "adversary", "revival")), str(error))

    def _check_erasers(self, data: Dataset, dealt: Sequence[Ids]) -> None:
        """Record an error for methods that lack calls, guidance or trained weights to change, and for peers with too few images."""
        steps = self.scenario.sampling.steps
        for i, event in enumerate(self.scenario.event):
            if not isinstance(event, EraseEvent):
                continue
            place, kind = name_place(("event", i)), event.method.tag
            calls = getattr(getattr(event.method, "like", event.method), "calls", 0)
            if calls > steps:
                self.wrong(place, f"calls = {calls}, but the sampler makes {steps} steps: lower calls, or raise sampling.steps")
            if event.method.needs_guidance and self.scenario.sampling.guidance == 1.0:
                self.wrong(place, f"guidance = 1 never predicts the unconditional noise, which {kind} reads: set sampling.guidance to 2")
            if event.method.reach == "cross_attention" and (design := self.scenario.denoising.design) != "joint":
                self.wrong(place, f'{kind} changes cross-attention, which design "{design}" never trains: set denoising.design to "joint"')
            if not event.method.needs_images or isinstance(event.concept, str):  # the style of an image is drawn at run time
                continue
            named = range(len(dealt)) if isinstance(event.peers, str) else [p for p in event.peers if 0 <= p < len(dealt)]
            lacking = [peer for peer in named if not _both(data.y[dealt[peer]] == event.concept)]
            if lacking:
                self.wrong(
                    place,
                    f"{kind} learns from images of concept {event.concept} and of others, but peer {lacking[0]} does not have both: "
                    "name other peers, or take concept_prune",
                )

    def world(self, graph: Graph, configs: Sequence[PeerConfig], data: Dataset) -> World:
        """Return the initial simulation state."""
        return ConceptWorld(self.setting(graph, configs, data), self.scenario.denoiser.concepts)

    def round(self, world: World) -> Round:
        """Return the current round."""
        assert isinstance(world, ConceptWorld)
        erase = {peer: tuple(indices) for peer, indices in world.orders.items()}
        acts = tuple(self._placed(act) for act in world.taken_acts())
        return ConceptRound(**super().round(world).model_dump(), erase=erase, acts=acts)

    def _placed(self, act: Attack | Defence) -> Attack | Defence:
        """Return an attack or defence with its arithmetic resolved: the run's device, unless it names one."""
        settings: Revival | None = getattr(getattr(act, "adversary", None), "revival", None)
        if settings is None or not isinstance(act, Attack) or self.lines:
            return act
        placed = act.adversary.model_copy(update={"revival": settings.settled(self.compute.device)})
        return act.model_copy(update={"adversary": placed})

    def timeline(self, world: World) -> Timeline:
        """Simulate the events and return the timeline."""
        assert isinstance(world, ConceptWorld)
        common = super().timeline(world)
        return ConceptTimeline(**dict(common), concepts=tuple(world.concepts))


def warnings(scenario: Diffusion) -> list[str]:
    """Return one warning for each part of a scenario that will not erase what it seems to, or not in full."""
    policy, design, lines = scenario.policy, scenario.denoising.design, []
    for i, event in enumerate(scenario.event):
        if not isinstance(event, EraseEvent):
            continue
        place, reach = name_place(("event", i)), event.method.reach
        if design != "joint" and reach in ("all", "all_but_cross_attention"):
            lines.append(
                f"{place}: {event.method.tag} changes {reach.replace('_', ' ')}, of which design {design!r} trains feed-forward weights "
                "alone: the others stay as they were; design 'joint' takes them in"
            )
        if policy is not None and not policy.keeps_erasure and not policy.freezes:
            lines.append(
                f"{place}: policy {policy.tag!r} does not keep an erasure: what other peers did not cut comes back by "
                "averaging; union_zero, vote, union_noise and server_mask keep it"
            )
    return lines


def _misfit(scenario: Diffusion, data: Dataset) -> str | None:
    """Return why the denoiser cannot generate the data's images, or None."""
    spec = scenario.denoiser
    if len(data.shape) != 3 or data.shape[1] != data.shape[2]:
        return f"draws square images, the data's inputs are {' x '.join(map(str, data.shape))}: choose digits, idx or npz images"
    if data.shape[0] != spec.channels:
        return f"channels = {spec.channels}, the data have {data.shape[0]}: set channels = {data.shape[0]}"
    if data.classes != spec.classes:
        return f"classes = {spec.classes}, the data have {data.classes}: set classes = {data.classes}"
    if spec.size > data.shape[1]:
        return f"size = {spec.size} is larger than the data's {data.shape[1]} pixels: set size = {data.shape[1]} or less"
    if data.x.min() < 0 or data.x.max() > 1:
        return f"draws pixels between 0 and 1, the data's lie between {data.x.min():g} and {data.x.max():g}: scale them, or store bytes"
    if (fewest := int(np.bincount(data.y, minlength=data.classes).min())) < JUDGED:
        return f"is judged by a classifier that needs {JUDGED} images of each class, one has {fewest}: keep more rows, or drop the class"
    if len(spec.styles) == 1:
        return f"style {spec.styles[0]} alone cannot be told from others: name two styles or more, or none"
    if len(set(spec.styles)) < len(spec.styles):
        return f"styles = {list(spec.styles)} names one twice: name each once"
    if spec.size % 2 ** (len(spec.widths) - 1):
        return f"size = {spec.size} cannot be halved {len(spec.widths) - 1} times: take fewer widths or another size"
    if unfit := [width for width in spec.widths if width % spec.groups or width % spec.heads]:
        return f"width {unfit[0]} is no multiple of groups = {spec.groups} and heads = {spec.heads}: change it"
    return None


def _both(chosen: npt.NDArray[np.bool_]) -> bool:
    """Return whether some entries are true and some are false."""
    return bool(chosen.any() and not chosen.all())
