"""A process that plays runs of a sweep, one after another: it is handed run directories on standard input, a line each, as JSON.

On standard output it answers with a line of JSON for everything that it has to tell: ``now``, what a run is doing; ``status`` and ``why``
when it has ended, 0 and nothing where it is finished. When its standard input ends, because the sweep has ended or was killed, so does it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from simulator.stopping import terminable
from simulator.sweeps.relay import Relay


def main() -> None:
    """Play what is asked for until standard input ends."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print must not get among the answers
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches everybody in the terminal; the sweep says what to do

    def answer(told: dict[str, Any]) -> None:
        channel.write(json.dumps(told) + "\n")
        channel.flush()

    waiting: SimpleQueue[str | None] = SimpleQueue()
    threading.Thread(target=_listen, args=(waiting,), daemon=True).start()
    from simulator.sweeps.playing import play_here

    with terminable():
        while (line := waiting.get()) is not None:
            status, why = play_here(Path(json.loads(line)), Relay(lambda text: answer({"now": text})))
            answer({"status": status, "why": why})


def _listen(waiting: SimpleQueue[str | None]) -> None:
    """Hand on every line of standard input; at its end stop the process, whatever it is doing."""
    for line in sys.stdin:
        waiting.put(line)
    waiting.put(None)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        os._exit(128 + signal.SIGTERM)  # an ordinary exit would wait for the thread that reads standard input
