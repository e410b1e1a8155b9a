"""The Flower ServerApp and its round loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from flwr.app import ArrayRecord, ConfigRecord, Context, RecordDict
from flwr.serverapp import Grid, ServerApp

from clients import wire
from clients.config import PeerConfig
from clients.metrics import Metrics
from server.coordinator import Coordinator
from server.exchanges import Further
from server.ledger import FEDERATION as FEDERATION
from server.ledger import TRAFFIC, Ledger, PeerState, ReceiptLine, RoundRecord
from server.mailbox import MailboxState, Parcel
from server.messages import ask, greet
from server.outcomes import Outcomes
from server.timeline import Round, Timeline


def server_app(
    timeline: Timeline,
    configs: Sequence[PeerConfig],
    returns: Sequence[PeerConfig],
    ledger: Ledger,
    on_round: Callable[[Round | None], None] = lambda _: None,
    coordinator: Coordinator | None = None,
    on_greeting: Callable[[Mapping[int, str]], None] = lambda _: None,
) -> ServerApp:
    """Return the ServerApp that runs a timeline from the ledger's last committed round to the end.

    The parameters are those of ``Federation``. ``on_round`` is called after each commit with the round, and with None after the final
    evaluation; ``on_greeting`` before the first round with what each peer's process computes with (see `clients.machine.told`).
    """
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        Federation(timeline, configs, returns, ledger, coordinator or Coordinator()).run(grid, on_round, on_greeting)

    return app


class Federation:
    """The round loop: apply the round's events, send one message per present peer, process the replies in peer order, commit.

    Parameters
    ----------
    timeline : Timeline
    configs : sequence of PeerConfig
        One per peer, in peer order.
    returns : sequence of PeerConfig
        Configs of the later generations, for peers that rejoin after an erasure.
    ledger : Ledger
        Receives the round records; a run resumes from its last committed round.
    coordinator : Coordinator
        What the server does beyond relaying messages.
    """

    def __init__(
        self, timeline: Timeline, configs: Sequence[PeerConfig], returns: Sequence[PeerConfig], ledger: Ledger, coordinator: Coordinator
    ) -> None:
        self.timeline = timeline
        self.returns = {(config.peer, config.generation): config for config in returns}
        self.ledger = ledger
        self.coordinator = coordinator
        self.metrics = Metrics([TRAFFIC, *configs[0].metrics, *coordinator.metrics])
        self.mailbox = MailboxState(ledger.mailbox())
        self.states = dict(ledger.states())
        self.configs = list(configs)
        self.initialised: set[int] = set()
        self.blobs: dict[str, ArrayRecord] = {}
        self.sent = 0
        self.outcomes = Outcomes(timeline, ledger, coordinator)

    def run(self, grid: Grid, on_round: Callable[[Round | None], None], on_greeting: Callable[[Mapping[int, str]], None]) -> None:
        """Run every round that the ledger does not have yet, then the final evaluation."""
        self.nodes, machines = greet(grid, len(self.configs))
        on_greeting(machines)
        done = self.ledger.last_round()
        for past in self.timeline.rounds[:done]:
            self._renew(past)
            self.sent += len(past.present)
        for now in self.timeline.rounds[done:]:
            self._play(grid, now)
            on_round(now)
        if done <= len(self.timeline.rounds):
            self._final_evaluation(grid)
            on_round(None)

    def _renew(self, now: Round) -> None:
        """Give peers that rejoin after an erasure the config of their new generation."""
        for peer, generation in now.generation.items():
            self.configs[peer] = self.returns[peer, generation]
            self.initialised.discard(peer)

    def _play(self, grid: Grid, now: Round) -> None:
        """Run one round and commit it."""
        clock, bytes_before = time.perf_counter(), getattr(grid, "bytes_physical", 0)
        self._renew(now)
        record = RoundRecord(now.round, events=[(one.do, one.peers, one.detail) for one in now.happenings])
        self._withdraw(now, record)
        further = Further(self, grid, now, record)
        self.coordinator.prepare(now, self.mailbox, record, further)
        further.book()
        asked = now.model_copy(update={"present": tuple(self.coordinator.addressed(now, self.mailbox))})
        self.exchange(grid, asked, "train", record)
        self.coordinator.close(now, self.mailbox, record)
        record.timings.append((FEDERATION, "round", time.perf_counter() - clock))
        record.timings.append((FEDERATION, "bytes_physical", float(getattr(grid, "bytes_physical", 0) - bytes_before)))
        self._commit(record)

    def _withdraw(self, now: Round, record: RoundRecord) -> None:
        """Withdraw the seeds that this round's requests name, and drop the mailbox entries of peers that have left."""
        for gone in sorted(set(self.mailbox.held) - set(now.members)):
            self.mailbox.forget_holder(gone)
            self.initialised.discard(gone)
        for peer in now.erased:
            self.states.pop(peer, None)
            self.initialised.discard(peer)
            self.mailbox.forget_holder(peer)
            self.mailbox.carried_out(peer)
        for peer, rows in now.forget.items():
            self.mailbox.requests.setdefault(peer, set()).update(rows)
        for peer, rows in now.arrive.items():
            self.mailbox.arrivals.setdefault(peer, set()).update(rows)
        for peer, told in now.correct.items():
            self.mailbox.corrections.setdefault(peer, []).extend(told)
        for erasure in self.timeline.erasures:
            if erasure.round == now.round:
                record.owed += [(erasure.index, holder) for holder in self.mailbox.withdraw(erasure.peer, erasure.index)]

    def _final_evaluation(self, grid: Grid) -> None:
        """Deliver the last seeds, let every present peer predict the test rows, and commit.

        A peer that crashed in the last round before it forgot, corrected rows or took them in, does so first, so that its neighbours get
        the right seed.
        Late seeds are waited for: otherwise a peer delayed by a deletion would be missing from ensembles that contain it in the
        counterfactual.
        """
        last = self.timeline.rounds[-1]
        now = Round(round=last.round + 1, present=last.present, members=last.members, refusing=last.refusing, edges=last.edges)
        record = RoundRecord(now.round)
        self.mailbox.open(max((parcel.arrives for parcel in self.mailbox.coming), default=now.round))
        if behind := tuple(peer for peer in now.present if self.mailbox.owes(peer)):
            self.exchange(grid, now.model_copy(update={"present": behind}), "evaluate", record)
            costs = [line for line in record.metrics if line[0] != FEDERATION and self.metrics.of(line[1]).fold == "sum"]
            record.metrics = costs  # the exchange below measures everything again
        self.exchange(grid, now, "evaluate", record)
        self.coordinator.evaluate_finally(now, record)
        self._commit(record)

    def _commit(self, record: RoundRecord) -> None:
        self.outcomes.close(self.mailbox.owed, record)
        for _, name, _ in record.metrics:
            self.metrics.of(name, f"round {record.round}: ")
        record.states = dict(self.states)
        record.mailbox = self.mailbox.snapshot()
        self.ledger.commit(record)
        alive = self.mailbox.alive()
        self.blobs = {sha256: blob for sha256, blob in self.blobs.items() if sha256 in alive}

    def exchange(self, grid: Grid, now: Round, kind: str, record: RoundRecord) -> None:
        """Send every present peer its message and write the replies to the record, both in peer order."""
        self.mailbox.open(now.round)
        self.coordinator.open(now, self.mailbox, record)
        near = _neighbours(now.edges)
        mail = {peer: self.mailbox.deliveries(peer, near.get(peer, ())) for peer in now.present}
        add = partial(self._add_state, artefacts=record.artefacts)
        orders = {peer: self._content(peer, now, self.mailbox.drops(peer, near.get(peer, ())), mail[peer], add) for peer in now.present}
        replies = ask(grid, kind, orders, self.nodes, add, record)
        overlay = 0
        for peer in now.present:
            reply = replies[peer]
            self._book(record, peer, reply)
            if reply.config_records["status"]["status"] != "ok":
                continue
            self.mailbox.carried_out(peer)
            self.outcomes.tell(self.configs[peer], reply, record)
            self.mailbox.confirm(peer, self._receipts(peer, reply, record), mail[peer])
            overlay += sum(parcel.size for parcel in mail[peer]) + self.coordinator.traffic(reply)
            if "main" in reply:
                late = self.coordinator.delay + now.late.get(peer, 0) if kind == "train" else 0
                self._keep(peer, now.round + late, reply, record)
            if "probabilities" in reply:
                blob = wire.unpack(reply.array_records["probabilities"])
                record.artefacts[wire.sha256(blob)] = blob
                record.probabilities[peer] = wire.sha256(blob)
        record.metrics.append((FEDERATION, TRAFFIC.name, float(overlay)))
        folded = self.metrics.folded(line for line in record.metrics if line[0] != FEDERATION)
        record.metrics += [(FEDERATION, name, value) for name, value in folded]

    def _content(
        self, peer: int, now: Round, drops: list[int], mail: list[Parcel], add_state: Callable[[RecordDict, int], None]
    ) -> RecordDict:
        config = self.configs[peer]
        self.sent += 1
        order = ConfigRecord(
            {
                "round": now.round,
                "arrive": sorted(self.mailbox.arrivals.get(peer, ())),
                "forget": sorted(self.mailbox.requests.get(peer, ())),
                "correct": [one.model_dump_json() for one in self.mailbox.corrections.get(peer, ())],
                "drop": drops,
                "refuse": int(peer in now.refusing),
                "crash": now.crash.get(peer, ""),
                "stream": self.sent if config.sequential else -1,
            }
        )
        payload = ConfigRecord({"owners": [parcel.owner for parcel in mail], "versions": [parcel.version for parcel in mail]})
        content = RecordDict({"order": order, "mail": payload})
        for name, record in self.coordinator.payload(peer, now).items():
            content[f"payload.{name}"] = record
        for parcel in mail:
            content[f"mail.{parcel.owner}"] = self._blob(parcel.sha256)
        if peer not in self.initialised:
            add_state(content, peer)
            self.initialised.add(peer)
        return content

    def _add_state(self, content: RecordDict, peer: int, artefacts: Mapping[str, bytes]) -> None:
        """Add a peer's config and last state to a message, so that the peer can start from them.

        After an earlier exchange of the same round the state is not committed yet: it is among the artefacts of the round's record.
        """
        state = self.states.get(peer)
        held = sorted(self.mailbox.held.get(peer, {}).items())
        content["config"] = ConfigRecord({"json": self.configs[peer].model_dump_json(), "version": state.version if state else 0})
        content["held"] = ConfigRecord({"owners": [owner for owner, _ in held], "versions": [parcel.version for _, parcel in held]})
        for name, record in self.coordinator.public().items():
            content[f"public.{name}"] = record
        for owner, parcel in held:
            content[f"held.{owner}"] = self._blob(parcel.sha256)
        if state:
            content["main"] = wire.pack(artefacts.get(state.main) or self.ledger.artefact(state.main))
            content["seed"] = wire.pack(artefacts.get(state.seed) or self.ledger.artefact(state.seed))

    def _blob(self, sha256: str) -> ArrayRecord:
        """Return a seed as a record; always the same object, so that engines recognise it by identity."""
        if sha256 not in self.blobs:
            self.blobs[sha256] = wire.pack(self.ledger.artefact(sha256))
        return self.blobs[sha256]

    def _book(self, record: RoundRecord, peer: int, reply: RecordDict) -> None:
        for name, value in sorted(reply.metric_records["metrics"].items()):
            self.metrics.of(name, f"round {record.round}: the reply of peer {peer}: ")
            record.metrics.append((peer, name, float(value)))  # type: ignore[arg-type]
        if "timings" in reply:
            record.timings += [(peer, name, float(value)) for name, value in sorted(reply.metric_records["timings"].items())]  # type: ignore[arg-type]

    def _receipts(self, holder: int, reply: RecordDict, record: RoundRecord) -> list[int]:
        """Write the receipts that erasures require to the record; return the owners of all seeds that the holder dropped."""
        lines = reply.config_records["receipts"]
        columns = wire.integers(lines, "owners"), wire.integers(lines, "versions"), wire.strings(lines, "sha256")
        owed = self.mailbox.owed.get(holder, {})
        for owner, version, sha256 in zip(*columns, strict=True):
            record.receipts += [ReceiptLine(erasure, holder, owner, version, sha256) for erasure in owed.get(owner, ())]
        return columns[0]

    def _keep(self, peer: int, arrives: int, reply: RecordDict, record: RoundRecord) -> None:
        """Store a peer's new state and post its update, which neighbours can receive from round ``arrives`` on."""
        main, seed = wire.unpack(reply.array_records["main"]), wire.unpack(reply.array_records["seed"])
        hashes = wire.sha256(main), wire.sha256(seed)
        record.artefacts.update(zip(hashes, (main, seed), strict=True))
        version = wire.integer(reply.config_records["status"], "version")
        generation = self.configs[peer].generation
        self.states[peer] = PeerState(generation, *hashes, version)
        self.blobs[hashes[1]] = reply.array_records["seed"]
        parcel = Parcel(owner=peer, generation=generation, version=version, sha256=hashes[1], size=len(seed), arrives=arrives)
        self.mailbox.post(parcel)


def _neighbours(edges: Iterable[tuple[int, int]]) -> dict[int, list[int]]:
    """Return the neighbours, ascending, of every peer that has any."""
    near: dict[int, list[int]] = {}
    for a, b in edges:
        near.setdefault(a, []).append(b)
        near.setdefault(b, []).append(a)
    return {peer: sorted(others) for peer, others in near.items()}
