"""The defence of a released checkpoint: fill the zeros with noise, so that the cut cannot be located."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from server.defences.fills import FillSpec
from server.defences.secret import Secret
from simulator.checkpoints import tensors
from simulator.checkpoints.cut import all_zero, find_cut
from simulator.checkpoints.exposure import exposure, warnings
from simulator.checkpoints.finite import check_weights
from simulator.checkpoints.folder import find
from simulator.checkpoints.progress import Bars
from simulator.checkpoints.workshop import Job, UnfinishedError, Workshop, groups
from simulator.errors import LetheError

if TYPE_CHECKING:
    from torch import Tensor

LONGEST_KEY = 1 << 20
"""In bytes."""


def read_key(path: Path | None) -> Secret:
    """Return the secret in a file, or a fresh one from the system; ``LetheError`` if the file holds less than 16 bytes."""
    if path is None:
        return Secret.new()
    try:
        if path.exists() and not (path.is_file() and path.stat().st_size <= LONGEST_KEY):
            raise LetheError(f"--key {path}: is no file of at most {LONGEST_KEY} bytes; make one with: head -c 32 /dev/urandom")
        return Secret(path.read_bytes())
    except OSError as error:
        raise LetheError(f"--key {path}: cannot be read ({error.strerror}); give a file of at least 16 secret bytes") from None
    except ValueError:
        raise LetheError(f"--key {path}: holds {path.stat().st_size} bytes; wants at least 16, from: head -c 32 /dev/urandom") from None


def seal_checkpoint(root: Path, out: Path, fill: FillSpec, key: Path | None, variant: str | None = None) -> str:
    """Write a copy of a checkpoint with its cut filled; return a line on what was done, and one for each trace that tests still see.

    Only the output remains: neither the secret nor the location of the cut is written anywhere.

    Parameters
    ----------
    root, out : Path
        The input, which is never changed, and the folder to create.
    fill : FillSpec
    key : Path or None
        A file of at least 16 secret bytes, for a reproducible fill. Without it, a resumed job continues with a new secret.
    variant : str, optional
    """
    secret, checkpoint = read_key(key), find(root, variant)
    job = Job("seal", checkpoint, out, fill.model_dump(mode="json") | {"keyed": key is not None})
    Workshop.check(job)
    check_weights(checkpoint)
    with Bars() as bars:
        found, layers = find_cut(checkpoint, bars)
        with Workshop(job) as shop:
            if not shop.delivered:
                if key is not None:
                    _check_key(shop, fill, secret, key)
                shop.copy(bars.stage("copying files", len(checkpoint.copied())))
                step = bars.stage("sealing layers", len(layers))
                shop.rewrite(groups(layers, "cpu"), lambda weights: _sealed(weights, fill, secret), step)
            seen = shop.done()
            shop.deliver(None)
    count, filled = sum(found[layer.name].count for layer in layers), sum(int(one["filled"]) for one in seen.values())
    what = f"{count} zeros" if filled == count else f"{filled} of {count} zeros"
    done = f"{what} filled in {len(layers)} of {len(found)} layers ({job.settings['kind']}){all_zero(found)}"
    return job.said(done) + warnings(seen)


def _sealed(weights: dict[str, Tensor], fill: FillSpec, secret: Secret) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return a group's filled weights, how many zeros of each layer are none any more, and what is still seen of its cut.

    ``ValueError`` if most of a layer's fill would be zero, as where it is too small for the dtype.
    """
    masks = {name: weight == 0 for name, weight in weights.items()}
    sealed, told = fill.seal(weights, masks, secret).weights, {}
    for name, mask in masks.items():
        count, filled = int(mask.sum()), int(sealed[name][mask].count_nonzero())
        if filled < count / 2:
            what = f"{count - filled} of {count} values of the fill would be zero in {str(sealed[name].dtype).removeprefix('torch.')}"
            raise ValueError(f"{name}: {what}; give a larger fill, or another kind (--fill)")
        told[name] = {"filled": float(filled), **exposure(sealed[name], mask)}
    return sealed, told


def _check_key(shop: Workshop, fill: FillSpec, secret: Secret, key: Path) -> None:
    """Raise if layers in the journal were filled with another key; one layer is filled again to compare, as no key is stored."""
    checkpoint, done = shop.job.checkpoint, shop.done()
    for layer in checkpoint.layers:
        if layer.name in done:
            cut = tensors.read(checkpoint.shard(layer), layer.tensor)
            again = fill.seal({layer.name: cut}, {layer.name: cut == 0}, secret).weights[layer.name]
            there = tensors.read(shop.destination(checkpoint.shard(layer).relative_to(checkpoint.root)), layer.tensor)
            if not torch.equal(again, there):
                raise UnfinishedError(f"--key {key}: {shop.folder} was begun with another key; give that one, or remove the folder")
            return
