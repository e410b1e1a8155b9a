"""The Flower ClientApp of a peer: one handler per message type.

Between messages, the state of a peer exists only in its Flower ``Context.state``: its config, its last main artefact, its seed, and the
seeds it holds, as bytes. A handler loads the peer, lets it work, and saves it only if everything has succeeded, so a message that fails
or crashes changes nothing. A peer without state answers ``blank`` and is then sent its config and last committed state.

Messages
--------
query.hello
    Reply ``who``: ``peer``, the peer's number, and ``machine``, what its process computes with (see `clients.machine`).
train
    ``order``: ``round``, ``arrive`` (ids of rows), ``forget`` (ids of rows and edges), ``correct`` (corrections as JSON), ``drop``
    (owners), ``refuse`` (0/1), ``crash`` (phase or ""), ``stream`` (number or -1);
    ``mail``: ``owners``, ``versions``; ``mail.<owner>``: a seed. Optionally ``config``, ``main``, ``seed``, ``held``, ``held.<owner>``: the
    state to start from. ``public.<name>`` (with the config) and ``payload.<name>``: records from the server for the role of the peer.
    Reply ``status``, ``metrics``, ``timings``, ``main``, ``seed``, ``receipts``; ``outcome`` of the requests: ``guarantee``,
    ``gradient_steps``, ``parts``, ``certificate`` (JSON or ""), ``notes``, and hashes of the weights ``before`` and ``after`` (or "");
    ``corrected`` likewise of the corrections.
evaluate
    The same without training; the reply's ``probabilities`` are those of the ensemble on the test rows.

Where a request cannot be carried out, or training diverges, ``status`` is ``refused`` with the ``reason``: the same message would end
likewise again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping

from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from clients import config as peer_configs
from clients import machine, wire
from clients.corrections import Correction
from clients.divergence import DivergedError, check_finite, overflow_told
from clients.participant import BOOKKEEPING, Participant, Receipt, Record, Update, role
from clients.passes import Meter
from clients.unlearning.contract import Outcome, UnlearningError

app = ClientApp()

PUBLIC, PAYLOAD = "public.", "payload."
"""Name prefixes of records from the server itself: those sent with the config, and those sent with any message."""

CRASHES_WITHOUT_REPLY = ("before_training", "during_training", "after_training", "before_sending")


@app.query("hello")
def hello(message: Message, context: Context) -> Message:
    """Reply with the number of the peer on this node, and what its process computes with."""
    who = ConfigRecord({"peer": int(context.node_config["partition-id"]), "machine": machine.told()})
    return Message(RecordDict({"who": who}), reply_to=message)


@app.train()
def train(message: Message, context: Context) -> Message:
    """Run one round: drop, receive, take rows in, forget, correct, train, distil, evaluate."""
    return _answer(message, context, final=False)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Run the final evaluation after the last round: drop, receive, predict."""
    return _answer(message, context, final=True)


def _answer(message: Message, context: Context, final: bool) -> Message:
    content = message.content
    state = context.state
    if "config" in content:
        state = _given_state(content)
    if "config" not in state:
        return Message(RecordDict({"status": ConfigRecord({"status": "blank"})}), reply_to=message)
    order = content.config_records["order"]
    try:
        peer = _load(state, wire.integer(order, "stream"))
        peer.receive(_payload(state, content), wire.integer(order, "round"))
        with peer.config.computing():
            reply = _work(peer, content, final)
    except (UnlearningError, DivergedError) as error:
        refused = ConfigRecord({"status": "refused", "reason": str(error)})
        return Message(RecordDict({"status": refused}), reply_to=message)
    context.state = RecordDict() if order["crash"] else _save(peer, state)
    return Message(reply, reply_to=message)


def _work(peer: Participant, content: RecordDict, final: bool) -> RecordDict:
    """Carry out the message's orders; return the reply's content."""
    order = content.config_records["order"]
    crash = str(order["crash"])
    wasted = _work_until(crash, peer) if crash in CRASHES_WITHOUT_REPLY else None
    if wasted is not None:
        status = ConfigRecord({"status": "crashed", "phase": crash})
        return RecordDict({"status": status, "metrics": MetricRecord({"gradient_steps": wasted})})
    clock = time.perf_counter()
    receipts = [] if order["refuse"] else peer.drop(wire.integers(order, "drop"))
    timings = {"drop": time.perf_counter() - clock}
    _receive(peer, content)
    metrics: dict[str, int | float] = {}
    outcomes: dict[str, ConfigRecord] = {}
    if order["arrive"]:
        clock = time.perf_counter()
        cost = peer.arrive(wire.integers(order, "arrive")).cost
        metrics |= {"arrival_steps": cost.gradient_steps, "arrival_parts": cost.parts}
        timings["arrive"] = time.perf_counter() - clock
    with Meter() as meter:
        if gone := wire.integers(order, "forget"):
            outcomes["outcome"], timings["forget"] = _carry_out(peer, lambda: peer.forget(gone))
        if told := wire.strings(order, "correct"):
            right = [Correction.model_validate_json(one) for one in told]
            outcomes["corrected"], timings["correct"] = _carry_out(peer, lambda: peer.correct(right))
    if outcomes:
        metrics["unlearning_steps"] = sum(wire.integer(one, "gradient_steps") for one in outcomes.values())
        metrics["unlearning_rows"] = meter.rows
    changed = bool(order["arrive"] or outcomes)
    if not final:
        clock = time.perf_counter()
        with Meter() as meter, overflow_told("training"):
            metrics["gradient_steps"] = peer.train()
        if meter.rows and not metrics["gradient_steps"]:  # instead of training it measured its rows, for a method
            metrics["unlearning_rows"] = metrics.get("unlearning_rows", 0) + meter.rows
        metrics["distillation_steps"] = _distil(peer, metrics)
        timings["train"] = time.perf_counter() - clock
    elif changed:
        metrics["distillation_steps"] = _distil(peer, metrics)
    scores, probabilities = peer.evaluate()
    reply = _reply(peer, {**metrics, **scores}, timings, receipts)
    for name, outcome in outcomes.items():
        reply[name] = outcome
    if final:
        reply["probabilities"] = wire.pack(wire.to_bytes({"probabilities": probabilities}))
    if not final or changed:
        reply["main"] = wire.pack(peer.main_blob)
        reply["seed"] = wire.pack(peer.update.blob)  # type: ignore[union-attr]
    return reply


def _distil(peer: Participant, metrics: Mapping[str, int | float]) -> int:
    """Make the peer's update from weights that are finite, as the update then is; return the gradient steps of distillation.

    A model that has taken no gradient step cannot diverge.
    """
    trained = any(metrics.get(name) for name in ("arrival_steps", "unlearning_steps", "gradient_steps"))
    if trained:
        check_finite("training", peer.main_blob)
    with overflow_told("distillation"):
        steps = peer.distil()
    if trained or steps:
        check_finite("distillation" if steps else "training", peer.update.blob)  # type: ignore[union-attr]
    return steps


def _carry_out(peer: Participant, work: Callable[[], Outcome]) -> tuple[ConfigRecord, float]:
    """Let the peer forget, or correct rows; return the outcome as a record, and the seconds it took.

    If the outcome claims that no weight has changed, it includes hashes of the weights before and after as evidence.
    """
    before = _weights(peer)
    clock = time.perf_counter()
    outcome = work()
    seconds = time.perf_counter() - clock
    hashes = (before, _weights(peer)) if outcome.guarantee == "behavioural" else ("", "")
    told = {
        "guarantee": outcome.guarantee,
        "gradient_steps": outcome.cost.gradient_steps,
        "parts": outcome.cost.parts,
        "certificate": "" if outcome.certificate is None else json.dumps(dict(outcome.certificate), sort_keys=True),
        "notes": list(outcome.notes),
        **dict(zip(("before", "after"), hashes, strict=True)),
    }
    return ConfigRecord(told), seconds  # type: ignore[arg-type]


def _weights(peer: Participant) -> str:
    """Return the hash of the peer's main artefact without its bookkeeping."""
    arrays = wire.from_bytes(peer.main_blob)
    return wire.sha256(wire.to_bytes({name: array for name, array in arrays.items() if not name.startswith(BOOKKEEPING)}))


def _work_until(crash: str, peer: Participant) -> int:
    """Do the work that a crash in this phase wastes; return its gradient steps."""
    if crash == "before_training":
        return 0
    steps = peer.train()
    if crash == "during_training":
        return steps // 2
    return steps + (peer.distil() if crash == "before_sending" else 0)


def _payload(state: RecordDict, content: RecordDict) -> dict[str, Record]:
    """Return the server's records: those kept from the config's message, and those of this message."""
    kept = {name: state[name] for name in state if name.startswith(PUBLIC)}
    new = {name: content[name] for name in content if name.startswith(PAYLOAD)}
    return {name.partition(".")[2]: record for name, record in {**kept, **new}.items()}  # type: ignore[misc]


def _receive(peer: Participant, content: RecordDict) -> None:
    mail = content.config_records["mail"]
    for owner, version in zip(wire.integers(mail, "owners"), wire.integers(mail, "versions"), strict=True):
        peer.held[owner] = Update(version, wire.unpack(content.array_records[f"mail.{owner}"]))


def _reply(peer: Participant, metrics: dict[str, int | float], timings: dict[str, float], receipts: list[Receipt]) -> RecordDict:
    lines = {
        "owners": [receipt.owner for receipt in receipts],
        "versions": [receipt.version for receipt in receipts],
        "sha256": [receipt.sha256 for receipt in receipts],
    }
    return RecordDict(
        {
            "status": ConfigRecord({"status": "ok", "version": peer.update.version if peer.update else 0}),
            "metrics": MetricRecord(metrics),  # type: ignore[arg-type]
            "timings": MetricRecord(timings),  # type: ignore[arg-type]
            "receipts": ConfigRecord(lines),  # type: ignore[arg-type]
        }
    )


def _given_state(content: RecordDict) -> RecordDict:
    """Return the peer's state contained in a message."""
    names = [name for name in content if name in ("config", "main", "seed", "held") or name.startswith(("held.", PUBLIC))]
    return RecordDict({name: content[name] for name in names})


def _load(state: RecordDict, stream: int) -> Participant:
    """Return the peer with this state."""
    config = peer_configs.read(str(state.config_records["config"]["json"]))
    key = ("sequential", config.run_seed, stream) if stream >= 0 else None
    main = state.array_records.get("main")
    who = role(config)
    peer = who.restored(config, wire.unpack(main), key) if main is not None else who.new(config, key)
    if "seed" in state:
        peer.update = Update(wire.integer(state.config_records["config"], "version"), wire.unpack(state.array_records["seed"]))
    held = state.config_records["held"]
    for owner, version in zip(wire.integers(held, "owners"), wire.integers(held, "versions"), strict=True):
        peer.held[owner] = Update(version, wire.unpack(state.array_records[f"held.{owner}"]))
    return peer


def _save(peer: Participant, before: RecordDict) -> RecordDict:
    """Return the peer's state as records."""
    owners = sorted(peer.held)
    version = peer.update.version if peer.update else 0
    records: dict[str, ArrayRecord | ConfigRecord] = {
        "config": ConfigRecord({"json": before.config_records["config"]["json"], "version": version}),
        "main": wire.pack(peer.main_blob),
        "held": ConfigRecord({"owners": owners, "versions": [peer.held[owner].version for owner in owners]}),
    }
    if peer.update:
        records["seed"] = wire.pack(peer.update.blob)
    records.update({name: before[name] for name in before if name.startswith(PUBLIC)})  # type: ignore[misc]
    records.update({f"held.{owner}": wire.pack(peer.held[owner].blob) for owner in owners})
    return RecordDict(records)  # type: ignore[arg-type]
