"""The fork server: a small process that has imported everything and forks a peer in milliseconds.

Forking the driver itself would copy the locks of its gRPC threads in an unknown state; starting a new Python takes seconds per peer. The
fork server has no gRPC channel, no thread, and no open file except the driver's socket.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import struct
import subprocess
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from simulator.errors import StoppedError

_PID = struct.Struct("!i")
_PR_SET_PDEATHSIG = 1


class ForkServer:
    """The driver's end, which requests new processes and ends them."""

    def __init__(self, preload: Sequence[str]) -> None:
        self._socket, theirs = socket.socketpair()
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "OMP_NUM_THREADS": "1",
            "GRPC_VERBOSITY": "NONE",
        }
        command = [sys.executable, "-m", "simulator.engines.grpc_fork_server", str(theirs.fileno()), str(os.getpid()), *preload]
        self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=environment, stdin=subprocess.DEVNULL)
        theirs.close()

    def fork(self) -> tuple[int, Connection]:
        """Return the process id of a new peer and the connection to it; the peer ends when the connection closes.

        ``StoppedError`` if the fork server has ended.
        """
        ours, theirs = Pipe()
        try:
            socket.send_fds(self._socket, [b"f"], [theirs.fileno()])
            answer = self._socket.recv(_PID.size)
        except OSError:  # the other end is closed
            answer = b""
        finally:
            theirs.close()
        if len(answer) < _PID.size:
            ours.close()
            raise StoppedError(f"engine grpc: the process that starts peers ended ({_ending(self._process.wait())}), and all peers with it")
        return _PID.unpack(answer)[0], ours

    def close(self) -> None:
        """Kill the fork server, and with it all remaining peers."""
        self._socket.close()
        self._process.kill()
        self._process.wait()


def _ending(status: int) -> str:
    """Describe how a process ended."""
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"status {status}"


def main(fd: int, parent: int, preload: Sequence[str]) -> None:
    """Fork peers on request until the driver closes the connection."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver handles Ctrl-C and then ends its peers
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # so that dead peers leave no zombies
    die_with_parent(parent)
    for module in preload:
        with suppress(ImportError):  # a peer that needs the module reports the error itself
            import_module(module)
    from simulator.engines import grpc_peer

    line = socket.socket(fileno=fd)
    here = os.getpid()
    while True:
        request, files, _, _ = socket.recv_fds(line, 1, 1)
        if not request:
            return
        pid = os.fork()
        if pid == 0:
            line.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            die_with_parent(here)
            try:
                grpc_peer.live(Connection(files[0]))
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(1)
        os.close(files[0])
        line.sendall(_PID.pack(pid))


def die_with_parent(parent: int) -> None:
    """Ask the kernel, on Linux, to kill this process when its parent dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before the request
            os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
