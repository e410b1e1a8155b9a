"""Policies for averaging models from which some clients have cut entries.

An entry counts as cut by a client if the client's mask says so. Shares are the clients' weights, scaled to sum to 1. Sums run in float64
in the order given.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, PositiveFloat

from clients.spec import Registry, Spec
from server.diffusion.release.replies import Aggregate, Layer, Reply, Weights

if TYPE_CHECKING:
    from torch import Tensor

    from server.defences.secret import Secret

Budget = Annotated[float, Field(gt=0, le=1)]


class BudgetError(ValueError):
    """A client's mask cuts more than the budget of one erasure."""


class PolicySpec(Spec):
    """Base class of a policy in scenarios; ``budget`` is the largest share of a layer that one client may cut.

    Parameters
    ----------
    budget : float
        Largest share of a layer that one client may cut.
    """

    keeps_erasure: ClassVar[bool]
    """Whether an entry cut by one client is cut in the aggregate, whatever the others send."""
    freezes: ClassVar[bool] = False
    """Whether entries cut in the aggregate stay cut in every later round."""
    collects_statistics: ClassVar[bool] = False
    """Whether clients send activation statistics instead of cutting."""
    knob: ClassVar[str] = ""
    """The setting that is always shown with the kind."""
    budget: Budget = 1.0

    @property
    def name(self) -> str:
        """The kind with its knob and every setting that differs from its default, as in ``vote(0.3)``; equal names mean equal policies."""
        told = [f"{getattr(self, self.knob):g}"] if self.knob else []
        for key, field in type(self).model_fields.items():
            if key not in ("kind", self.knob) and getattr(self, key) != field.default:
                told.append(f"{key} {getattr(self, key)}")
        kind = self.tag
        return f"{kind}({', '.join(told)})" if told else kind

    def aggregate(self, replies: Sequence[Reply], secret: Secret | None = None) -> Aggregate:
        """Return the aggregated layers.

        Parameters
        ----------
        replies : sequence of Reply
            In the order of the peers.
        secret : Secret, optional
            Key of the fill; required by policies that fill.

        Raises
        ------
        BudgetError
            If a client's mask exceeds the budget; the message names the client.
        ValueError
            If there are no replies, the replies do not fit each other, or a required secret is missing.
        """
        check(replies, self.budget)
        folded, frozen = {}, {}
        for name in replies[0].weights:
            folded[name], frozen[name] = self.fold(Layer.of(name, replies))
        return self.finish(Aggregate(folded, frozen), secret)

    def affords(self, reply: Reply) -> bool:
        """Return whether a client's mask stays within the budget in every layer."""
        return max((float(mask.double().mean()) for mask in reply.masks.values()), default=0.0) <= self.budget

    @abstractmethod
    def fold(self, layer: Layer) -> tuple[Tensor, Tensor]:
        """Return one layer's aggregated weights, and the mask of entries that must keep their value."""

    def finish(self, aggregate: Aggregate, secret: Secret | None) -> Aggregate:
        """Return the aggregate after the steps that concern all layers together."""
        return aggregate


class Mean(PolicySpec):
    """The plain mean. It dilutes: an entry cut by a share q of clients comes out ``1 - q`` times its size, not zero."""

    keeps_erasure: ClassVar[bool] = False
    kind: Literal["mean"] = "mean"

    def fold(self, layer: Layer) -> tuple[Tensor, Tensor]:
        """Return the mean; only entries that all clients cut are certain to be zero."""
        return layer.cast(layer.sum_of_kept()), layer.intersection()


class MaskedMean(PolicySpec):
    """The mean over the clients that kept an entry: one client that did not cut revives it in full."""

    keeps_erasure: ClassVar[bool] = False
    kind: Literal["masked_mean"] = "masked_mean"

    def fold(self, layer: Layer) -> tuple[Tensor, Tensor]:
        """Return the mean of the kept entries."""
        return layer.cast(layer.mean_of_kept()), layer.intersection()


class UnionZero(PolicySpec):
    """Zero wherever any client cut; the mean elsewhere. One client can cut anything, up to the budget.

    By default, the budget has room for two concepts as ``concept_prune`` cuts them from a small denoiser (0.3 of a layer), and not for
    half of every layer, with which one client would ruin the model for all. The largest 0.3 of every layer pass, and ruin it as well: where
    clients are not trusted, take `Vote`.

    Parameters
    ----------
    budget : float
        Largest share of a layer that one client may cut; above it, all that the client sent is refused.
    """

    keeps_erasure: ClassVar[bool] = True
    freezes: ClassVar[bool] = True
    kind: Literal["union_zero"] = "union_zero"
    budget: Budget = 0.35

    def fold(self, layer: Layer) -> tuple[Tensor, Tensor]:
        """Return the mean with the union cut out."""
        union = layer.union()
        return layer.cast(layer.sum_of_kept().masked_fill(union, 0.0)), union


class Vote(PolicySpec):
    """Zero where at least a share ``threshold`` of the clients cut; elsewhere ``losers`` says how entries cut by few are averaged.

    A threshold of 0 asks for one client only.

    Parameters
    ----------
    threshold : float
        Share of the clients that must have cut.
    losers : {"masked_mean", "mean"}
        How entries are averaged that fewer have cut.
    """

    keeps_erasure: ClassVar[bool] = False
    freezes: ClassVar[bool] = True
    knob: ClassVar[str] = "threshold"
    kind: Literal["vote"] = "vote"
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.5
    losers: Literal["masked_mean", "mean"] = "masked_mean"

    def fold(self, layer: Layer) -> tuple[Tensor, Tensor]:
        """Return the layer with the entries that won the vote cut out."""
        won = (layer.cut_share() >= self.threshold - 1e-12) & layer.union()  # shares are sums of floats
        mean = layer.mean_of_kept() if self.losers == "masked_mean" else layer.sum_of_kept()
        return layer.cast(mean.masked_fill(won, 0.0)), won


class UnionNoise(UnionZero):
    """As ``union_zero``, then filled once, on the server, with noise of ``ratio`` times the layer's own standard deviation.

    Parameters
    ----------
    ratio : float
        Standard deviation of the noise, in those of the layer.
    """

    knob: ClassVar[str] = "ratio"
    kind: Literal["union_noise"] = "union_noise"  # type: ignore[assignment]
    ratio: PositiveFloat = 1.0

    def finish(self, aggregate: Aggregate, secret: Secret | None) -> Aggregate:
        """Fill the cut entries, except in a layer that is cut whole."""
        from server.defences.filling import fillable
        from server.defences.fills import Gaussian

        if secret is None:
            raise ValueError('policy "union_noise" draws a fill: give it a secret')
        sealed = Gaussian(relative=self.ratio).seal(aggregate.weights, fillable(aggregate.frozen), secret)
        return Aggregate(sealed.weights, aggregate.frozen)


POLICIES: Registry[PolicySpec] = Registry(
    "lethe.policies",
    "server.diffusion.release.policies:PolicySpec",
    {
        "masked_mean": "server.diffusion.release.policies:MaskedMean",
        "mean": "server.diffusion.release.policies:Mean",
        "server_mask": "server.diffusion.release.server_mask:ServerMask",
        "union_noise": "server.diffusion.release.policies:UnionNoise",
        "union_zero": "server.diffusion.release.policies:UnionZero",
        "vote": "server.diffusion.release.policies:Vote",
    },
)


def check(replies: Sequence[Reply], budget: float = 1.0) -> None:
    """Raise if replies cannot be aggregated: none given, other layers or shapes, invalid shares, masks above the budget."""
    if not replies or not sum(reply.share for reply in replies) > 0 or min(reply.share for reply in replies) < 0:
        raise ValueError(f"{len(replies)} replies: wants at least one, with shares >= 0, one of them > 0")
    shapes = {name: weight.shape for name, weight in replies[0].weights.items()}
    for reply in replies:
        if {name: weight.shape for name, weight in reply.weights.items()} != shapes:
            raise ValueError(f"client {reply.client}: its layers are not those of client {replies[0].client}; fold one architecture only")
        for name, mask in reply.masks.items():
            if name not in shapes or mask.shape != shapes[name]:
                raise ValueError(f"client {reply.client}: its mask of layer {name} fits no layer of that name")
            cut = float(mask.double().mean())
            if cut > budget:
                over = f"more than the budget of {budget:.1%}; give the policy a larger budget if that is meant"
                raise BudgetError(f"client {reply.client}: its mask cuts {cut:.1%} of layer {name}, {over}")


def hold(weights: Weights, frozen: Mapping[str, Tensor], values: Weights) -> dict[str, Tensor]:
    """Return weights with the frozen entries reset to their values, for every round after an erasure.

    A client that rejoins with old weights therefore cannot restore an entry.
    """
    import torch

    return {name: torch.where(frozen[name], values[name], weight) if name in frozen else weight for name, weight in weights.items()}
