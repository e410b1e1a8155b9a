"""A program that asks for one thread has one, in libraries that were loaded before, and in the processes it starts."""

from __future__ import annotations

import os

import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from experiments.threads import one_thread


def test_libraries_that_are_loaded_have_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "2")
    with threadpool_limits(2):
        torch.set_num_threads(2)
        assert "blas" in {pool["user_api"] for pool in threadpool_info() if pool["num_threads"] == 2}, "else nothing is shown"
        one_thread()
        assert {pool["num_threads"] for pool in threadpool_info()} == {1}
        assert torch.get_num_threads() == 1
    assert os.environ["OMP_NUM_THREADS"] == os.environ["OPENBLAS_NUM_THREADS"] == "1"
    torch.set_num_threads(1)
