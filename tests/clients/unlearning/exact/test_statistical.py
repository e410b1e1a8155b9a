"""Learners from sums equal scikit-learn's refit, and forget without leaving a byte."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from sklearn.linear_model import Ridge as SkRidge
from sklearn.metrics.pairwise import cosine_similarity, pairwise_distances_argmin_min
from sklearn.naive_bayes import BernoulliNB, GaussianNB, MultinomialNB

from clients import wire
from clients.data.rows import Column, Rows
from clients.unlearning.contract import Problem, UnlearnerSpec, UnlearningError
from clients.unlearning.exact.statistical import fixed
from clients.unlearning.exact.statistical.learner import SumLearner
from clients.unlearning.exact.statistical.specs import AdaptiveKMeans, ItemItem, NaiveBayes, Pca, QuantisedKMeans, Ridge


def table(name: str = "digits") -> tuple[Rows, Problem]:
    source = {"digits": load_digits, "wine": load_wine, "cancer": load_breast_cancer}[name]()
    x = (source.data - source.data.min(axis=0)) / np.maximum(np.ptp(source.data, axis=0), 1e-9)
    x = x.astype(np.float32)
    rows = Rows(np.arange(len(x)) * 3 + 7, x, source.target.astype(np.int64))
    return rows, Problem((x.shape[1],), len(source.target_names))


EXACT: dict[str, UnlearnerSpec] = {
    "gaussian": NaiveBayes(),
    "multinomial": NaiveBayes(distribution="multinomial"),
    "bernoulli": NaiveBayes(distribution="bernoulli", threshold=0.5),
    "ridge": Ridge(alpha=0.5),
    "linear": Ridge(alpha=0.0),
    "pca": Pca(components=6),
    "quantised_kmeans": QuantisedKMeans(clusters=7),
}


def blob(model: Any) -> bytes:
    return wire.to_bytes(model.state())


def fitted(spec: UnlearnerSpec, rows: Rows, problem: Problem) -> Any:
    model = spec.build(problem, (11, "main"))
    model.fit(rows)
    return model


@pytest.mark.parametrize("name", EXACT)
def test_two_hundred_single_deletions_and_a_tenth_at_once_leave_the_refit(name: str) -> None:
    rows, problem = table()
    gone = np.random.default_rng(3).choice(rows.ids, 200, replace=False)
    one_by_one, at_once = fitted(EXACT[name], rows, problem), fitted(EXACT[name], rows, problem)
    for i in gone:
        one_by_one.forget(np.array([i]))
    assert blob(one_by_one) == blob(fitted(EXACT[name], rows.without(gone), problem))
    tenth = np.random.default_rng(4).choice(rows.ids, len(rows) // 10, replace=False)
    at_once.forget(tenth)
    refit = fitted(EXACT[name], rows.without(tenth), problem)
    assert blob(at_once) == blob(refit)
    assert at_once.predict_proba(rows.x).tobytes() == refit.predict_proba(rows.x).tobytes()
    assert blob(at_once) != blob(fitted(EXACT[name], rows, problem))


@pytest.mark.parametrize("name", EXACT)
def test_forgetting_everything_or_a_class_is_never_having_had_it(name: str) -> None:
    rows, problem = table("wine")
    model = fitted(EXACT[name], rows, problem)
    model.forget(rows.ids[rows.y == 1])
    assert blob(model) == blob(fitted(EXACT[name], rows.keep(rows.y != 1), problem))
    if name not in ("ridge", "linear", "quantised_kmeans"):
        assert (model.predict_proba(rows.x)[:, 1] == 0).all()
    model.forget(rows.ids[rows.y != 1])
    assert blob(model) == blob(fitted(EXACT[name], rows.keep(rows.y > 9), problem))
    assert np.allclose(model.predict_proba(rows.x[:3]), 1 / 3)


@pytest.mark.parametrize("name", EXACT)
def test_state_survives_saving(name: str) -> None:
    rows, problem = table("wine")
    model = fitted(EXACT[name], rows, problem)
    other = EXACT[name].build(problem, (11, "main"))
    other.restore(wire.from_bytes(blob(model)), rows)
    for m in (model, other):
        m.forget(rows.ids[5:9])
    assert blob(other) == blob(model)
    with pytest.raises(UnlearningError, match="rows that were held"):
        other.restore(wire.from_bytes(blob(model)), rows)


@pytest.mark.parametrize("forgotten", ["one", "dozens", "class"])
def test_predictions_and_attributes_are_those_of_scikit_learn(forgotten: str) -> None:
    rows, problem = table("cancer")
    gone = {"one": rows.ids[:1], "dozens": rows.ids[::13], "class": rows.ids[rows.y == 0]}[forgotten]
    kept = rows.without(gone)
    x, y = kept.x.astype(np.float64), kept.y
    present = np.unique(y)

    def after(spec: UnlearnerSpec) -> Any:
        model = fitted(spec, rows, problem)
        model.forget(gone)
        return model

    bell, oracle = after(NaiveBayes()), GaussianNB().fit(x, y)
    close(bell.theta_[present], oracle.theta_)
    close(bell.var_[present], oracle.var_)
    close(bell.epsilon_, oracle.epsilon_)
    close(bell.class_prior_[present], oracle.class_prior_)
    answers_alike(bell, oracle, kept, present)
    for name, theirs in (("multinomial", MultinomialNB()), ("bernoulli", BernoulliNB(binarize=0.5))):
        ours = after(EXACT[name])
        theirs.fit(x, y)
        close(ours.feature_log_prob_[present], theirs.feature_log_prob_)
        close(ours.class_log_prior_[present], theirs.class_log_prior_)
        close(ours.feature_count_[present], theirs.feature_count_)
        answers_alike(ours, theirs, kept, present)
    ridge, refit = after(Ridge(alpha=0.5)), SkRidge(alpha=0.5).fit(x, np.eye(2)[y])
    close(ridge.coef_, refit.coef_)
    close(ridge.intercept_, refit.intercept_)
    close(ridge.scores(kept.x), refit.predict(x))
    axes, pca = after(Pca(components=6)), PCA(6, svd_solver="full").fit(x)
    close(axes.components_, pca.components_)
    close(axes.explained_variance_, pca.explained_variance_)
    close(axes.explained_variance_ratio_, pca.explained_variance_ratio_)
    close(axes.singular_values_, pca.singular_values_)
    close(axes.transform(kept.x), pca.transform(x))
    close(axes.noise_variance_, pca.noise_variance_)
    close(axes.mean_, pca.mean_)
    assert axes.n_components_ == pca.n_components_


def answers_alike(ours: Any, theirs: Any, kept: Rows, present: np.ndarray) -> None:
    """Compare float64 answers; what the contract asks for, `predict_proba`, is their rounding to float32."""
    x = kept.x.astype(np.float64)
    logarithms = ours.predict_log_proba(kept.x)
    close(logarithms[:, present], theirs.predict_log_proba(x))
    close(np.exp(logarithms[:, present]), theirs.predict_proba(x))
    close(ours.predict_joint_log_proba(kept.x)[:, present], theirs.predict_joint_log_proba(x))
    assert (np.delete(logarithms, present, axis=1) == -np.inf).all()
    assert (ours.predict(kept.x) == theirs.predict(x)).all()
    assert set(theirs.classes_) == set(present) <= set(ours.classes_)
    close(ours.class_count_[present], theirs.class_count_)
    np.testing.assert_allclose(ours.predict_proba(kept.x), np.exp(logarithms), rtol=0, atol=2.0**-24)


def test_no_axis_left_out_leaves_no_noise_nor_do_fewer_rows_than_axes() -> None:
    rows, problem = table("wine")
    few = rows.keep(rows.ids < 40)
    for components, given in ((13, rows), (5, few), (11, few)):
        ours, theirs = fitted(Pca(components=components), given, problem), PCA(min(components, len(given)), svd_solver="full")
        theirs.fit(given.x.astype(np.float64))
        close(ours.noise_variance_, theirs.noise_variance_)


def test_names_of_clusters_mean_what_they_do_in_scikit_learn() -> None:
    rows, problem = table("wine")
    model = fitted(QuantisedKMeans(clusters=5), rows, problem)
    assert model.n_iter_ == 10
    model.forget(rows.ids[::4])
    x = rows.without(rows.ids[::4]).x.astype(np.float64)
    place, away = pairwise_distances_argmin_min(x, model.cluster_centers_, metric="sqeuclidean")
    assert (model.labels_ == place).all()
    close(model.inertia_, away.sum())
    assert model.inertia_ < ((x - x.mean(axis=0)) ** 2).sum() / 2


def close(ours: Any, theirs: Any, tolerance: float = 1e-9) -> None:
    scale = max(1.0, float(np.abs(theirs).max()))
    assert np.abs(np.asarray(ours) - np.asarray(theirs)).max() <= tolerance * scale


def test_regression_of_numbers_is_scikit_learns() -> None:
    source = load_diabetes()
    rows = Rows(np.arange(len(source.data)), source.data.astype(np.float32), source.target)
    problem = Problem((10,), 1)
    gone = rows.ids[::7]
    kept = rows.without(gone)
    for alpha, oracle in ((0.0, LinearRegression()), (0.3, SkRidge(alpha=0.3))):
        model = fitted(Ridge(alpha=alpha, target=(0, 400), low=-1), rows, problem)
        model.forget(gone)
        oracle.fit(kept.x.astype(np.float64), kept.y)
        close(model.coef_, oracle.coef_)
        close(model.predict(kept.x), oracle.predict(kept.x.astype(np.float64)))
    with pytest.raises(UnlearningError, match="outside the public"):
        model.begin(Rows(rows.ids, rows.x, rows.y * 9))


def test_least_squares_of_dependent_columns_has_the_least_norm() -> None:
    rng = np.random.default_rng(0)
    x = rng.random((60, 5), dtype=np.float32)
    x = np.hstack([x, x[:, :2]])
    y = rng.random(60)
    model = fitted(Ridge(alpha=0.0), Rows(np.arange(60), x, y), Problem((7,), 1))
    close(model.coef_, LinearRegression().fit(x.astype(np.float64), y).coef_)


@pytest.mark.parametrize("alpha", [1e-300, 1e-12])
def test_a_penalty_too_small_to_count_still_gives_the_least_norm(alpha: float) -> None:
    rng = np.random.default_rng(5)
    half = rng.random((60, 3), dtype=np.float32)
    model = fitted(Ridge(alpha=alpha), Rows(np.arange(60), np.hstack([half, half]), rng.random(60)), Problem((6,), 1))
    assert np.abs(model.coef_[:3] - model.coef_[3:]).max() < 0.01 * np.abs(model.coef_).max()


def test_single_rows_of_a_table_with_categories_are_taken_out_whole() -> None:
    rng = np.random.default_rng(6)
    x = np.stack([rng.random(90), rng.integers(0, 3, 90), rng.random(90), rng.integers(0, 2, 90)], axis=1).astype(np.float32)
    columns = (Column("a", 0, 1), Column("b", 0, 2, 3), Column("c", 0, 2), Column("d", 0, 1, 2))
    rows, problem = Rows(np.arange(90), x, rng.integers(0, 3, 90)), Problem((4,), 3, columns=columns)
    model = fitted(Ridge(), rows, problem)
    for i in range(0, 90, 4):
        model.forget(np.array([i]))
    refit = fitted(Ridge(), rows.keep(rows.ids % 4 > 0), problem)
    assert blob(model) == blob(refit)
    assert model.coef_.tobytes() == refit.coef_.tobytes()


def test_a_mean_far_from_the_public_centre_costs_no_digits() -> None:
    rng = np.random.default_rng(1)
    x = (900 + 0.05 * rng.random((500, 4))).astype(np.float32)
    y = rng.random(500)
    model = fitted(Ridge(alpha=1e-4, low=-1000, high=1000), Rows(np.arange(500), x, y), Problem((4,), 1))
    close(model.coef_, SkRidge(alpha=1e-4, solver="svd").fit(x.astype(np.float64), y).coef_, 1e-8)


def test_item_similarities_are_cosines_and_users_can_be_forgotten() -> None:
    ratings = np.random.default_rng(2).integers(0, 6, (80, 12)).astype(np.float32) * (np.random.default_rng(3).random((80, 12)) < 0.4)
    rows = Rows(np.arange(80), ratings, np.zeros(80, np.int64))
    model = fitted(ItemItem(high=5), rows, Problem((12,), 12))
    model.forget(rows.ids[10:30])
    kept = rows.without(rows.ids[10:30])
    assert blob(model) == blob(fitted(ItemItem(high=5), kept, Problem((12,), 12)))
    likeness = cosine_similarity(kept.x.T.astype(np.float64))
    np.fill_diagonal(likeness, 0)
    close(model.similarity_, likeness)
    best = model.recommend(kept.x[:4], 3)
    assert (kept.x[:4][np.arange(4)[:, None], best] == 0).all()
    assert np.allclose(model.predict_proba(kept.x).sum(axis=1), 1)
    with pytest.raises(UnlearningError, match="as many"):
        ItemItem(high=5).build(Problem((12,), 3), (0,))


def test_categories_are_one_column_each_and_unseen_ones_are_refused() -> None:
    rng = np.random.default_rng(5)
    codes = rng.integers(0, 3, 90)
    x = np.stack([rng.random(90), codes], axis=1).astype(np.float32)
    y = (codes == 1).astype(np.int64)
    problem = Problem((2,), 2, columns=(Column("a", 0, 1), Column("b", 0, 2, 3)))
    model = fitted(Ridge(), Rows(np.arange(90), x, y), problem)
    close(model.coef_, SkRidge().fit(np.hstack([x[:, :1], np.eye(3)[codes]]).astype(np.float64), np.eye(2)[y]).coef_)
    before = blob(model)
    for value in (3, -1, 0.5, np.nan):
        bad = x.copy()
        bad[4, 1] = value
        with pytest.raises(UnlearningError, match="row 4, column b"):
            model.begin(Rows(np.arange(90), bad, y))
    assert blob(model) == before


@pytest.mark.parametrize("name", [*EXACT, "kmeans"])
def test_bad_input_changes_nothing(name: str) -> None:
    rows, problem = table("wine")
    spec = EXACT.get(name, AdaptiveKMeans(clusters=4))
    model = fitted(spec, rows, problem)
    model.forget(rows.ids[:1])
    before = blob(model)
    x = rows.x.copy()
    x[3, 2] = np.nan
    wild = rows.x.copy()
    wild[3, 2] = 40
    for ids in ([rows.ids[0]], [rows.ids[4], rows.ids[4]], [rows.ids[4], -5], [10**9]):
        with pytest.raises(UnlearningError, match="row"):
            model.forget(np.array(ids))
    unordered = Rows(rows.ids[::-1], rows.x, rows.y)
    for bad, said in (
        (Rows(rows.ids, x, rows.y), "nan is no possible value"),
        (Rows(rows.ids, wild, rows.y), "40.0 lies outside the public range"),
        (Rows(rows.ids, rows.x, rows.y + 1), "label 3 is none of the 3 classes"),
        (unordered, "repeated or out of order"),
    ):
        with pytest.raises(UnlearningError, match=said):
            model.begin(bad)
    with pytest.raises(UnlearningError, match="features"):
        model.predict_proba(rows.x[:, 1:])
    assert blob(model) == before


def test_naive_bayes_refuses_a_problem_of_one_class() -> None:
    with pytest.raises(UnlearningError, match="at least two"):
        NaiveBayes().build(Problem((3,), 1), (0,))


def test_inputs_of_any_shape_are_flattened() -> None:
    rows, problem = table()
    images = Rows(rows.ids, rows.x.reshape(-1, 1, 8, 8), rows.y)
    flat, square = fitted(Ridge(), rows, problem), fitted(Ridge(), images, Problem((1, 8, 8), 10))
    assert blob(flat) == blob(square)
    assert (square.predict_proba(images.x).argmax(1) == rows.y).mean() > 0.9


def test_planted_faults_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, problem = table("wine")
    expected = blob(fitted(Ridge(), rows.without(rows.ids[:6]), problem))

    def after() -> bytes:
        model = fitted(Ridge(), rows, problem)
        model.forget(rows.ids[:6])
        return blob(model)

    assert after() == expected
    with monkeypatch.context() as patch:  # the last row of a request is ignored
        patch.setattr(SumLearner, "take_out", lambda self, p: fixed.subtract(self.sums, self.contribution(rows.x[p[:-1]], rows.y[p[:-1]])))
        assert after() != expected
    with monkeypatch.context() as patch:  # one statistic is not updated
        patch.setattr("clients.unlearning.exact.statistical.learner.subtract", lambda sums, part: fixed.subtract(sums, {"n": part["n"]}))
        assert after() != expected


def test_plain_float_sums_would_fail() -> None:
    rows, _ = table("cancer")
    x = rows.x.astype(np.float64) * 1.1
    running = x.T @ x
    for row in x[:200]:
        running -= np.outer(row, row)
    assert running.tobytes() != (x[200:].T @ x[200:]).tobytes()


def test_quantised_kmeans_rarely_repeats_steps_and_adaptive_is_not_exact() -> None:
    rows, problem = table()
    coarse = fitted(QuantisedKMeans(clusters=5, grid=1.0, iterations=4), rows, problem)
    costs = [coarse.forget(rows.ids[i : i + 1]).cost.parts for i in range(60)]
    assert sum(cost == 0 for cost in costs) > 30
    adaptive = fitted(AdaptiveKMeans(clusters=7, iterations=3), rows, problem)
    adaptive.forget(rows.ids[::5])
    again = fitted(AdaptiveKMeans(clusters=7, iterations=3), rows.without(rows.ids[::5]), problem)
    assert AdaptiveKMeans.guarantee == "approximate"
    assert blob(adaptive) != blob(again)
    within = [((rows.x - m.cluster_centers_[m.predict(rows.x)]) ** 2).sum() for m in (adaptive, again)]
    assert within[0] < 1.1 * within[1]
