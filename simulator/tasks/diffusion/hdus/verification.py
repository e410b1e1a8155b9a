"""Verification, from a run directory, that peers have cut the concepts that they were asked to erase."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from clients import wire
from clients.diffusion.hdus.main import CUT, HISTORY
from clients.diffusion.local import parameter_of
from server.averaging.history import UPDATE
from server.diffusion.metrics import SCALE
from server.ledger import RELEASE
from simulator.errors import LetheError

if TYPE_CHECKING:
    from server.diffusion.timeline import ConceptErasure
    from simulator.storage.store import RunStore
    from simulator.tasks.diffusion.hdus.plan import HdusDenoisingPlan
    from simulator.tasks.diffusion.plan import DiffusionPlan


def problems(plan: DiffusionPlan, store: RunStore) -> Iterator[str]:
    """Yield a line for every request that a peer has not carried out, and for every cut with non-zero entries."""
    names = plan.scenario.denoiser.concepts
    for peer, state in sorted(store.states().items()):
        asked = [one for one in plan.timeline.concepts if peer in one.peers and _generation(plan, peer, one) == state.generation]
        try:
            main = wire.from_bytes(store.artefact(state.main))
        except LetheError as error:
            yield str(error)
            continue
        done = {cut["index"] for cut in json.loads(main[HISTORY].tobytes())["cuts"]}
        for one in asked:
            if one.index not in done:
                yield f"peer {peer}: has not carried out the request of round {one.round} to erase concept {names[one.concept]}"
        yield from (f"peer {peer}: {line}" for line in grown_over(main))


def grown_over(main: Mapping[str, npt.NDArray[Any]]) -> Iterator[str]:
    """Yield a line for every layer of a main artefact whose cut entries are not all zero."""
    for name, mask in main.items():
        owner, cut, layer = name.rpartition(CUT)  # the owner is a shard or a checkpoint, where the main model has such
        if cut:
            left = int(np.count_nonzero(main[owner + parameter_of(layer)][mask]))
            if left:
                yield f"{owner}layer {layer}: {left} of {int(mask.sum())} entries that were cut are not zero"


def release_problems(plan: HdusDenoisingPlan, store: RunStore) -> Iterator[str]:
    """Yield a line if the release is not made of the seeds in circulation, and for every kept seed of a peer that had to forget since."""
    from clients.diffusion.denoiser import build
    from clients.unlearning.pruning.layers import feed_forward_layers
    from server.defences.secret import Secret
    from server.diffusion.hdus.folding import Folding
    from server.diffusion.hdus.release import START, fills, sent
    from server.diffusion.release.update import DenoiserUpdate
    from server.mailbox import MailboxState

    release = plan.scenario.federation.release
    number = store.last_round()
    if release is None or number <= plan.rounds:
        return
    yield from _kept(plan, store)
    start = wire.from_bytes(store.artefact(str(store.model(START))))
    layers = tuple(feed_forward_layers(build(plan.configs[0].of_seed.denoiser, ()).unet))
    updates = [DenoiserUpdate.of_seed(one.owner, store.artefact(one.sha256)) for one in sent(MailboxState(store.mailbox()), number)]
    folding = Folding(start, layers, release.policy, Secret.of_run(plan.configs[0].run_seed))
    ((scale,),) = store.rows("select value from metrics where name = ? and round = ?", (SCALE.name, number))
    made = folding.release(folding.acceptable(updates), scale, fills(plan.timeline, number))
    if wire.sha256(wire.to_bytes(made.weights)) != store.model(RELEASE):
        yield "the server's release is not made of the seeds in circulation: something else has entered it, or a part of one is missing"


def _kept(plan: DiffusionPlan, store: RunStore) -> Iterator[str]:
    for erasure in plan.timeline.erasures:
        query = "select made from history where name = ? and peer = ? and made < ? and until is null order by made"
        for (made,) in store.rows(query, (UPDATE, erasure.peer, erasure.round)):
            yield f"erasure {erasure.index} ({erasure.kind} of peer {erasure.peer}): its seed of round {made} is kept for attacks"


def _generation(plan: DiffusionPlan, peer: int, one: ConceptErasure) -> int:
    """Return the peer's generation when the request was made."""
    return max((now.generation.get(peer, 0) for now in plan.timeline.rounds[: one.round]), default=0)
