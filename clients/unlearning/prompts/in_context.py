"""Unlearning in context: a prompt that shows the record to forget with a wrong label before every question about it.

Pawelczyk, Neel and Lakkaraju, "In-Context Unlearning", ICML 2024, arXiv 2310.07579.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field as Setting

from clients.data.rows import Rows
from clients.streams import Field
from clients.training import Arrays
from clients.unlearning.contract import Cost, Guarantee, Outcome
from clients.unlearning.general.contract import Learning, MethodSpec


class InContext(MethodSpec):
    """Shows a language model each record to forget with a wrong answer, then other records with right ones, then the question.

    No weight changes: without the prompt, the old answer is back. The peer keeps the record, which the prompt contains, and no other peer
    can write the prompt.

    Parameters
    ----------
    context : int
        Other records in the prompt, with right answers.
    """

    guarantee: ClassVar[Guarantee] = "behavioural"
    summary: ClassVar[str] = "language models: a prompt shows the record with a wrong answer; no weight changes, the peer keeps the record"
    source: ClassVar[str] = "Pawelczyk, Neel and Lakkaraju, ICML 2024"
    by_peers: ClassVar[bool] = True

    kind: Literal["in_context"] = "in_context"
    context: Annotated[int, Setting(ge=0)] = 4

    @classmethod
    def unsuited(cls) -> str:
        """Return that it works on language models alone."""
        return "works on language models alone, for which it writes prompts"

    @property
    def longest(self) -> int:
        """Records of its longest prompt: the record twice, those of the context, and the question."""
        return self.context + 3

    def carry_out(
        self, weights: Arrays, learning: Learning, forget: Rows, retain: Rows, key: tuple[Field, ...], totals: Arrays
    ) -> tuple[Arrays, Outcome]:
        """Return the weights as they are; from now on the peer writes the prompt."""
        note = f"the peer keeps {len(forget)} records, to write its prompts with; without the prompt their answers are back"
        return weights, Outcome(Cost(), self.guarantee, notes=(note,))
