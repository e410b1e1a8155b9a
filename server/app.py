"""The Flower ServerApp: the round loop of a federation that must forget."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence

from flwr.app import ArrayRecord, ConfigRecord, Context, RecordDict
from flwr.serverapp import Grid, ServerApp

from clients import wire
from clients.config import PeerBrief
from server.coordinator import Coordinator
from server.ledger import FEDERATION as FEDERATION
from server.ledger import Ledger, Page, PeerState, ReceiptLine
from server.mailbox import Parcel, Post
from server.messages import ask, greet
from server.timeline import Round, Timeline

MARKS = ("accuracy.", "ndcg.")
"""How the names of metrics begin that an exam yields."""

MEANS = (*MARKS, "loss.", "cut.")
"""How the names of metrics begin of which the federation books the mean over peers; of all others it books the sum."""


def server_app(
    timeline: Timeline,
    briefs: Sequence[PeerBrief],
    returns: Sequence[PeerBrief],
    ledger: Ledger,
    on_round: Callable[[Round | None], None] = lambda _: None,
    middle: Coordinator | None = None,
) -> ServerApp:
    """Return the ServerApp that plays a timeline from the ledger's last committed round to the end.

    Parameters are those of ``Federation``; ``on_round`` is called after each commit with the round, and with None after the exam.
    """
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        Federation(timeline, briefs, returns, ledger, middle or Coordinator()).run(grid, on_round)

    return app


class Federation:
    """The coordinator at work: events, one message per present peer, replies folded in peer order, commit.

    Parameters
    ----------
    timeline : Timeline
    briefs : sequence of PeerBrief
        One a peer, in peer order.
    returns : sequence of PeerBrief
        For peers that come back after an erasure: their briefs of the later generations.
    ledger : Ledger
        Where pages go, and from where a run is taken up again.
    middle : Coordinator
        What the server does beyond relaying mail.
    """

    def __init__(
        self, timeline: Timeline, briefs: Sequence[PeerBrief], returns: Sequence[PeerBrief], ledger: Ledger, middle: Coordinator
    ) -> None:
        self.timeline = timeline
        self.returns = {(brief.peer, brief.generation): brief for brief in returns}
        self.ledger = ledger
        self.middle = middle
        self.post = Post(ledger.mailbox())
        self.states = dict(ledger.states())
        self.briefs = list(briefs)
        self.awake: set[int] = set()
        self.blobs: dict[str, ArrayRecord] = {}
        self.sent = 0

    def run(self, grid: Grid, on_round: Callable[[Round | None], None]) -> None:
        """Play every round that the ledger does not have yet, then the exam."""
        self.nodes = greet(grid, len(self.briefs))
        done = self.ledger.last_round()
        for past in self.timeline.rounds[:done]:
            self._renew(past)
            self.sent += len(past.present)
        for now in self.timeline.rounds[done:]:
            self._play(grid, now)
            on_round(now)
        if done <= len(self.timeline.rounds):
            self._exam(grid)
            on_round(None)

    def _renew(self, now: Round) -> None:
        """Give peers that come back after an erasure the brief of their new generation."""
        for peer, generation in now.generation.items():
            self.briefs[peer] = self.returns[peer, generation]
            self.awake.discard(peer)

    def _play(self, grid: Grid, now: Round) -> None:
        """Play one round and commit it."""
        clock, bytes_before = time.perf_counter(), getattr(grid, "bytes_physical", 0)
        self._renew(now)
        page = Page(now.round, events=[(one.do, one.peers, one.detail) for one in now.happenings])
        self._withdraw(now, page)
        self._exchange(grid, now, "train", page)
        self.middle.close(now, self.post, page)
        page.timings.append((FEDERATION, "round", time.perf_counter() - clock))
        page.timings.append((FEDERATION, "bytes_physical", float(getattr(grid, "bytes_physical", 0) - bytes_before)))
        self._commit(page)

    def _withdraw(self, now: Round, page: Page) -> None:
        """Take out of circulation what this round's requests name, and stop keeping book of who has gone."""
        for gone in sorted(set(self.post.held) - set(now.members)):
            self.post.forget_holder(gone)
            self.awake.discard(gone)
        for peer in now.erased:
            self.states.pop(peer, None)
            self.awake.discard(peer)
            self.post.forget_holder(peer)
        for peer, rows in now.forget.items():
            self.post.requests.setdefault(peer, set()).update(rows)
        for erasure in self.timeline.erasures:
            if erasure.round == now.round:
                page.owed += [(erasure.index, holder) for holder in self.post.withdraw(erasure.peer, erasure.index)]

    def _exam(self, grid: Grid) -> None:
        """Deliver the last seeds, let every peer that is still there predict the test rows, and commit.

        Who crashed over a request in the last round carries it out first, so that its neighbours get the clean seed; who is late is waited
        for, else one that told late of a deletion would be missing from ensembles in which it would be, had the rows never been there.
        """
        last = self.timeline.rounds[-1]
        now = Round(round=last.round + 1, present=last.present, members=last.members, refusing=last.refusing, edges=last.edges)
        page = Page(now.round)
        self.post.open(max((parcel.arrives for parcel in self.post.coming), default=now.round))
        if behind := tuple(peer for peer in now.present if self.post.requests.get(peer)):
            self._exchange(grid, now.model_copy(update={"present": behind}), "evaluate", page)
            page.metrics = [line for line in page.metrics if line[0] != FEDERATION and not line[1].startswith(MARKS)]
        self._exchange(grid, now, "evaluate", page)
        self.middle.examine(now, page)
        self._commit(page)

    def _commit(self, page: Page) -> None:
        page.states = dict(self.states)
        page.mailbox = self.post.snapshot()
        self.ledger.commit(page)
        alive = self.post.alive()
        self.blobs = {sha256: blob for sha256, blob in self.blobs.items() if sha256 in alive}

    def _exchange(self, grid: Grid, now: Round, kind: str, page: Page) -> None:
        """Send every present peer its message and write its reply on the page, both in peer order."""
        self.post.open(now.round)
        self.middle.open(now, self.post, page)
        near = _neighbours(now.edges)
        mail = {peer: self.post.deliveries(peer, near.get(peer, ())) for peer in now.present}
        orders = {peer: self._content(peer, now, self.post.drops(peer, near.get(peer, ())), mail[peer]) for peer in now.present}
        replies = ask(grid, kind, orders, self.nodes, self._add_state, page)
        overlay = 0
        for peer in now.present:
            reply = replies[peer]
            self._book(page, peer, reply)
            if reply.config_records["status"]["status"] != "ok":
                continue
            self.post.requests.pop(peer, None)
            self.post.confirm(peer, self._receipts(peer, reply, page), mail[peer])
            overlay += sum(parcel.size for parcel in mail[peer]) + self.middle.traffic(reply)
            if "main" in reply:
                late = self.middle.delay + now.late.get(peer, 0) if kind == "train" else 0
                self._keep(peer, now.round + late, reply, page)
            if "probabilities" in reply:
                blob = wire.unpack(reply.array_records["probabilities"])
                page.artefacts[wire.sha256(blob)] = blob
                page.probabilities[peer] = wire.sha256(blob)
        page.metrics.append((FEDERATION, "bytes_overlay", float(overlay)))
        _fold_metrics(page)

    def _content(self, peer: int, now: Round, drops: list[int], mail: list[Parcel]) -> RecordDict:
        brief = self.briefs[peer]
        self.sent += 1
        order = ConfigRecord(
            {
                "round": now.round,
                "forget": sorted(self.post.requests.get(peer, ())),
                "drop": drops,
                "refuse": int(peer in now.refusing),
                "crash": now.crash.get(peer, ""),
                "stream": self.sent if brief.sequential else -1,
            }
        )
        letters = ConfigRecord({"owners": [parcel.owner for parcel in mail], "versions": [parcel.version for parcel in mail]})
        content = RecordDict({"order": order, "mail": letters})
        for name, record in self.middle.letters(peer, now).items():
            content[f"letter.{name}"] = record
        for parcel in mail:
            content[f"mail.{parcel.owner}"] = self._blob(parcel.sha256)
        if peer not in self.awake:
            self._add_state(content, peer)
            self.awake.add(peer)
        return content

    def _add_state(self, content: RecordDict, peer: int) -> None:
        """Put a peer's brief and last committed state into a message, so that it can start from there."""
        state = self.states.get(peer)
        held = sorted(self.post.held.get(peer, {}).items())
        content["brief"] = ConfigRecord({"json": self.briefs[peer].model_dump_json(), "version": state.version if state else 0})
        content["held"] = ConfigRecord({"owners": [owner for owner, _ in held], "versions": [parcel.version for _, parcel in held]})
        for name, record in self.middle.public().items():
            content[f"public.{name}"] = record
        for owner, parcel in held:
            content[f"held.{owner}"] = self._blob(parcel.sha256)
        if state:
            content["main"] = wire.pack(self.ledger.artefact(state.main))
            content["seed"] = wire.pack(self.ledger.artefact(state.seed))

    def _blob(self, sha256: str) -> ArrayRecord:
        """Return a seed as a record; the same object every time, so that engines can tell that it is the same."""
        if sha256 not in self.blobs:
            self.blobs[sha256] = wire.pack(self.ledger.artefact(sha256))
        return self.blobs[sha256]

    def _book(self, page: Page, peer: int, reply: RecordDict) -> None:
        page.metrics += [(peer, name, float(value)) for name, value in sorted(reply.metric_records["metrics"].items())]  # type: ignore[arg-type]
        if "timings" in reply:
            page.timings += [(peer, name, float(value)) for name, value in sorted(reply.metric_records["timings"].items())]  # type: ignore[arg-type]

    def _receipts(self, holder: int, reply: RecordDict, page: Page) -> list[int]:
        """Write the receipts that erasures demanded on the page; return the owners of all seeds that the holder dropped."""
        lines = reply.config_records["receipts"]
        columns = wire.integers(lines, "owners"), wire.integers(lines, "versions"), wire.strings(lines, "sha256")
        owed = self.post.owed.get(holder, {})
        for owner, version, sha256 in zip(*columns, strict=True):
            page.receipts += [ReceiptLine(erasure, holder, owner, version, sha256) for erasure in owed.get(owner, ())]
        return columns[0]

    def _keep(self, peer: int, arrives: int, reply: RecordDict, page: Page) -> None:
        """Take over a peer's new state and post its new seed, which neighbours can have from round ``arrives`` on."""
        main, seed = wire.unpack(reply.array_records["main"]), wire.unpack(reply.array_records["seed"])
        hashes = wire.sha256(main), wire.sha256(seed)
        page.artefacts.update(zip(hashes, (main, seed), strict=True))
        version = wire.integer(reply.config_records["status"], "version")
        generation = self.briefs[peer].generation
        self.states[peer] = PeerState(generation, *hashes, version)
        self.blobs[hashes[1]] = reply.array_records["seed"]
        parcel = Parcel(owner=peer, generation=generation, version=version, sha256=hashes[1], size=len(seed), arrives=arrives)
        self.post.post(parcel)


def _neighbours(edges: Iterable[tuple[int, int]]) -> dict[int, list[int]]:
    """Return the neighbours of every peer that has any, ascending."""
    near: dict[int, list[int]] = {}
    for a, b in edges:
        near.setdefault(a, []).append(b)
        near.setdefault(b, []).append(a)
    return {peer: sorted(others) for peer, others in near.items()}


def _fold_metrics(page: Page) -> None:
    """Add the federation's means of accuracies and losses and sums of steps, folded in peer order."""
    values: dict[str, list[float]] = {}
    for peer, name, value in page.metrics:
        if peer != FEDERATION:
            values.setdefault(name, []).append(value)
    for name, column in sorted(values.items()):
        total = math.fsum(column)
        page.metrics.append((FEDERATION, name, total / len(column) if name.startswith(MEANS) else total))
