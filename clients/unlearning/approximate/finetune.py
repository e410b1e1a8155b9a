"""Further training without the rows, as a negative control."""

from __future__ import annotations

from typing import ClassVar, Literal

from clients.unlearning.contract import Guarantee
from clients.unlearning.one_network import TracedNetwork


class Finetune(TracedNetwork):
    """One network; asked to forget, it trains one more round without the rows. A negative control, as the influence of the rows remains."""

    implementation: ClassVar[str] = "clients.unlearning.approximate.finetuning:Finetuned"
    guarantee: ClassVar[Guarantee] = "approximate"
    summary: ClassVar[str] = "negative control: one more round on what is kept; the weights keep the trace"
    source: ClassVar[str] = "common baseline; no paper"

    kind: Literal["finetune"] = "finetune"
