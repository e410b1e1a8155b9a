from __future__ import annotations

import pytest
import torch

from clients.diffusion.denoiser import Denoiser, build
from clients.diffusion.images import Images, digits
from clients.diffusion.spec import SMOKE, NoiseSchedule
from clients.diffusion.training import denoising_loss, scheduler
from clients.streams import torch_generator
from clients.unlearning.pruning.layers import feed_forward_weights
from server.revival.tuning import Tuner

CONCEPT = 3


@pytest.fixture(scope="module")
def images() -> Images:
    every = digits()
    return every.select(every.classes == CONCEPT)


@pytest.fixture(scope="module")
def denoiser() -> Denoiser:
    return build(SMOKE.model_copy(update={"feed_forward_std": None}), ("tuning",))


def loss_on(denoiser: Denoiser, images: Images) -> float:
    with torch.no_grad():
        return float(denoising_loss(denoiser, images, scheduler(NoiseSchedule()), torch_generator("held out"), 64))


def test_tuning_learns_the_images_and_leaves_the_model_as_it_was(denoiser: Denoiser, images: Images) -> None:
    tuner = Tuner(denoiser, images.select(torch.arange(8)), NoiseSchedule(), ("key",))
    before, others = feed_forward_weights(denoiser.unet), {n: p.detach().clone() for n, p in denoiser.named_parameters()}
    cut = {name: weight.masked_fill(torch.arange(weight.shape[1]) % 4 == 0, 0.0) for name, weight in before.items()}
    tuned = tuner(cut, 20, 3e-3)
    assert all(torch.equal(p, others[n]) for n, p in denoiser.named_parameters())
    assert all(p.requires_grad and p.grad is None for p in denoiser.parameters())
    assert all(torch.equal(weight, tuner(cut, 20, 3e-3)[name]) for name, weight in tuned.items()), "draws are keyed"
    assert all(torch.equal(weight, cut[name]) for name, weight in tuner(cut, 0, 3e-3).items()), "the control: no step, no change"
    course = tuner.course(cut, (0, 3, 5), 3e-3)
    same = [torch.equal(weight, tuner(cut, steps, 3e-3)[name]) for steps in (0, 3, 5) for name, weight in course[steps].items()]
    assert all(same), "one training serves all its lengths"
    losses = []
    for weights in (cut, tuned):
        model = build(SMOKE, ())
        model.load_state_dict(denoiser.state_dict() | {f"unet.{name}.weight": weight for name, weight in weights.items()})
        losses.append(loss_on(model, images.select(torch.arange(8, len(images)))))
    assert losses[1] < 0.98 * losses[0], "on images that it has not seen"
