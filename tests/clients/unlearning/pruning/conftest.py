from __future__ import annotations

import pytest

from clients.diffusion.denoiser import Denoiser, build
from clients.diffusion.images import Images, digits
from clients.diffusion.spec import SMOKE


@pytest.fixture
def denoiser() -> Denoiser:
    return build(SMOKE.model_copy(update={"feed_forward_std": None}), ("pruning tests",))


@pytest.fixture(scope="session")
def images() -> Images:
    return digits()
