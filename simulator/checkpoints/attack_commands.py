"""The commands of adversaries of a released checkpoint: ``lethe revive`` and ``lethe name``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from click.core import ParameterSource

from simulator.checkpoints.options import (
    SCENES,
    TEMPLATE,
    AsJson,
    Base,
    Completion,
    Deterministic,
    Device,
    Folder,
    Guidance,
    Out,
    Precision,
    Prompt,
    Seed,
    Steps,
    Variant,
    Weights,
    arithmetic_of,
    revival_of,
    said,
    show,
    work,
)
from simulator.errors import LetheError

if TYPE_CHECKING:
    from simulator.checkpoints.adversaries import Adversary

_COMPLETION = ("keep", "completion", "magnitude", "gain", "random_signs", "precision")
_EXAMPLES = ("example_mask",)
_TRAINING = ("concept", "base", "prompt", "word", "steps", "rate")
"""Options of adversaries who complete a cut, of those who learn from examples, and of those who train."""


def revive(
    context: typer.Context,
    checkpoint: Weights,
    out: Out,
    mask: Annotated[Path | None, typer.Option(help="Knows the cut: a copy that was pruned, and not sealed.", show_default=False)] = None,
    density: Annotated[
        float | None, typer.Option(help="Knows how much was cut, as a share, and takes the smallest weights for it.", show_default=False)
    ] = None,
    earlier: Annotated[
        Path | None, typer.Option(help="Kept an earlier or a public model, and writes back what changed too much.", show_default=False)
    ] = None,
    example: Annotated[
        list[Path] | None,
        typer.Option(
            help="Has pruned and sealed pipelines of this kind itself, and learns from this one; again for more.", show_default=False
        ),
    ] = None,
    example_mask: Annotated[
        list[Path] | None, typer.Option(help="The cut of --example: that copy, pruned and not sealed; one for each.", show_default=False)
    ] = None,
    bits: Annotated[int | None, typer.Option(help="Rounds to so many bits, which undoes small updates.", show_default=False)] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of images of --concept: trains the feed-forward weights on them.", show_default=False)
    ] = None,
    concept: Annotated[str | None, typer.Option(help="What the images show, in words.", show_default=False)] = None,
    word: Annotated[
        str | None, typer.Option(help="Learns an embedding of this new word instead, such as '<ball>', and no weight.", show_default=False)
    ] = None,
    base: Base = None,
    prompt: Prompt = TEMPLATE,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Training steps, each on all images.", show_default="20; of an embedding 200")
    ] = None,
    rate: Annotated[float | None, typer.Option(help="Learning rate of Adam.", show_default="1e-5; of an embedding 5e-3")] = None,
    keep: Annotated[float, typer.Option(help="Share of lost weights to refill, surest first.")] = 0.6,
    completion: Completion = "auto",
    magnitude: Annotated[str, typer.Option(help="row_max, row_mean, drawn or as_is.")] = "row_max",
    gain: Annotated[float, typer.Option(help="Factor on the magnitude.")] = 1.0,
    random_signs: Annotated[bool, typer.Option("--random-signs", help="Control: draw the signs instead of completing.")] = False,
    precision: Precision = "float64",
    seed: Seed = 0,
    device: Device = "auto",
    deterministic: Deterministic = False,
    variant: Variant = None,
) -> None:
    """Bring back what was cut, as an adversary would who has the weights: by default it completes zeros.

    --mask, --density, --earlier, --example, --bits or --images say what else it knows or does. A record, with how sure a completion is
    of each layer, goes to OUT.json.
    """
    known = {"mask": mask, "density": density, "earlier": earlier, "example": example, "bits": bits, "images": images}
    given = {name: value for name, value in known.items() if value is not None}
    _check_given(context, given)
    if images is not None:
        from simulator.checkpoints.images import OwnImages
        from simulator.checkpoints.learn import learn_checkpoint

        own = OwnImages(images, concept or "", tuple(base or SCENES), prompt, word, steps, rate, seed)
        work(lambda: learn_checkpoint(checkpoint, out, own, arithmetic_of(device, "float32", deterministic), variant), out)
        return
    from simulator.checkpoints.revive import revive_checkpoint

    settings = revival_of(completion, arithmetic_of(device, precision, deterministic), keep=keep, magnitude=magnitude, gain=gain, seed=seed)

    def job() -> str:
        from simulator.checkpoints.adversaries import Completing, Guessing, Masked, Remembering, Rounding

        adversary: Adversary = Completing(settings, random_signs)
        if mask is not None:
            adversary = Masked(mask, settings, random_signs, variant)
        elif density is not None:
            adversary = Guessing(density, settings, random_signs)
        elif example is not None:
            from simulator.checkpoints.reading import Reading

            adversary = Reading(list(zip(example, example_mask or (), strict=True)), settings, random_signs, variant)
        elif earlier is not None:
            adversary = Remembering(earlier, variant)
        elif bits is not None:
            adversary = Rounding(bits)
        beside = tuple(path for path in (mask, earlier, *(example or ()), *(example_mask or ())) if path is not None)
        return revive_checkpoint(checkpoint, out, adversary, variant, beside)

    work(job, out)


def _check_given(context: typer.Context, given: Mapping[str, object]) -> None:
    """Raise ``LetheError`` if an adversary is given two kinds of knowledge, or options that it has no use for."""
    names = [f"--{name}" for name in given]
    if len(names) > 1:
        raise LetheError(f"{' and '.join(names)}: an adversary has one of them; give one, and each in a run of its own")
    completes, trains = not {"earlier", "bits", "images"} & set(given), "images" in given
    kinds = (
        (_COMPLETION, completes, "who completes a cut"),
        (_EXAMPLES, "example" in given, "who learns from --example"),
        (_TRAINING, trains, "who trains on --images"),
    )
    for options, used, who in kinds:
        for name in options:
            if not used and context.get_parameter_source(name) is not ParameterSource.DEFAULT:
                raise LetheError(f"--{name.replace('_', '-')}: is for one {who}; leave it out, or give what that one needs")
    examples, masks = (len(context.params[name] or ()) for name in ("example", "example_mask"))
    if examples != masks:
        raise LetheError(f"--example: {examples} given, and {masks} times --example-mask; give for each its cut, in the same order")
    if trains and not context.params["concept"]:
        raise LetheError("--images: wants what they show as well, for example --concept 'golf ball'")


def name(
    checkpoint: Folder,
    concept: Annotated[list[str], typer.Option(help="A suspect, in words; give two or more.", show_default=False)],
    base: Base = None,
    prompt: Prompt = TEMPLATE,
    calls: Annotated[int, typer.Option(min=1, help="Denoiser calls listened to; sampling stops there.")] = 8,
    samples: Annotated[int, typer.Option(min=1, help="Images a scene, of each concept.")] = 3,
    steps: Steps = 50,
    guidance: Guidance = 7.5,
    json: AsJson = False,
    seed: Seed = 0,
    device: Device = "auto",
    deterministic: Deterministic = False,
    variant: Variant = None,
) -> None:
    """Say which of several concepts was erased from a local text-to-image pipeline, from what was edited alone."""
    from simulator.checkpoints.name import name_checkpoint, table, told
    from simulator.checkpoints.prompts import Prompts

    prompts = Prompts(tuple(concept), tuple(base or SCENES), prompt, samples, steps, guidance, seed)
    with said("nothing was written: give the same command again", checkpoint):
        found = name_checkpoint(checkpoint, prompts, calls, arithmetic_of(device, "float32", deterministic), variant)
    show(found.as_json() if json else None, table(found), *told(found))
