"""Resumable creation of a changed copy of a checkpoint, next to its final path.

``OUT.part`` contains the journal and the unfinished copy, a folder or a single file as the input. Files are copied first, then the
layers are overwritten in place, group by group; a group enters the journal once it is on disk. At the end the copy is renamed to its
final name atomically.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from simulator.checkpoints import tensors
from simulator.checkpoints.finite import check_written
from simulator.checkpoints.folder import Checkpoint, Layer
from simulator.checkpoints.foreign import is_cache
from simulator.checkpoints.journal import Journal
from simulator.checkpoints.places import shown, within
from simulator.errors import LetheError, StoppedError

if TYPE_CHECKING:
    from torch import Tensor

    Change = Callable[[dict[str, Tensor]], tuple[dict[str, Tensor], dict[str, Any]]]
    """Maps weights by layer name to new weights and to each layer's part of the report."""

_SPARE = 64 << 20


@dataclass(frozen=True)
class Job:
    """One job: a command's name, its input, its output folder, and every setting that determines the result.

    ``beside`` are other files and folders that are read, such as an earlier model; none of them is ever changed either.
    """

    command: str
    checkpoint: Checkpoint
    out: Path
    settings: dict[str, Any]
    beside: tuple[Path, ...] = ()

    @property
    def report(self) -> Path:
        """The report's path, next to the output."""
        return self.out.with_name(self.out.name + ".json")

    @property
    def folder(self) -> Path:
        """Folder of the unfinished output."""
        return self.out.with_name(self.out.name + ".part")

    def said(self, done: str) -> str:
        """Return a line on what was done and which files were not copied."""
        left = self.checkpoint.left_out()
        return f"{done}; not copied: {', '.join(map(shown, left))}" if left else done

    def identity(self) -> str:
        """Return everything that distinguishes this job from others, as JSON."""
        return json.dumps([self.command, str(self.checkpoint.root), stamps(self.checkpoint), self.settings], sort_keys=True)


class UnfinishedError(LetheError):
    """The unfinished output of another job is in the way; it is not removed."""


class Workshop:
    """The folder of one job's unfinished output; a context manager.

    The folder is removed on an error that another attempt would only repeat (``LetheError``).
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.folder = job.folder
        self.growing = job.folder / "output"
        self.check(job)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LetheError(f"--out {job.out}: cannot be made here ({error.strerror}); choose another place") from None
        self._lock = (self.folder / "lock").open("w")
        self._hold()
        self.journal = Journal(self.folder / "journal.sqlite")
        kept = self.journal.of("job").get("identity")
        if kept is not None and kept != job.identity():
            self._let_go()
            raise UnfinishedError(f"{self.folder}: holds an unfinished job of other settings or input; repeat that one, or remove it")
        if os.path.lexists(job.out) and not self.delivered:
            self._let_go()
            raise UnfinishedError(f"--out {job.out}: exists, and the job begun in {self.folder} has not made it; move it away")
        if kept is None:
            self.journal.keep("job", {"identity": job.identity()})

    @staticmethod
    def check(job: Job) -> None:
        """Raise ``LetheError``, before anything is written, if the output would lie in what is only read, or takes the place of a thing.

        Output that an interruption of this job left is no such thing; a link that leads nowhere is.
        """
        if job.out.name in ("", ".."):
            raise LetheError(f"--out {job.out}: names no new folder; give one that does not exist yet, such as {job.out / job.command}")
        begun, there = (job.folder / "journal.sqlite").is_file(), Path(os.path.realpath(job.out.parent)) / job.out.name
        for place in map(Path, map(os.path.realpath, (job.checkpoint.root, *job.beside))):
            if there.is_relative_to(place):
                raise LetheError(f"--out {job.out}: lies inside the input, which is never changed; choose a place out of {place}")
        if cache := next((one for one in there.parents if is_cache(one)), None):
            raise LetheError(f"--out {job.out}: lies inside a cache of models, which is never changed; choose a place out of {cache}")
        if os.path.lexists(job.out) and not (begun and not (job.folder / "output").exists()):
            raise LetheError(f"--out {job.out}: exists; choose another name or remove it")
        if os.path.lexists(job.report) and not begun:
            raise LetheError(f"--out {job.out}: {job.report} exists; choose another name or remove it")
        if os.path.lexists(job.folder) and not (job.folder / "lock").is_file():
            raise LetheError(f"{job.folder}: is in the way; remove it or choose another --out")

    def _hold(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise LetheError(f"{self.folder}: another process is at work here; wait for it") from None

    def _let_go(self) -> None:
        self.journal.close()
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._let_go()
        if isinstance(error, LetheError) and not isinstance(error, (UnfinishedError, StoppedError)):
            shutil.rmtree(self.folder)

    @property
    def delivered(self) -> bool:
        """Whether the output already has its final name, so that only the cleanup was interrupted."""
        return "delivering" in self.journal.of("job") and not self.growing.exists() and self.job.out.exists()

    def done(self) -> dict[str, Any]:
        """Return the report of the layers in the journal, by layer name."""
        return {name: json.loads(value) for name, value in self.journal.of("layer").items()}

    def copy(self, step: Callable[[int], None]) -> None:
        """Copy the output's files that are not copied yet; ``step`` is called with the number of files done."""
        paths, ready = self.job.checkpoint.copied(), self.journal.of("file")
        root = self.job.checkpoint.root
        wanted = sum((root / path).stat().st_size for path in paths if str(path) not in ready)
        if shutil.disk_usage(self.folder).free < wanted + _SPARE:
            raise LetheError(f"--out {self.job.out}: {wanted / 1e9:.1f} GB are to be written and do not fit there; choose another disk")
        for path in paths:
            if str(path) not in ready:
                there = self.destination(path)
                there.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(root / path, there)
                _to_disk(there)
                self.journal.keep("file", {str(path): ""})
            step(1)

    def destination(self, path: Path) -> Path:
        """Return where a file of the input belongs in the unfinished output; a single file is the output itself."""
        return self.growing if self.job.checkpoint.alone else within(self.growing, self.growing / path)

    def rewrite(self, groups: Sequence[Sequence[Layer]], change: Change, step: Callable[[int], None]) -> None:
        """Change the layers that are not in the journal, group by group; ``step`` is called with the number of layers done.

        ``change`` receives the weights of the input and must return new ones of the same dtypes.
        """
        checkpoint, ready = self.job.checkpoint, self.journal.of("layer")
        for group in groups:
            if any(layer.name not in ready for layer in group):
                try:
                    new, facts = change({layer.name: tensors.read(checkpoint.shard(layer), layer.tensor) for layer in group})
                except ValueError as error:
                    raise LetheError(f"{checkpoint.denoiser}: {error}") from None
                check_written(checkpoint.denoiser, new)
                for layer in group:
                    entry = checkpoint.headers[layer.shard].tensors[layer.tensor]
                    there = self.destination(checkpoint.shard(layer).relative_to(checkpoint.root))
                    tensors.write(there, entry, new[layer.name])
                self.journal.keep("layer", {layer.name: json.dumps(facts[layer.name]) for layer in group})
            step(len(group))

    def deliver(self, report: dict[str, Any] | None) -> None:
        """Write the report, rename the output to its final name, and clean up."""
        if not self.delivered:
            if report is not None:
                draft = self.folder / "report.json"
                draft.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
                _to_disk(draft)
                draft.replace(self.job.report)
            self.journal.keep("job", {"delivering": ""})
            self.growing.rename(self.job.out)
            _to_disk(self.job.out.parent)
        shutil.rmtree(self.folder)


def groups(layers: Sequence[Layer], device: str) -> list[list[Layer]]:
    """Return the layers in groups: on CUDA up to eight of equal shape, which are processed together; one by one on a CPU."""
    if device != "cuda":
        return [[layer] for layer in layers]
    by_shape: dict[tuple[int, int], list[Layer]] = {}
    for layer in layers:
        by_shape.setdefault(layer.shape, []).append(layer)
    return [alike[i : i + 8] for alike in by_shape.values() for i in range(0, len(alike), 8)]


def stamps(checkpoint: Checkpoint) -> dict[str, list[int]]:
    """Return size and time of change of a checkpoint's weight files, by name."""
    found = {name: (checkpoint.denoiser / name).stat() for name in checkpoint.headers}
    return {name: [one.st_size, one.st_mtime_ns] for name, one in found.items()}


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
