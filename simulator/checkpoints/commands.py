"""The commands that work on released checkpoints: ``lethe prune``, ``revive``, ``seal``, ``scan`` and ``judge``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from simulator.errors import LetheError, StoppedError, file_error, is_full
from simulator.stopping import interruptible

if TYPE_CHECKING:
    from clients.spec import Spec
    from server.revival.arithmetic import Arithmetic
    from server.revival.attack import Revival

    S = TypeVar("S", bound=Spec)

TEMPLATE, SCENES = "a {concept} in {base}", ("a room",)
"""Usual prompt of a concept, and usual scenes."""

Folder = Annotated[
    Path, typer.Argument(help="Local folder in diffusers format: a pipeline, or its UNet or transformer alone.", show_default=False)
]
Weights = Annotated[Path, typer.Argument(help="The same, or a single .safetensors file.", show_default=False)]
Out = Annotated[Path, typer.Option(help="Folder (or file) to make; the input is never changed.", show_default=False)]
Variant = Annotated[str | None, typer.Option(help="Which weights, where there are several: plain, fp16, ...")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Precision = Annotated[str, typer.Option(help="float64, float32, or tf32: float32 with the short products of recent GPUs.")]
Deterministic = Annotated[bool, typer.Option("--deterministic", help="On CUDA: only kernels whose result does not vary between calls.")]
Completion = Annotated[
    str, typer.Option(help="soft_impute, published, polar_momentum or polar_once; auto: polar_momentum on CUDA, else soft_impute.")
]
Base = Annotated[list[str] | None, typer.Option(help="A scene without the concept; may be given again.", show_default="a room")]
Prompt = Annotated[str, typer.Option(help="How concept and scene make a prompt.")]
Steps = Annotated[int, typer.Option(min=1, help="Sampler steps of a whole run.")]
Guidance = Annotated[float, typer.Option(min=0, help="Classifier-free guidance.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Copy = Annotated[Path | None, typer.Option(help="A changed copy of the pipeline, to be judged as well.", show_default=False)]
Seed = Annotated[int, typer.Option(help="Keys every draw.")]
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
    settings = _settled(ConceptPrune, share=share, calls=calls, select=select, halves=halves)
    _work(lambda: prune_checkpoint(checkpoint, out, prompts, settings, _arithmetic(device, "float32", deterministic), variant), out)


def revive(
    checkpoint: Weights,
    out: Out,
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
    """Regrow what was cut, from the weights alone; how sure each layer is goes to OUT.json."""
    from simulator.checkpoints.revive import revive_checkpoint

    arithmetic = _arithmetic(device, precision, deterministic)
    settings = _revival(completion, arithmetic, keep=keep, magnitude=magnitude, gain=gain, seed=seed)
    _work(lambda: revive_checkpoint(checkpoint, out, settings, random_signs, variant), out)


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

    _work(lambda: seal_checkpoint(checkpoint, out, _fill(fill, settings or []), key, variant), out)


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

    settings = _revival(completion, _arithmetic(device, precision, deterministic), seed=seed)
    found = scan_checkpoint(checkpoint, settings, held_out, variant)
    _shown(found.as_json() if json else None, table(found), *found.verdicts())


def judge(
    checkpoint: Folder,
    concept: Annotated[str, typer.Option(help="What was erased, in words.", show_default=False)],
    classifier: Annotated[Path, typer.Option(help="Local folder of an image classifier of transformers.", show_default=False)],
    label: Annotated[str | None, typer.Option(help="Its label of the concept.", show_default="the concept")] = None,
    pruned: Copy = None,
    revived: Copy = None,
    sealed: Copy = None,
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

    prompts = Prompts((concept,), tuple(base or SCENES), prompt, samples, steps, guidance, seed)
    known = Classifier(classifier, concept if label is None else label)
    copies = {"original": checkpoint, "pruned": pruned, "revived": revived, "sealed": sealed}
    folders = {name: folder for name, folder in copies.items() if folder is not None}
    arithmetic = _arithmetic(device, "float32", deterministic)
    with _said("nothing was written: give the same command again", checkpoint):
        rows = judge_checkpoints(folders, prompts, known, arithmetic, variant)
    asked = {"classifier": str(classifier), "label": known.label, "prompts": vars(prompts)}
    _shown(asked | {"rows": [row.as_json() for row in rows]} if json else None, table(rows, known.label))


def register(app: typer.Typer) -> None:
    """Register the commands for checkpoints with the command line."""
    for command in (prune, revive, seal, scan, judge):
        app.command()(command)


def _work(job: Callable[[], str], out: Path) -> None:
    """Run the job; print its summary, then the output path."""
    with _said(f"what is finished is kept in {out}.part: give the same command again", out):
        done = job()
    typer.echo(done)
    typer.echo(out)


def _shown(values: Mapping[str, object] | None, table: object, *lines: str) -> None:
    """Print values as JSON if there are any, else a table and lines."""
    from json import dumps

    from rich.console import Console

    if values is not None:
        typer.echo(dumps(values, indent=1))
        return
    Console().print(table)
    for line in lines:
        typer.echo(line)


@contextmanager
def _said(cure: str, place: Path) -> Iterator[None]:
    """Say in one line what an interruption leaves, and what file could not be written or read."""
    try:
        with interruptible(cure):
            yield
    except OSError as error:
        what = f"{file_error(error, place)}; make room or access, then give the same command again"
        raise (StoppedError if is_full(error) else LetheError)(what) from None


def _arithmetic(device: str, precision: str, deterministic: bool) -> Arithmetic:
    """Return where and how to compute; ``LetheError`` if this machine cannot do that."""
    from server.revival.arithmetic import Arithmetic
    from simulator.scenarios.validation_errors import suggestion

    known = {"float64": ("float64", False), "float32": ("float32", False), "tf32": ("float32", True)}
    if precision not in known:
        raise LetheError(f"--precision {precision}: {suggestion(precision, known)}")
    bits, tf32 = known[precision]
    arithmetic = _settled(Arithmetic, device=device, precision=bits, tf32=tf32, deterministic=deterministic)
    try:
        return arithmetic.settled()
    except ValueError as error:
        raise LetheError(f"--{error}") from None


def _revival(completion: str, arithmetic: Arithmetic, **values: Any) -> Revival:
    from server.revival.attack import Revival
    from server.revival.completion_specs import COMPLETIONS

    if completion != "auto":
        values["completion"] = _known(COMPLETIONS, "--completion", completion)()
    settings = _settled(Revival, arithmetic=arithmetic, **values).settled()
    try:
        settings.completion.check(arithmetic)
    except ValueError as error:
        raise LetheError(f"--completion {completion}: {error}") from None
    return settings


def _fill(kind: str, settings: list[str]) -> Any:
    from server.defences.fills import FILLS
    from simulator.scenarios.overrides import override

    values: dict[str, Any] = {}
    for setting in settings:
        override(values, setting)
    return _settled(_known(FILLS, "--fill", kind), "--set ", **values)


def _known(registry: Any, option: str, kind: str) -> Any:
    """Return the spec of a kind; ``LetheError`` names the known ones."""
    from simulator.scenarios.validation_errors import suggestion

    if kind not in registry.targets():
        raise LetheError(f"{option} {kind}: {suggestion(kind, registry.targets())}")
    return registry.load(kind)


def _settled(spec: type[S], option: str = "--", /, **values: Any) -> S:
    """Return the spec with these values; ``LetheError`` names the first option that does not fit."""
    from pydantic import ValidationError

    try:
        return spec(**values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise LetheError(f"{option}{place} {first['input']}: {first['msg']}") from None
