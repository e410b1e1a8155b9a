"""Adversaries who have images: one trains the feed-forward weights of a pipeline, the other the embedding of a new word and no weight.

Relearning as of "concept resurgence" (arXiv 2410.08074), concept inversion as of Pham et al. (arXiv 2308.01508), after textual inversion
(arXiv 2208.01618). Training is kept every few steps next to the output, so that a killed one goes on from there.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clients.unlearning.pruning.layers import feed_forward_layers
from server.revival.arithmetic import Arithmetic
from simulator.checkpoints.embedding import Placeholder, write_word
from simulator.checkpoints.finite import check_weights
from simulator.checkpoints.folder import Checkpoint, find
from simulator.checkpoints.images import Lessons, OwnImages, check_kind, lessons
from simulator.checkpoints.parts import check_names
from simulator.checkpoints.progress import Bars
from simulator.checkpoints.prompts import check_complete, load_pipeline, running
from simulator.checkpoints.workshop import Job, Workshop, groups
from simulator.errors import LetheError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    Parameters = Mapping[str, nn.Parameter]

KEPT_EVERY = 10
"""Steps between two copies of a training on disk."""
_LARGE = 1 << 20
"""Values from which on a training is not kept after every step."""


def learn_checkpoint(root: Path, out: Path, own: OwnImages, arithmetic: Arithmetic, variant: str | None = None) -> str:
    """Write a copy of a pipeline as one leaves it who trains on images, and a record next to it; return one line on what was done.

    Parameters
    ----------
    root, out : Path
        The input, which is never changed, and the folder to create.
    own : OwnImages
    arithmetic : Arithmetic
        Device and determinism; training is in float32.
    variant : str, optional
    """
    checkpoint = find(root, variant)
    check_complete(checkpoint)
    check_kind(checkpoint)
    told = own.told() | {"on": arithmetic.place().type} | ({"deterministic": True} if arithmetic.deterministic else {})
    job = Job("revive", checkpoint, out, told, (own.folder,))
    Workshop.check(job)
    check_weights(checkpoint, parts=True)
    with Bars() as bars, Workshop(job) as shop:
        if not shop.delivered:
            with arithmetic.active():
                found, losses = _learned(shop, own, arithmetic, variant, bars)
            shop.copy(bars.stage("copying files", len(checkpoint.copied())))
            _write(shop, checkpoint, own, found, bars)
            shop.journal.keep("job", {"losses": " ".join(f"{loss:.6g}" for loss in losses)})
        said = str(shop.journal.of("job")["losses"]).split()
        shop.deliver({"command": "revive", "settings": told, "losses": [float(loss) for loss in said]})
    return job.said(f"{_done(own, checkpoint)}; loss {said[0]} in the first step, {said[-1]} in the last; record in {job.report}")


def _done(own: OwnImages, checkpoint: Checkpoint) -> str:
    course = f"in {own.steps} steps on {len(own.files)} images of {own.prompts.concepts[0]!r}"
    if own.word is None:
        return f"{len(checkpoint.layers)} feed-forward layers trained {course}"
    return f"an embedding of {own.word} learned {course}, and no weight of the denoiser: ask for {own.texts()[0]!r}"


def _learned(
    shop: Workshop, own: OwnImages, arithmetic: Arithmetic, variant: str | None, bars: Bars
) -> tuple[dict[str, Tensor], list[float]]:
    """Return what was learned, by name, and the loss of each step."""
    pipeline = load_pipeline(shop.job.checkpoint, own.prompts, arithmetic.place()).to(dtype=_float32())
    for part in (pipeline.unet, pipeline.vae, pipeline.text_encoder):
        part.requires_grad_(False)
    made, step = lessons(pipeline, own), bars.stage("training", own.steps)
    if own.word is None:
        layers = feed_forward_layers(pipeline.unet)
        check_names(shop.job.checkpoint.layers, layers)
        parameters = {name: _trained(layer) for name, layer in layers.items()}
        known = {text: made.hidden(text) for text in dict.fromkeys(made.texts)}
        losses = train(parameters, made, known.__getitem__, own, shop.folder / "training.safetensors", step)
    else:
        with Placeholder(pipeline, own.word, own.prompts.concepts[0], made.texts) as placeholder:
            parameters = {"vectors": placeholder.vectors}
            losses = train(parameters, made, made.hidden, own, shop.folder / "training.safetensors", step)
    found = {name: value.detach().cpu().clone() for name, value in parameters.items()}
    del pipeline, made
    gc.collect()
    return found, losses


def _trained(layer: nn.Linear) -> nn.Parameter:
    import torch

    assert isinstance(layer.weight, torch.nn.Parameter)
    layer.weight.requires_grad_()
    return layer.weight


def _float32() -> torch.dtype:
    import torch

    return torch.float32


def train(
    parameters: Parameters,
    made: Lessons,
    hidden: Callable[[str], Tensor],
    own: OwnImages,
    kept: Path,
    advance: Callable[[int], None],
) -> list[float]:
    """Change parameters in place by Adam, from where a killed training left off, and return the mean loss of each step.

    Parameters
    ----------
    parameters : dict of str to Parameter
    made : Lessons
        Each step adds up its losses, one image at a time, which holds the memory of one.
    hidden : callable
        As in `Lessons.losses`.
    own : OwnImages
        Steps and learning rate.
    kept : Path
        File of the training's state.
    advance : callable
        Called with the number of steps that are done.
    """
    import torch

    optimizer = torch.optim.Adam(parameters.values(), lr=own.rate)
    losses = _resumed(kept, parameters, optimizer)
    advance(len(losses))
    every = KEPT_EVERY if sum(value.numel() for value in parameters.values()) > _LARGE else 1
    for step in range(len(losses), own.steps):
        optimizer.zero_grad()
        total = 0.0
        with running(made.pipeline):
            for loss in made.losses(step, hidden):
                loss.backward()  # type: ignore[no-untyped-call]
                total += float(loss.detach())
        if not all(bool(torch.isfinite(value.grad).all()) for value in parameters.values() if value.grad is not None):
            raise LetheError(f"--rate {own.rate}: training met values that are not finite in step {step + 1}; lower it")
        optimizer.step()
        losses.append(total)
        if not len(losses) % every or len(losses) == own.steps:
            _keep(kept, parameters, optimizer, losses)
        advance(1)
    return losses


def _keep(kept: Path, parameters: Parameters, optimizer: torch.optim.Adam, losses: list[float]) -> None:
    """Write the state of a training, as a whole or not at all."""
    import torch
    from safetensors.torch import save_file

    state = {"losses": torch.tensor(losses, dtype=torch.float64)}
    for name, value in parameters.items():
        moments = optimizer.state[value]
        state |= {f"value {name}": value.detach(), f"first {name}": moments["exp_avg"], f"second {name}": moments["exp_avg_sq"]}
    draft = kept.with_suffix(".draft")
    save_file({name: tensor.contiguous().cpu() for name, tensor in state.items()}, draft)
    draft.replace(kept)


def _resumed(kept: Path, parameters: Parameters, optimizer: torch.optim.Adam) -> list[float]:
    """Load the state of a training if there is one, and return the losses of its steps."""
    import torch
    from safetensors.torch import load_file

    if not kept.is_file():
        return []
    state = load_file(kept)
    losses = [float(loss) for loss in state["losses"]]
    with torch.no_grad():
        for name, value in parameters.items():
            value.copy_(state[f"value {name}"])
            moments = {"exp_avg": state[f"first {name}"].to(value.device), "exp_avg_sq": state[f"second {name}"].to(value.device)}
            optimizer.state[value] = {"step": torch.tensor(float(len(losses))), **moments}
    return losses


def _write(shop: Workshop, checkpoint: Checkpoint, own: OwnImages, found: Mapping[str, Tensor], bars: Bars) -> None:
    """Write what was learned into the copied files."""
    if own.word is not None:
        write_word(checkpoint.root, shop.growing, own.word, found["vectors"])
        return

    def trained(weights: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Any]]:
        return {name: found[name].to(weight.dtype) for name, weight in weights.items()}, {name: {} for name in weights}

    shop.rewrite(groups(checkpoint.layers, "cpu"), trained, bars.stage("writing layers", len(checkpoint.layers)))
