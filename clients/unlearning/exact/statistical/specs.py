"""Scenario tables of learners from sums."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field as Setting
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from clients.data.rows import Rows
from clients.iterations import Iterations
from clients.streams import Field
from clients.unlearning.contract import ExactSpec, Guarantee, Problem, Unlearner, UnlearningError
from clients.unlearning.limits import COUNT_BYTES, beyond, refusal, untrained

if TYPE_CHECKING:
    from clients.unlearning.exact.statistical.fixed import Design

_CAO = "Cao and Yang, Towards Making Systems Forget with Machine Unlearning, IEEE S&P 2015"
_GINART = "Ginart, Guan, Valiant, Zou, Making AI Forget You: Data Deletion in Machine Learning, NeurIPS 2019"


class Summed(ExactSpec):
    """Base class with public bounds of the features, for data sets that do not describe their columns.

    Parameters
    ----------
    low, high : float
        Public bounds of features without a declared column; values outside are refused.
    """

    source: ClassVar[str] = _CAO

    low: float = 0.0
    high: float = 1.0

    def design(self, problem: Problem, centred: bool = True) -> Design:
        """Return the design, which defines the sums."""
        from clients.unlearning.exact.statistical.fixed import Design
        from clients.unlearning.tabular import Table

        return Design(Table(problem, (self.low, self.high)), centred)

    def check(self, problem: Problem, rows: Rows) -> str | None:
        """Return an error line if rows violate the public bounds or the sums exceed a limit, else None."""
        size, steps = self._takes(problem, len(rows))
        kind = str(getattr(self, "kind"))  # noqa: B009  every registered spec has a tag
        wrong = beyond(f"{kind} on {width(problem)} columns", len(rows), size, steps, "ask for fewer columns, clusters or iterations")
        return wrong or refusal(lambda: self.build(problem, ()).begin(rows))

    def state_bytes(self, problem: Problem, rows: int) -> int | None:
        """Return the bytes of the sums, of k-means in every step."""
        from clients.unlearning.exact.statistical.learner import SumLearner

        built = self.build(problem, ())
        if isinstance(built, SumLearner):
            return COUNT_BYTES + sum(8 * prod(shape) for shape in built.shapes.values())
        return untrained(self, problem)

    def _takes(self, problem: Problem, rows: int) -> tuple[int, int]:
        """Return the bytes of the sums and the learned parameters, here products of all columns, and the steps in thousands."""
        return 5 * 8 * (width(problem) + problem.classes) ** 2, 0


def width(problem: Problem) -> int:
    """Return the number of summed columns; a categorical feature counts one per category."""
    return sum(max(column.categories, 1) for column in problem.columns) or prod(problem.shape)


class NaiveBayes(Summed):
    """Naive Bayes.

    Parameters
    ----------
    distribution : {"gaussian", "multinomial", "bernoulli"}
        Distribution of the features within a class.
    alpha : float
        Added to every count (``multinomial``, ``bernoulli``).
    smoothing : float
        Share of the largest variance that is added to all (``gaussian``).
    threshold : float
        Value that a feature must exceed to count as present (``bernoulli``).
    """

    adds: ClassVar[bool] = True
    corrects: ClassVar[bool] = True
    summary: ClassVar[str] = "naive Bayes from counts and sums per class; forgets by subtraction"

    kind: Literal["naive_bayes"] = "naive_bayes"
    distribution: Literal["gaussian", "multinomial", "bernoulli"] = "gaussian"
    alpha: PositiveFloat = 1.0
    smoothing: NonNegativeFloat = 1e-9
    threshold: float = 0.0

    def _takes(self, problem: Problem, rows: int) -> tuple[int, int]:
        """Return the bytes of the sums of all classes, and no steps."""
        return 6 * 8 * problem.classes * width(problem), 0

    def build(self, problem: Problem, key: tuple[Field, ...]) -> Unlearner[Any, Any]:
        """Return the untrained unlearner; ``UnlearningError`` for fewer than two classes."""
        from clients.unlearning.exact.statistical import bayes

        if problem.classes < 2:
            raise UnlearningError("naive_bayes: the problem has one class: it needs at least two")
        if self.distribution == "gaussian":
            return bayes.Gaussian(problem, self.design(problem), self.smoothing)
        if self.distribution == "multinomial":
            return bayes.Multinomial(problem, self.design(problem, centred=False), self.alpha)
        return bayes.Bernoulli(problem, self.design(problem, centred=False), self.alpha, self.threshold)


class Ridge(Summed):
    """Ridge regression, one per class if there are several; ordinary least squares with ``alpha = 0``.

    Parameters
    ----------
    alpha : float
        Weight of the squared coefficients.
    target : pair of float
        Bounds of a regression's targets.
    """

    adds: ClassVar[bool] = True
    corrects: ClassVar[bool] = True
    regressor: ClassVar[bool] = True
    summary: ClassVar[str] = "linear and ridge regression (one per class) from moments; forgets by subtraction"

    kind: Literal["ridge"] = "ridge"
    alpha: NonNegativeFloat = 1.0
    target: tuple[float, float] = (0.0, 1.0)

    def build(self, problem: Problem, key: tuple[Field, ...]) -> Unlearner[Any, Any]:
        """Return the untrained unlearner."""
        from clients.unlearning.exact.statistical.ridge import Linear

        return Linear(problem, self.design(problem), self.alpha, self.target)


class Pca(Summed):
    """Principal components; with several classes, a nearest-mean classifier in their space.

    Parameters
    ----------
    components : int
        Number of components.
    """

    classifier: ClassVar[bool] = False
    adds: ClassVar[bool] = True
    corrects: ClassVar[bool] = True
    summary: ClassVar[str] = "principal components from moments, nearest class mean; forgets by subtraction"

    kind: Literal["pca"] = "pca"
    components: PositiveInt = 8

    def build(self, problem: Problem, key: tuple[Field, ...]) -> Unlearner[Any, Any]:
        """Return the untrained unlearner; ``UnlearningError`` for more components than columns."""
        from clients.unlearning.exact.statistical.pca import Components

        return Components(problem, self.design(problem), self.components)


class ItemItem(Summed):
    """Item-item recommender: a row holds a user's ratings, and a class is an item."""

    classifier: ClassVar[bool] = False
    adds: ClassVar[bool] = True
    corrects: ClassVar[bool] = True
    summary: ClassVar[str] = "item-item recommender from co-occurrence sums; forgets users by subtraction"

    kind: Literal["item_item"] = "item_item"

    def build(self, problem: Problem, key: tuple[Field, ...]) -> Unlearner[Any, Any]:
        """Return the untrained unlearner; ``UnlearningError`` unless there are as many classes as items."""
        from clients.unlearning.exact.statistical import recommender

        return recommender.ItemItem(problem, self.design(problem, centred=False))


class _Clusters(Summed):
    """k-means of either kind.

    Parameters
    ----------
    clusters : int
        Number of clusters.
    iterations : int
        Steps of the algorithm.
    """

    classifier: ClassVar[bool] = False

    clusters: PositiveInt = 10
    iterations: Iterations = 10

    def _takes(self, problem: Problem, rows: int) -> tuple[int, int]:
        """Return the bytes of all steps' centroids and sums, and the row-centroid visits in thousands."""
        wide = width(problem)
        return 8 * wide * (2 * (self.iterations + 1) * self.clusters + rows), self.iterations * self.clusters * rows * wide // 1000


class QuantisedKMeans(_Clusters):
    """k-means with quantised centroids.

    Parameters
    ----------
    grid : float
        Distance of grid lines, as a share of a feature's half range.
    """

    summary: ClassVar[str] = "k-means with quantised centroids; repeats only the steps whose centroids move"
    source: ClassVar[str] = _GINART

    kind: Literal["quantised_kmeans"] = "quantised_kmeans"
    grid: Annotated[float, Setting(gt=0, le=1)] = 0.05

    def build(self, problem: Problem, key: tuple[Field, ...]) -> Unlearner[Any, Any]:
        """Return the untrained unlearner."""
        from clients.unlearning.exact.statistical import kmeans

        return kmeans.KMeans(problem, self.design(problem), key, self.clusters, self.iterations, self.grid, adaptive=False)


class AdaptiveKMeans(_Clusters):
    """k-means that continues from its current centroids when rows are forgotten; retraining may find another optimum."""

    guarantee: ClassVar[Guarantee] = "approximate"
    summary: ClassVar[str] = "k-means that goes on from its present centroids"

    kind: Literal["kmeans"] = "kmeans"

    def build(self, problem: Problem, key: tuple[Field, ...]) -> Unlearner[Any, Any]:
        """Return the untrained unlearner."""
        from clients.unlearning.exact.statistical import kmeans

        return kmeans.KMeans(problem, self.design(problem), key, self.clusters, self.iterations, 2.0**-20, adaptive=True)
