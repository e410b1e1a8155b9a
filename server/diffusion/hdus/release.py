"""A server that, beside forwarding seed denoisers, releases a model made of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

from clients import wire
from clients.diffusion.hdus.config import HdusDenoisingConfig
from clients.metrics import Metric
from server.averaging.history import History, Keeping
from server.coordinator import Exchanges
from server.defences.fills import FillSpec
from server.diffusion.hdus.coordinator import Neighbourhood
from server.diffusion.hdus.folding import Folded, Folding
from server.diffusion.hdus.reference import error_on_reference
from server.diffusion.hdus.seed import RelayedSeed
from server.diffusion.metrics import RELEASED, SCALE, Names, declared
from server.diffusion.release.contract import Arrays, NotPlayedError, Releasing, Setup
from server.diffusion.release.update import DenoiserUpdate
from server.diffusion.timeline import Attack, ConceptTimeline, Defence
from server.ledger import FEDERATION, RELEASE, Ledger, RoundRecord
from server.mailbox import MailboxState, Parcel
from server.timeline import Round

START = "start"
"""Name under which the ledger keeps the public weights from which all seeds were distilled."""


@dataclass(frozen=True)
class Own:
    """What only a release of seeds has: the main models' backbone, the scale of the step from the start, and the ledger."""

    config: HdusDenoisingConfig
    backbone: bytes
    scale: float | Literal["reference"]
    ledger: Ledger


class ReleasingNeighbourhood(Releasing, Neighbourhood):
    """The server of peers that exchange seed denoisers, which releases their mean; see `Folding` and `Releasing`.

    After each round the release is made anew, of the seeds in circulation alone, those of the round included and late ones not. Nothing of
    an earlier release enters it, so that after a departure it is, byte for byte, what it would have been without the peer. Defences stay
    in force: from their round on they fill whatever is cut. Of earlier rounds the seeds are kept that were released before a concept was
    erased, to compare attacks with, until their owner's data are to be forgotten.

    Parameters
    ----------
    setup : Setup
        With the seeds' architecture and public weights.
    own : Own
    """

    metrics: ClassVar[tuple[Metric, ...]] = (*declared(RELEASED), SCALE)
    named: ClassVar[Names] = RELEASED
    finding: ClassVar[str] = "release"

    def __init__(self, setup: Setup, own: Own) -> None:
        Releasing.__init__(self, setup)
        Neighbourhood.__init__(self, own.config, own.backbone, setup.backbone, setup.timeline)
        self.own, self.ledger = own, own.ledger
        self.history = History(own.ledger.history(), Keeping(updates=True))
        self._fresh: dict[str, bytes] = {}
        self._past: dict[int, Arrays] = {}
        self._adopt(self.folding.release([], 1.0))

    @cached_property
    def folding(self) -> Folding:
        """How seeds are folded."""
        return Folding(self.start, tuple(self.layers), self.setup.policy, self.secret)

    def prepare(self, now: Round, mailbox: MailboxState, record: RoundRecord, exchanges: Exchanges) -> None:
        """Drop the kept seeds of everyone who must be forgotten, or has rows to forget."""
        for one in self.setup.timeline.erasures:
            if one.round == now.round:
                self.history.forget(one.peer)
                self._past.clear()

    def open(self, now: Round, mailbox: MailboxState, record: RoundRecord) -> None:
        """Remember the mailbox, from which the final release is made."""
        self._mailbox = mailbox

    def close(self, now: Round, mailbox: MailboxState, record: RoundRecord) -> None:
        """Make the release of a round, measure, attack and defend it."""
        seeds = self._make(now.round, mailbox, record)
        self.measure_release([update for _, update in seeds], record)
        self.setup.acting.act(self, now, [update for _, update in seeds], record)
        if now.round in kept_rounds(self.setup.timeline):
            for parcel, _ in seeds:
                self.history.add_update(now.round, parcel.owner, parcel.sha256, parcel.size)
        self._keep(record)

    def evaluate_finally(self, now: Round, record: RoundRecord) -> None:
        """Measure the ensembles; make the final release, in which late seeds have arrived, and measure it."""
        super().evaluate_finally(now, record)
        self._make(now.round, self._mailbox, record)
        self.setup.acting.evaluate_finally(self, record)
        self._keep(record)

    def model_after(self, number: int) -> Arrays:
        """Return the release of an earlier round, of the seeds that are still kept; for 0, the public start."""
        if number < 1:
            return self.start
        kept = self.history.updates(number)
        if not kept:
            raise NotPlayedError(f"no seed of round {number} is left: whoever sent one has had something forgotten since")
        if number not in self._past:
            seeds = [DenoiserUpdate.of_seed(peer, self._bytes_of(sha256)) for peer, sha256 in sorted(kept.items())]
            self._past[number] = self._folded(seeds, fills(self.setup.timeline, number)).weights
        return self._past[number]

    def attacked(self, act: Attack, updates: Sequence[DenoiserUpdate]) -> Sequence[Releasing]:
        """Return what an attack is directed at: the release, or each seed of which something was cut."""
        if act.target == "release":
            return [self]
        cut = [update for update in updates if any(bool(mask.any()) for mask in update.cut.values())]
        if not cut:
            raise NotPlayedError("nothing has been cut out of any seed yet")
        return [RelayedSeed(self, update, self._earlier(update.peer)) for update in cut]

    def _earlier(self, peer: int) -> dict[int, Arrays]:
        """Return the weights of a peer's kept seeds, by round."""
        kept = {number: self.history.updates(number).get(peer) for number in kept_rounds(self.setup.timeline)}
        blobs = {number: self._bytes_of(sha256) for number, sha256 in kept.items() if sha256 is not None}
        return {number: DenoiserUpdate.of_seed(peer, blob).weights for number, blob in blobs.items()}

    def _make(self, number: int, mailbox: MailboxState, record: RoundRecord) -> list[tuple[Parcel, DenoiserUpdate]]:
        """Make the release of a round of the seeds in circulation; return these."""
        self._fresh = record.artefacts
        found = ((parcel, DenoiserUpdate.of_seed(parcel.owner, self._bytes_of(parcel.sha256))) for parcel in sent(mailbox, number))
        seeds = [(parcel, update) for parcel, update in found if update.count and self._accepted(update, record)]
        made = self._folded([update for _, update in seeds], fills(self.setup.timeline, number - 1))
        record.metrics.append((FEDERATION, SCALE.name, made.scale))
        self._fill = None
        self._adopt(made)
        return seeds

    def _folded(self, seeds: Sequence[DenoiserUpdate], in_force: Sequence[FillSpec]) -> Folded:
        scale = self.own.scale
        if scale == "reference":
            config, backbone = self.setup.config, self.setup.backbone
            scale = self.folding.chosen(seeds, lambda weights: error_on_reference(config, backbone, weights))
        return self.folding.release(seeds, scale, in_force)

    def _adopt(self, made: Folded) -> None:
        self.weights, self.cut, self.frozen = made.weights, made.cut, made.frozen

    def _accepted(self, update: DenoiserUpdate, record: RoundRecord) -> bool:
        """Return whether a seed can be folded; write a refusal to the record."""
        reason = self.folding.refusal(update)
        if reason is not None:
            record.events.append(("refused", (update.peer,), reason))
        return reason is None

    def _bytes_of(self, sha256: str) -> bytes:
        """Return a seed of this round or an earlier one."""
        return self._fresh.get(sha256) or self.ledger.artefact(sha256)

    def _keep(self, record: RoundRecord) -> None:
        """Write the release, which replaces its predecessor, and the history to the record."""
        blobs = {RELEASE: wire.to_bytes(self.weights), START: wire.to_bytes(self.start)}
        hashes = {name: wire.sha256(blob) for name, blob in blobs.items()}
        record.artefacts.update({hashes[name]: blob for name, blob in blobs.items()})
        record.models.update(hashes)
        self.history.add_state(record.round, blobs, hashes)
        record.history = self.history.snapshot()


def sent(mailbox: MailboxState, number: int) -> list[Parcel]:
    """Return the newest seed of each owner that the server has at the end of a round, in peer order; late ones are not there yet."""
    newest = dict(mailbox.newest)
    for parcel in mailbox.coming:
        known = newest.get(parcel.owner)
        newer = known is None or (known.generation, known.version) < (parcel.generation, parcel.version)
        if newer and parcel.arrives <= number + Neighbourhood.delay:
            newest[parcel.owner] = parcel
    return [newest[owner] for owner in sorted(newest)]


def fills(timeline: ConceptTimeline, until: int) -> list[FillSpec]:
    """Return the defences of all rounds up to and including a round, in order."""
    return [act.fill for past in timeline.rounds[: max(0, until)] for act in past.acts if isinstance(act, Defence)]


def kept_rounds(timeline: ConceptTimeline) -> set[int]:
    """Return the rounds whose seeds are kept: the last two before each concept was first erased."""
    first: dict[int, int] = {}
    for one in timeline.concepts:
        first.setdefault(one.concept, one.round)
    return {number for round_ in first.values() for number in _before(round_)}


def _before(round_: int) -> Iterable[int]:
    return range(max(1, round_ - 2), round_)
