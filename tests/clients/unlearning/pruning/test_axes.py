"""A cut along the axes of relearning: which axes, and what the weights no longer answer to."""

from __future__ import annotations

import torch

from clients.diffusion.denoiser import Denoiser
from clients.diffusion.images import Images
from clients.diffusion.spec import Sampling
from clients.diffusion.subject import DenoiserSubject
from clients.streams import torch_generator
from clients.unlearning.pruning.axes import RelearningAxes, relearning_axes
from clients.unlearning.pruning.concept_prune import ConceptPrune


def test_axes_are_those_of_the_target_without_those_of_retained_images() -> None:
    basis = torch.linalg.qr(torch.randn(12, 12, generator=torch_generator("axes"))).Q
    outputs = torch.linalg.qr(torch.randn(6, 6, generator=torch_generator("outputs"))).Q
    target, common = basis[:, :1], basis[:, 1:2]
    forget = 3 * outputs[:, :1] @ common.T + 2 * outputs[:, 1:2] @ target.T
    retain = outputs[:, 2:3] @ common.T
    found = relearning_axes(forget, retain, rank=2, keep=1)
    assert found.shape == (12, 1)
    assert abs(float(found.T @ target)) > 0.999
    unspared = relearning_axes(forget, retain, rank=2, keep=0)
    assert unspared.shape == (12, 2)
    assert float((unspared.T @ common).norm()) > 0.999


def test_the_weights_no_longer_answer_to_the_axes(denoiser: Denoiser, images: Images) -> None:
    subject = DenoiserSubject(denoiser, 3, ("test",), images=images, sampling=Sampling(steps=2))
    spec = RelearningAxes(cut=ConceptPrune(calls=2), rounds=1, rank=3, keep=0, steps=2, batch_size=8)
    cut, whole = spec.cut.erase(subject, ()), spec.erase(subject, ())
    assert cut.weights
    for name, weight in cut.weights.items():
        _, lost, axes = torch.linalg.svd(weight - whole.weights[name], full_matrices=False)
        assert int((lost > 1e-5 * lost[0]).sum()) == 3
        assert float((whole.weights[name] @ axes[:3].T).norm()) < 1e-4 * float((weight @ axes[:3].T).norm())
