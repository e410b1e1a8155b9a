"""Training and sampling where the weights are not in main memory: on a stand-in device that computes shapes only and refuses mixtures.

``test_devices.py`` runs these in a process of their own: a device, once made known to torch, stays known, and lacks what others rely on.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils import backend_registration

from clients.compute import Compute
from clients.diffusion import sampling
from clients.diffusion.config import DenoisingConfig
from clients.diffusion.denoiser import Denoiser
from clients.diffusion.hdus import peer as hdus_peer
from clients.diffusion.hdus.distillation import distil
from clients.diffusion.hdus.ensemble import NoiseEnsemble, Voice
from clients.diffusion.hdus.spec import NoiseWeights, SeedDistillation
from clients.diffusion.images import Images
from clients.diffusion.local import where_computed
from clients.diffusion.spec import SMOKE, DenoiserTraining, NoiseSchedule, Sampling
from clients.diffusion.subject import DenoiserSubject
from clients.diffusion.training import train_phase
from clients.unlearning.pruning.layers import feed_forward_layers, feed_forward_weights
from clients.unlearning.pruning.salun import SalUn
from clients.unlearning.pruning.ssd import Ssd

SETTINGS = DenoiserTraining(batch_size=2, warmup=1, rank=2)


@pytest.fixture(scope="module", autouse=True)
def far() -> Iterator[FakeTensorMode]:
    """A device called ``far``, which is neither the CPU nor any that torch was built for."""
    backend_registration._setup_privateuseone_for_python_backend("far")
    with FakeTensorMode() as mode:
        yield mode


@pytest.fixture
def denoiser() -> Denoiser:
    with torch.device("far"):
        return Denoiser(SMOKE)


@pytest.fixture
def images() -> Images:
    return Images(torch.zeros(6, 1, 8, 8), torch.zeros(6, dtype=torch.int64))


@pytest.mark.parametrize("settings", [SETTINGS, SETTINGS.model_copy(update={"design": "low_rank"})], ids=lambda s: s.design)
def test_batches_go_to_the_weights(denoiser: Denoiser, images: Images, settings: DenoiserTraining) -> None:
    held = {name: torch.zeros(weight.shape, dtype=torch.bool) for name, weight in feed_forward_weights(denoiser.unet).items()}
    fixed = held if settings.design == "low_rank" else None
    train_phase(denoiser, images, settings, "concept", ("far",), total=1, fixed=fixed, proximal=0.1)
    assert {layer.weight.device.type for layer in feed_forward_layers(denoiser.unet).values()} == {"far"}
    assert {weight.device.type for weight in feed_forward_weights(denoiser.unet).values()} == {"cpu"}


def test_samples_come_back_to_the_cpu(denoiser: Denoiser, monkeypatch: pytest.MonkeyPatch) -> None:
    def once(model: Denoiser, x: torch.Tensor, classes: torch.Tensor, styles: None, settings: Sampling, noise: object) -> torch.Tensor:
        return sampling.guided_noise(model, x, torch.zeros((), dtype=torch.int64), classes, styles, settings.guidance)

    monkeypatch.setattr(sampling, "_sample_batch", once)
    assert sampling.sample(denoiser, torch.zeros(3, dtype=torch.int64), ("far",)).device.type == "cpu"


def test_erasers_get_their_losses(denoiser: Denoiser, images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = DenoiserSubject(denoiser, 0, ("far",), images=images)
    monkeypatch.setattr(subject, "_rows", lambda rows: images)  # which images show a concept depends on values, which there are none of
    assert (subject.redirection(0, 2) + subject.loss("all", 0, 2)).device.type == "far"
    for eraser in (SalUn(steps=1, batches=1, batch_size=2), Ssd(batches=1, batch_size=2)):
        cut = eraser.erase(subject, ("far",))
        assert {tensor.device.type for tensor in [*cut.weights.values(), *cut.statistics.values()]} == {"cpu"}


def test_seeds_are_distilled_and_heard(denoiser: Denoiser, images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    distil(denoiser, denoiser, images, ("far",), SeedDistillation(steps=1, batch_size=2), NoiseSchedule())
    monkeypatch.setattr(hdus_peer, "_architecture", lambda spec, device: denoiser)
    weights = {name: torch.empty(p.shape) for name, p in denoiser.named_parameters()}
    seed = hdus_peer.Lent(SMOKE, weights, torch.device("far"))
    counts = np.ones(10, dtype=np.int64)
    ensemble = NoiseEnsemble(NoiseWeights(), Voice(0, denoiser, counts), [Voice(1, seed, counts)])
    asked = torch.zeros(2, 1, 8, 8), torch.zeros(2, dtype=torch.int64), torch.zeros(2, dtype=torch.int64)
    assert ensemble(*(tensor.to(ensemble.device) for tensor in asked)).device.type == "far"
    with pytest.raises(RuntimeError, match="same device"):
        ensemble(*asked)  # the stand-in notices what is left behind


def test_only_what_is_made_elsewhere_says_where() -> None:
    config = DenoisingConfig.model_construct(compute=Compute())
    assert where_computed(config) == {}, "or else nothing in any cache would be found again"
    assert where_computed(DenoisingConfig.model_construct(compute=Compute(device="cuda", deterministic=True)))
