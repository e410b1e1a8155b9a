"""A watch that interrupts a run."""

from __future__ import annotations

from typing import Any

from simulator.progress import Watch


class Impatient(Watch):
    """Interrupts a run once a round is committed."""

    def __init__(self, last: int) -> None:
        super().__init__()
        self.last = last

    def stage(self, name: str, rounds: int, done: int) -> Any:
        def on_round(now: Any) -> None:
            if now is not None and now.round == self.last:
                raise KeyboardInterrupt

        return on_round
