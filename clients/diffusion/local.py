"""A peer's work on the global denoiser, as pure functions: train it, erase a concept, record activations, predict.

Training and erasures are cached by the simulator under the hash of all their arguments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from clients import data, wire
from clients.cache import data_hash, remembered
from clients.data import DatasetSpec
from clients.diffusion.config import DenoisingConfig
from clients.diffusion.denoiser import Denoiser, build
from clients.diffusion.images import Images, draw_styles, from_arrays
from clients.diffusion.remembered import Span, train_or_remember
from clients.diffusion.spec import DenoiserSpec, DenoiserTraining, Style
from clients.diffusion.subject import DenoiserSubject
from clients.diffusion.training import Phase, scheduler, trainable
from clients.streams import Field, torch_generator
from clients.unlearning.pruning.concept_prune import ConceptPrune
from clients.unlearning.pruning.contract import EraserSpec
from clients.unlearning.pruning.layers import feed_forward_layers
from clients.unlearning.pruning.masks import pack_masks, unpack_masks

Arrays = Mapping[str, npt.NDArray[Any]]
Masks = Mapping[str, Tensor]

MASK = "mask/"
"""Prefix, in an eraser's result and in updates, of the packed masks of what was cut, by layer."""

PROBES = 64
"""Largest number of test images on which the denoising loss is measured."""


@lru_cache(maxsize=4)
def pictures(source: DatasetSpec, size: int) -> Images:
    """Return all images of a data set at a size, without styles, pixels in [-1, 1]."""
    found = data.load(source)
    return from_arrays(found.x, found.y, size)


@lru_cache(maxsize=4)
def _dressed(source: DatasetSpec, size: int, styles: tuple[Style, ...], run_seed: int) -> Images:
    return draw_styles(pictures(source, size), styles, (run_seed, "styles"))


def gallery(config: DenoisingConfig) -> Images:
    """Return all images of a run; if there are styles, each image is in one of them, drawn by the run's seed."""
    source, spec = config.data, config.denoiser
    return _dressed(source, spec.size, spec.styles, config.run_seed) if spec.styles else pictures(source, spec.size)


def phase(training: DenoiserTraining) -> Phase:
    """Return the phase that peers train: everything in the joint design, else the feed-forward weights."""
    return "joint" if training.design == "joint" else "concept"


@lru_cache(maxsize=2)
def _public(spec: DenoiserSpec, backbone: bytes, device: torch.device) -> Denoiser:
    denoiser = build(spec, ()).to(device)
    denoiser.load_state_dict({name: torch.from_numpy(array) for name, array in wire.from_bytes(backbone).items()})
    return denoiser


def model(config: DenoisingConfig, backbone: bytes, weights: Arrays) -> Denoiser:
    """Return the denoiser with these weights on the public backbone; a shared object, valid until the next call."""
    denoiser = _public(config.denoiser, backbone, config.compute.place())
    parameters = trainable(denoiser, phase(config.denoising))
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(torch.from_numpy(np.array(weights[name])))
    return denoiser


def untrained(config: DenoisingConfig, backbone: bytes) -> Denoiser:
    """Return the denoiser with the weights of the public backbone; a shared object, valid until the next call of this or `model`."""
    denoiser = _public(config.denoiser, backbone, config.compute.place())
    denoiser.load_state_dict({name: torch.from_numpy(array) for name, array in wire.from_bytes(backbone).items()})
    return denoiser


def exchanged(denoiser: Denoiser, training: DenoiserTraining) -> dict[str, npt.NDArray[Any]]:
    """Return copies of the weights that peers train and exchange, by parameter name."""
    return {name: parameter.detach().cpu().numpy().copy() for name, parameter in trainable(denoiser, phase(training)).items()}


def parameter_of(layer: str) -> str:
    """Return the name of a feed-forward output layer's weight among the exchanged weights."""
    return f"unet.{layer}.weight"


def cut_out(weights: Arrays, masks: Masks) -> dict[str, npt.NDArray[Any]]:
    """Return the weights with zeros where a mask is true."""
    cut = {parameter_of(layer): mask.numpy() for layer, mask in masks.items()}
    return {name: np.where(cut[name], 0, array).astype(array.dtype) if name in cut else array for name, array in weights.items()}


def trained(
    config: DenoisingConfig,
    backbone: bytes,
    start: Arrays,
    images: Images,
    held: Masks,
    key: tuple[Field, ...],
    now: int,
    proximal: float = 0.0,
) -> dict[str, npt.NDArray[Any]]:
    """Return the weights after local training in round ``now`` of ``config.rounds``; ``held`` entries keep their value."""
    window, total = ((now - 1) * config.steps, now * config.steps), config.rounds * config.steps
    denoiser, learned = model(config, backbone, start), phase(config.denoising)
    fixed = {layer: mask for layer, mask in held.items() if bool(mask.any())}
    span: Span = {"total": total, "window": window, "fixed": fixed, "proximal": proximal}
    train_or_remember(where_computed(config), denoiser, images, config.denoising, learned, key, **span)
    return exchanged(denoiser, config.denoising)


def erased(
    config: DenoisingConfig,
    backbone: bytes,
    weights: Arrays,
    method: EraserSpec,
    concept: int,
    images: Images,
    key: tuple[Field, ...],
    erased: Sequence[int] = (),
) -> dict[str, npt.NDArray[Any]]:
    """Return the result of an eraser: packed masks under ``mask/`` by layer, new values under ``new/`` by parameter name.

    ``concept`` is a number as in ``config.denoiser.concepts``, as are ``erased``, the concepts erased earlier.
    """
    configuration = {
        **_where(config, backbone, weights),
        "what": "erasure",
        "sampling": config.sampling.model_dump(mode="json"),
        "method": method.model_dump(mode="json"),
        "concept": concept,
        "images": data_hash(images.pixels, images.classes, images.styles) if method.needs_images else None,
        "key": key,
        **({"erased": sorted(erased)} if len(erased) and method.needs_images else {}),  # else left out: older entries stay valid
    }

    def make() -> Arrays:
        cut = method.erase(_subject(config, model(config, backbone, weights), concept, images, key, erased), key)
        new = {f"new/unet.{name}": value.numpy() for name, value in cut.weights.items()}
        return new | packed(cut.masks)

    return remembered(configuration, make)


def packed(masks: Masks) -> dict[str, npt.NDArray[Any]]:
    """Return packed masks under ``mask/``, by layer name."""
    return {f"{MASK}{name}": array for name, array in pack_masks(masks).items()}


def unpacked(arrays: Arrays) -> dict[str, Tensor]:
    """Return the masks that `packed` has packed; other arrays are ignored."""
    return unpack_masks(_below(MASK, arrays))


def with_outcome(weights: Arrays, masks: Masks, outcome: Arrays) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Tensor]]:
    """Return weights with the new values of an eraser's result, and masks joined with the result's."""
    cut = dict(masks)
    for layer, mask in unpacked(outcome).items():
        cut[layer] = cut[layer] | mask if layer in cut else mask
    return {**weights, **{name: value for name, value in _below("new/", outcome).items() if name in weights}}, cut


def _below(prefix: str, arrays: Arrays) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays whose names have the prefix, with the prefix removed."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def heard(
    config: DenoisingConfig, backbone: bytes, weights: Arrays, method: ConceptPrune, concept: int, images: Images, key: tuple[Field, ...]
) -> dict[str, npt.NDArray[Any]]:
    """Return activation statistics under a concept and under the others: ``target/`` and ``base/`` sums by layer name, and counts."""
    target, base = method.listen(_subject(config, model(config, backbone, weights), concept, images, key))
    told: dict[str, npt.NDArray[Any]] = {}
    for side, activity in (("target", target), ("base", base)):
        told |= {f"{side}/{name}": sums.numpy() for name, sums in activity.sums.items()}
        told |= {f"{side}#rows/{name}": np.array(rows) for name, rows in activity.rows.items()}
        told[f"{side}#samples"] = np.array(activity.samples)
    return told


def _subject(
    config: DenoisingConfig, denoiser: Denoiser, concept: int, images: Images, key: tuple[Field, ...], erased: Sequence[int] = ()
) -> DenoiserSubject:
    axis, target = config.denoiser.axis(concept)
    noise = config.denoising.noise
    return DenoiserSubject(denoiser, target, key, axis=axis, images=images, sampling=config.sampling, noise=noise, erased=erased)


def predicted(config: DenoisingConfig, backbone: bytes, weights: Arrays) -> tuple[float, npt.NDArray[np.float32]]:
    """Return the denoising loss on public test images at fixed times and noise, and the predicted noise, float32 ``(n, c, s, s)``."""
    images = gallery(config).select(torch.tensor(config.test[:PROBES]))
    generator = torch_generator(config.run_seed, "probe")
    noise = scheduler(config.denoising.noise)
    time = torch.randint(config.denoising.noise.timesteps, (len(images),), generator=generator)
    drawn = torch.randn(images.pixels.shape, generator=generator)
    asked = (noise.add_noise(images.pixels, drawn, time), time, images.classes, images.styles)
    with torch.no_grad(), config.computing():
        answer = model(config, backbone, weights)(*(None if one is None else one.to(config.compute.place()) for one in asked)).cpu()
    return float(torch.nn.functional.mse_loss(answer, drawn)), answer.numpy().copy()


def layers(config: DenoisingConfig, backbone: bytes) -> list[str]:
    """Return the names of the feed-forward output layers."""
    return list(feed_forward_layers(_public(config.denoiser, backbone, config.compute.place()).unet))


def _where(config: DenoisingConfig, backbone: bytes, weights: Arrays) -> dict[str, Any]:
    return {
        "denoiser": config.denoiser.model_dump(mode="json"),
        "training": config.denoising.model_dump(mode="json"),
        "backbone": wire.sha256(backbone),
        "weights": wire.sha256(wire.to_bytes(weights)),
        **where_computed(config),
    }


def where_computed(config: DenoisingConfig) -> dict[str, Any]:
    """Return the device's part of a cache configuration; empty for the CPU, so that older entries stay valid."""
    return {} if config.compute.device == "cpu" else {"compute": config.compute.model_dump(mode="json")}
