"""A pair of toy apps that every engine must carry alike; workers import the client app from here."""

from __future__ import annotations

import os
import signal
import time

import numpy as np
import torch
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from clients import wire
from clients.side_by_side import each

client = ClientApp()


@client.query("hello")
def hello(message: Message, context: Context) -> Message:
    config = {"peer": int(context.node_config["partition-id"]), "of": int(context.node_config["num-partitions"]), "pid": os.getpid()}
    return Message(RecordDict({"who": ConfigRecord(config), "torch": MetricRecord({"threads": torch.get_num_threads()})}), reply_to=message)


@client.query("pieces")
def pieces(message: Message, context: Context) -> Message:
    """Tell how many processes carry out pieces of a peer's work."""
    return Message(RecordDict({"found": MetricRecord({"processes": len(set(each(_process, [()] * 6)))})}), reply_to=message)


def _process() -> int:
    return os.getpid()


@client.train()
def train(message: Message, context: Context) -> Message:
    """Fold what came in into what is remembered: order, isolation between peers and lost state all show in the numbers."""
    peer = int(context.node_config["partition-id"])
    weights = message.content["arrays"].to_numpy_ndarrays()[0]
    before = context.state["sum"].to_numpy_ndarrays()[0] if "sum" in context.state else np.zeros_like(weights)
    after = before * np.float32(0.9) + weights + np.float32(peer) / 7
    context.state["sum"] = ArrayRecord([after])
    mail = [wire.from_bytes(wire.unpack(message.content[name])) for name in sorted(message.content) if name.startswith("mail.")]
    after = after + sum(float(letter["w"].sum()) for letter in mail)
    seed = wire.pack(wire.to_bytes({"w": after.astype(np.float32)}))
    metrics = MetricRecord({"peer": peer, "mail": len(mail)})
    return Message(RecordDict({"arrays": ArrayRecord([after]), "seed": seed, "metrics": metrics}), reply_to=message)


@client.train("fail")
def fail(message: Message, context: Context) -> Message:
    context.state["half"] = MetricRecord({"done": 1})
    if int(context.node_config["partition-id"]) == 1:
        raise RuntimeError("the dog ate it")
    return Message(RecordDict(), reply_to=message)


@client.train("die")
def die(message: Message, context: Context) -> Message:
    if int(context.node_config["partition-id"]) == message.content["order"]["peer"]:
        os.kill(os.getpid(), signal.SIGKILL)
    return Message(RecordDict(), reply_to=message)


@client.train("nap")
def nap(message: Message, context: Context) -> Message:
    if int(context.node_config["partition-id"]) == message.content["order"]["peer"]:
        time.sleep(float(message.content["order"]["seconds"]))
    return Message(RecordDict(), reply_to=message)


@client.train("first")
def remember(message: Message, context: Context) -> Message:
    """Keep the very records that came in, and send them back."""
    context.state["first"] = message.content["arrays"]
    return Message(RecordDict({"arrays": message.content["arrays"]}), reply_to=message)


@client.query("first")
def recall(message: Message, context: Context) -> Message:
    return Message(RecordDict({"arrays": context.state["first"]}), reply_to=message)


@client.query("state")
def state(message: Message, context: Context) -> Message:
    return Message(RecordDict({"state": ConfigRecord({"names": sorted(context.state)})}), reply_to=message)


@client.train("scribble")
def scribble(message: Message, context: Context) -> Message:
    """Change the message's own content, which must never reach the sender's copy or another peer."""
    content = message.content
    seen = sorted(content)
    content["arrays"].clear()
    content["more"] = MetricRecord({"x": 1})
    context.state["kept"] = content["more"]
    return Message(RecordDict({"seen": ConfigRecord({"names": seen})}), reply_to=message)
