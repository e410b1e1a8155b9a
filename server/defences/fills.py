"""The fills, by ``kind``."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveFloat, model_validator

from clients.spec import Registry, Spec

if TYPE_CHECKING:
    from torch import Tensor

    from server.defences.filling import Sealed
    from server.defences.secret import Secret

Share = Annotated[float, Field(ge=0, le=1)]


class FillSpec(Spec):
    """Base class of fills in scenarios; ``seal`` applies the fill."""

    def seal(self, weights: Mapping[str, Tensor], masks: Mapping[str, Tensor], secret: Secret) -> Sealed:
        """Return the weights with the masked entries filled.

        Parameters
        ----------
        weights : mapping of str to tensor, shape (m, n)
            Values of masked entries are not read. Layers that are not in ``masks`` are returned unchanged.
        masks : mapping of str to bool tensor
        secret : Secret
            Keys every draw, together with the layer's name.
        """
        from server.defences.filling import seal_layers

        return seal_layers(self.draw, weights, masks, secret)

    @abstractmethod
    def draw(self, weight: Tensor, mask: Tensor, secret: Secret, name: str) -> tuple[Tensor, Tensor]:
        """Return float64 values for one layer and the bool mask of the entries to fill; values elsewhere are ignored."""


class Gaussian(FillSpec):
    """Independent zero-mean noise: ``relative`` times the standard deviation of the layer's untouched entries, or ``absolute``.

    A scale of zero is refused: it would leave the plain cut and call it filled.

    Parameters
    ----------
    relative : float, optional
        Standard deviation, in those of the layer's untouched entries.
    absolute : float, optional
        Standard deviation as it is; give one of the two.
    """

    kind: Literal["gaussian"] = "gaussian"
    relative: PositiveFloat | None = None
    absolute: PositiveFloat | None = None

    @model_validator(mode="after")
    def _one_scale(self) -> Gaussian:
        if self.relative is not None and self.absolute is not None:
            raise ValueError("give relative or absolute, not both")
        return self

    def draw(self, weight: Tensor, mask: Tensor, secret: Secret, name: str) -> tuple[Tensor, Tensor]:
        """Draw noise for the masked entries, by default with one standard deviation of the layer."""
        from clients.unlearning.filling import spread
        from server.defences import filling

        relative = 1.0 if self.relative is None else self.relative
        sigma = self.absolute if self.absolute is not None else relative * spread(weight, mask)
        return filling.normal(weight, secret, name) * sigma, mask


class Permuted(FillSpec):
    """Surviving values of the same row or column, drawn at random and given random signs: histogram and grid are the layer's own.

    Parameters
    ----------
    along : {"row", "column"}
        Where surviving values are drawn from.
    """

    kind: Literal["permuted"] = "permuted"
    along: Literal["row", "column"] = "row"

    def draw(self, weight: Tensor, mask: Tensor, secret: Secret, name: str) -> tuple[Tensor, Tensor]:
        """Draw surviving values for the masked entries."""
        from server.defences import filling

        return filling.survivors(weight, mask, secret, name, self.along), mask


class RelativeFill(FillSpec):
    """Base class of fills by Gaussian noise on the layer's own scale.

    Parameters
    ----------
    relative : float
        Standard deviation, in those of the layer's untouched entries.
    """

    relative: PositiveFloat = 1.0

    def noise(self, weight: Tensor, mask: Tensor, secret: Secret, name: str) -> Tensor:
        """Draw independent zero-mean noise, float64, shape (m, n)."""
        from clients.unlearning.filling import spread
        from server.defences import filling

        return filling.normal(weight, secret, name) * (self.relative * spread(weight, mask))


class Contrary(RelativeFill):
    """Gaussian sizes with the sign opposite to completion's guess on the surest ``share`` of places, random signs elsewhere.

    Parameters
    ----------
    share : float
        Share of entries, most confident first, that get the opposite sign.
    """

    kind: Literal["contrary"] = "contrary"
    share: Share = 0.6

    def draw(self, weight: Tensor, mask: Tensor, secret: Secret, name: str) -> tuple[Tensor, Tensor]:
        """Draw noise with chosen signs."""
        from server.defences import structured

        return structured.contrary(weight, mask, secret, name, self.share, self.relative), mask


class Decoys(RelativeFill):
    """Gaussian fill, and as much again in columns outside the cut: ``share`` of those columns, with masks like the true ones.

    Parameters
    ----------
    share : float
        Share of the columns outside the cut that are filled.
    """

    kind: Literal["decoys"] = "decoys"
    share: Share = 0.25

    def draw(self, weight: Tensor, mask: Tensor, secret: Secret, name: str) -> tuple[Tensor, Tensor]:
        """Draw noise for the cut and the decoys."""
        from server.defences import structured

        return self.noise(weight, mask, secret, name), structured.with_decoys(mask, secret, name, self.share)


class ClosedColumns(RelativeFill):
    """Gaussian fill of whole columns once at least ``share`` of a column is cut: nothing is left there to complete from.

    Parameters
    ----------
    share : float
        Share of a column that must be cut for the whole to be filled.
    """

    kind: Literal["closed_columns"] = "closed_columns"
    share: Share = 0.5

    def draw(self, weight: Tensor, mask: Tensor, secret: Secret, name: str) -> tuple[Tensor, Tensor]:
        """Draw noise for the mask and the closed columns."""
        closed = mask | ((mask.double().mean(dim=0, keepdim=True) >= self.share) & mask.any(dim=0, keepdim=True))
        return self.noise(weight, mask, secret, name), closed


class RedrawnColumns(FillSpec):
    """Every edited column drawn anew, whole, as untouched columns are: the less of it survived, the less its survivors count.

    Writes over what survived in edited columns, so that not even the mask tells enough to complete them.
    """

    kind: Literal["redrawn_columns"] = "redrawn_columns"

    def draw(self, weight: Tensor, mask: Tensor, secret: Secret, name: str) -> tuple[Tensor, Tensor]:
        """Draw the edited columns, and mark whole columns as filled."""
        from server.defences import redrawing

        return redrawing.redrawn_columns(weight, mask, secret, name), mask.any(dim=0).expand_as(mask).clone()


FILLS: Registry[FillSpec] = Registry(
    "lethe.fills",
    "server.defences.fills:FillSpec",
    {
        "closed_columns": "server.defences.fills:ClosedColumns",
        "contrary": "server.defences.fills:Contrary",
        "decoys": "server.defences.fills:Decoys",
        "gaussian": "server.defences.fills:Gaussian",
        "permuted": "server.defences.fills:Permuted",
        "redrawn_columns": "server.defences.fills:RedrawnColumns",
    },
)
