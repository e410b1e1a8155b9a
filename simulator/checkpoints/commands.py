"""The commands that work on released checkpoints: ``lethe prune``, ``revive``, ``seal``, ``scan``, ``name`` and ``judge``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from simulator.checkpoints.attack_commands import name, revive
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
    known,
    revival_of,
    said,
    settled,
    show,
    work,
)
from simulator.errors import LetheError, short

Copy = Annotated[Path | None, typer.Option(help="A changed copy of the pipeline, to be judged as well.", show_default=False)]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of the fill; may be given again.")]


def prune(
    checkpoint: Folder,
    concept: Annotated[list[str], typer.Option(help="What to erase, in words; given again, several concepts.", show_default=False)],
    out: Out,
    base: Base = None,
    prompt: Prompt = TEMPLATE,
    share: Annotated[float, typer.Option(help="Share of each row that competes for removal.")] = 0.02,
    calls: Annotated[int, typer.Option(help="Denoiser calls listened to (tau); sampling stops there.")] = 10,
    select: Annotated[float, typer.Option(help="A weight goes if more than this share of calls chose it.")] = 0.0,
    halves: Annotated[str, typer.Option(help="Which halves of a guided call count: cond or both.")] = "cond",
    samples: Annotated[int, typer.Option(min=1, help="Images a scene.")] = 3,
    steps: Steps = 50,
    guidance: Guidance = 7.5,
    seed: Seed = 0,
    device: Device = "auto",
    deterministic: Deterministic = False,
    variant: Variant = None,
) -> None:
    """Cut concepts out of a local text-to-image pipeline (ConceptPrune)."""
    from clients.unlearning.pruning.concept_prune import ConceptPrune
    from simulator.checkpoints.prompts import Prompts
    from simulator.checkpoints.prune import prune_checkpoint

    prompts = Prompts(tuple(concept), tuple(base or SCENES), prompt, samples, steps, guidance, seed)
    settings = settled(ConceptPrune, share=share, calls=calls, select=select, halves=halves)
    work(lambda: prune_checkpoint(checkpoint, out, prompts, settings, arithmetic_of(device, "float32", deterministic), variant), out)


def seal(
    checkpoint: Weights,
    out: Out,
    fill: Annotated[
        str, typer.Option(help="redrawn_columns (hides best), gaussian, contrary, decoys, permuted or closed_columns.")
    ] = "redrawn_columns",
    settings: Settings = None,
    key: Annotated[Path | None, typer.Option(help="File of at least 16 secret bytes; the system draws a secret unless told.")] = None,
    variant: Variant = None,
) -> None:
    """Fill what was cut with noise, and say what is still seen of it. Hides where something was cut, never what; keep the key secret."""
    from simulator.checkpoints.seal import seal_checkpoint

    work(lambda: seal_checkpoint(checkpoint, out, _fill(fill, settings or []), key, variant), out)


def scan(
    checkpoint: Weights,
    held_out: Annotated[float, typer.Option(help="Share of each layer's weights to hold out.")] = 0.05,
    completion: Completion = "auto",
    precision: Precision = "float32",
    json: AsJson = False,
    seed: Seed = 0,
    device: Device = "auto",
    deterministic: Deterministic = False,
    variant: Variant = None,
) -> None:
    """Say how much of a cut can be located, and how well lost signs could be guessed, without the original."""
    from simulator.checkpoints.scan import scan_checkpoint, table

    if not 0 < held_out < 1:
        raise LetheError(f"--held-out {held_out}: wants a share of the weights above 0 and below 1")
    settings = revival_of(completion, arithmetic_of(device, precision, deterministic), seed=seed)
    found = scan_checkpoint(checkpoint, settings, held_out, variant)
    show(found.as_json() if json else None, table(found), *found.verdicts())


def judge(
    checkpoint: Folder,
    concept: Annotated[str, typer.Option(help="What was erased, in words.", show_default=False)],
    classifier: Annotated[Path, typer.Option(help="Local folder of an image classifier of transformers.", show_default=False)],
    label: Annotated[str | None, typer.Option(help="Its label of the concept.", show_default="the concept")] = None,
    pruned: Copy = None,
    revived: Copy = None,
    sealed: Copy = None,
    word: Annotated[str | None, typer.Option(help="Asks REVIVED for this word, which was learned.", show_default="the concept")] = None,
    base: Base = None,
    prompt: Prompt = TEMPLATE,
    samples: Annotated[int, typer.Option(min=1, help="Images a scene, of each folder.")] = 30,
    steps: Steps = 50,
    guidance: Guidance = 7.5,
    json: AsJson = False,
    seed: Seed = 0,
    device: Device = "auto",
    deterministic: Deterministic = False,
    variant: Variant = None,
) -> None:
    """Draw samples of a local pipeline and of changed copies from the same noise, and say how many a classifier takes for the concept."""
    from simulator.checkpoints.classifier import Classifier
    from simulator.checkpoints.judge import judge_checkpoints, table
    from simulator.checkpoints.prompts import Prompts

    if word is not None and revived is None:
        raise LetheError(f"--word {word}: is asked of the folder that --revived names; give that as well")
    prompts = Prompts((concept,), tuple(base or SCENES), prompt, samples, steps, guidance, seed)
    classes = Classifier(classifier, concept if label is None else label)
    copies = {"original": checkpoint, "pruned": pruned, "revived": revived, "sealed": sealed}
    folders = {name: folder for name, folder in copies.items() if folder is not None}
    arithmetic = arithmetic_of(device, "float32", deterministic)
    with said("nothing was written: give the same command again", checkpoint):
        rows = judge_checkpoints(folders, prompts, classes, arithmetic, variant, word)
    asked = {"classifier": str(classifier), "label": classes.label, "prompts": vars(prompts)} | ({"word": word} if word else {})
    show(asked | {"rows": [row.as_json() for row in rows]} if json else None, table(rows, classes.label))


def register(app: typer.Typer) -> None:
    """Register the commands for checkpoints with the command line."""
    for command in (prune, revive, seal, scan, name, judge):
        app.command()(command)


def _fill(kind: str, settings: list[str]) -> Any:
    from server.defences.fills import FILLS
    from simulator.scenarios.overrides import override
    from simulator.scenarios.validation_errors import suggestion

    values: dict[str, Any] = {}
    for setting in settings:
        override(values, setting)
    spec = known(FILLS, "--fill", kind)
    keys = spec.model_fields.keys() - {"kind"}
    for key in values.keys() - keys:
        raise LetheError(
            f"--set {short(key)}: {kind} has " + (f"no such setting; {suggestion(key, keys)}" if keys else "no settings; leave it out")
        )
    return settled(spec, "--set ", **values)
