"""Erasure with an adversary in the loop: what it is without one, and what is left to an adversary after it."""

from __future__ import annotations

import torch

from clients.diffusion.denoiser import Denoiser
from clients.diffusion.images import Images
from clients.diffusion.spec import Sampling
from clients.diffusion.subject import DenoiserSubject
from clients.unlearning.pruning.contract import EraserSpec
from clients.unlearning.pruning.gradients import borrowed, chosen, gradients
from clients.unlearning.pruning.resistant import Resistant
from clients.unlearning.pruning.salun import SalUn


def subject(denoiser: Denoiser, images: Images) -> DenoiserSubject:
    return DenoiserSubject(denoiser, 3, ("test",), images=images, sampling=Sampling(steps=2))


def test_without_an_adversary_it_is_salun_on_all_weights(denoiser: Denoiser, images: Images) -> None:
    plain = Resistant(weight=0, steps=3, batch_size=8).erase(subject(denoiser, images), ("key",)).weights
    salun = SalUn(scope="all", share=1.0, steps=3, batches=1, batch_size=8).erase(subject(denoiser, images), ("key",)).weights
    assert plain.keys() == salun.keys()
    assert all(torch.equal(value, salun[name]) for name, value in plain.items())
    resisting = Resistant(steps=3, batch_size=8).erase(subject(denoiser, images), ("key",)).weights
    assert not all(torch.equal(value, salun[name]) for name, value in resisting.items())


def test_the_key_draws_how_long_the_adversary_trains(denoiser: Denoiser, images: Images) -> None:
    spec = Resistant(steps=2, batch_size=8, relearning=16)
    one, other = (spec.erase(subject(denoiser, images), (key,)).weights for key in ("a", "b"))
    assert not all(torch.equal(value, other[name]) for name, value in one.items())


def test_who_relearns_is_left_further_from_the_concept(denoiser: Denoiser, images: Images) -> None:
    left = {}
    for weight in (0.0, 4.0):
        spec: EraserSpec = Resistant(weight=weight, steps=8, batch_size=4, relearning=3, alpha=0.0)
        found = {name: p.detach().clone() for name, p in denoiser.unet.named_parameters()}
        spec.erase(subject(denoiser, images), ("key",)).apply(denoiser.unet)
        left[weight] = redirection_after_relearning(subject(denoiser, images), steps=3)
        denoiser.unet.load_state_dict(found)
    assert left[4.0] < 0.9 * left[0.0], left


def redirection_after_relearning(one: DenoiserSubject, steps: int) -> float:
    """Return the redirection, on draws that no eraser saw, after an adversary has trained the weights on images of the concept."""
    parameters = chosen(one.module, "all")
    with borrowed(one.module, parameters):
        optimizer = torch.optim.Adam(parameters.values(), lr=1e-3)
        for step in range(steps):
            for name, gradient in gradients(one.loss("forget", 10_000 + step, 8), parameters).items():
                parameters[name].grad = gradient
            optimizer.step()
        with torch.no_grad():
            return float(sum(one.redirection(20_000 + i, 32) for i in range(2)))
