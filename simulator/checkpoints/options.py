"""What the commands for checkpoints share: their options, and how their work is run and told."""

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

Folder = Annotated[Path, typer.Argument(help="Local folder in diffusers format with a whole pipeline.", show_default=False)]
Weights = Annotated[
    Path,
    typer.Argument(
        help="Local folder in diffusers format, of a pipeline or of its UNet or transformer alone, or a .safetensors file.",
        show_default=False,
    ),
]
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
Seed = Annotated[int, typer.Option(help="Keys every draw.")]


def work(job: Callable[[], str], out: Path) -> None:
    """Run the job; print its summary, then the output path."""
    with said(f"what is finished is kept in {out}.part: give the same command again", out):
        done = job()
    typer.echo(done)
    typer.echo(out)


def show(values: Mapping[str, object] | None, table: object, *lines: str) -> None:
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
def said(cure: str, place: Path) -> Iterator[None]:
    """Say in one line what an interruption leaves, and what file could not be written or read."""
    try:
        with interruptible(cure):
            yield
    except OSError as error:
        what = f"{file_error(error, place)}; make room or access, then give the same command again"
        raise (StoppedError if is_full(error) else LetheError)(what) from None


def arithmetic_of(device: str, precision: str, deterministic: bool) -> Arithmetic:
    """Return where and how to compute; ``LetheError`` if this machine cannot do that."""
    from server.revival.arithmetic import Arithmetic
    from simulator.scenarios.validation_errors import suggestion

    choices = {"float64": ("float64", False), "float32": ("float32", False), "tf32": ("float32", True)}
    if precision not in choices:
        raise LetheError(f"--precision {precision}: {suggestion(precision, choices)}")
    bits, tf32 = choices[precision]
    arithmetic = settled(Arithmetic, device=device, precision=bits, tf32=tf32, deterministic=deterministic)
    try:
        return arithmetic.settled()
    except ValueError as error:
        raise LetheError(f"--{error}") from None


def revival_of(completion: str, arithmetic: Arithmetic, **values: Any) -> Revival:
    """Return the settings of a completion; ``LetheError`` if it is unknown, or cannot be computed so."""
    from server.revival.attack import Revival
    from server.revival.completion_specs import COMPLETIONS

    if completion != "auto":
        values["completion"] = known(COMPLETIONS, "--completion", completion)()
    settings = settled(Revival, arithmetic=arithmetic, **values).settled()
    try:
        settings.completion.check(arithmetic)
    except ValueError as error:
        raise LetheError(f"--completion {completion}: {error}") from None
    return settings


def known(registry: Any, option: str, kind: str) -> Any:
    """Return the spec of a kind; ``LetheError`` names the known ones."""
    from simulator.scenarios.validation_errors import suggestion

    if kind not in registry.targets():
        raise LetheError(f"{option} {kind}: {suggestion(kind, registry.targets())}")
    return registry.load(kind)


def settled(spec: type[S], option: str = "--", /, **values: Any) -> S:
    """Return the spec with these values; ``LetheError`` names the first option that does not fit."""
    from pydantic import ValidationError

    try:
        return spec(**values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise LetheError(f"{option}{place} {first['input']}: {first['msg']}") from None
