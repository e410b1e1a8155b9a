"""One thread for programs that import NumPy and torch before they can say so."""

from __future__ import annotations

import os


def one_thread() -> None:
    """Compute on one thread, here and in processes that are started from now on.

    The environment is read when a library is loaded, which is too late for those that are: they are told one by one.
    """
    import torch
    from threadpoolctl import threadpool_limits

    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    threadpool_limits(1)
    torch.set_num_threads(1)
