from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from clients.data.ratings import Ratings, load_ratings, ratings
from clients.unlearning.exact.recommender import bases, partition
from clients.unlearning.exact.recommender.aggregation import Attention, Shards, _squares
from clients.unlearning.exact.recommender.metrics import recall_and_ndcg
from clients.unlearning.exact.recommender.negatives import Negatives
from clients.unlearning.exact.recommender.spec import Bpr, LightGcn, RecEraser, Wmf

BASES = [Bpr(epochs=30, batch_size=32), Wmf(decay=0.5), LightGcn(epochs=30, batch_size=64, layers=2)]


def shelves(users: int = 40, items: int = 30, seed: int = 0) -> Ratings:
    """Users like one of three shelves of items, and a few others; the last user and item have no interaction."""
    rng = np.random.default_rng(seed)
    liked = rng.random((users, items)) < np.where(np.arange(users)[:, None] % 3 == np.arange(items) % 3, 0.6, 0.05)
    liked[-1] = liked[:, -1] = False
    return ratings(*np.nonzero(liked), users, items)


def brute(scores: np.ndarray, seen: Ratings, relevant: Ratings, k: int) -> tuple[float, float]:
    recalls, gains = [], []
    for user in range(seen.users):
        wanted, old = set(relevant.item[relevant.user == user]), set(seen.item[seen.user == user])
        if not wanted:
            continue
        ranking = sorted(set(range(seen.items)) - old, key=lambda item: (-scores[user, item], item))[:k]
        recalls.append(len(wanted & set(ranking)) / len(wanted))
        dcg = sum(1 / np.log2(rank + 2) for rank, item in enumerate(ranking) if item in wanted)
        gains.append(dcg / sum(1 / np.log2(rank + 2) for rank in range(min(k, len(wanted)))))
    return float(np.mean(recalls)), float(np.mean(gains))


@pytest.mark.parametrize("k", [1, 5, 10])
def test_metrics_equal_brute_force_and_leave_out_the_seen(k: int) -> None:
    rng = np.random.default_rng(k)
    data = shelves()
    test = rng.random(len(data)) < 0.3
    seen, relevant = data.keep(~test), data.keep(test)
    for scores in (rng.normal(size=(40, 30)), rng.integers(0, 3, (40, 30)).astype(float)):
        assert recall_and_ndcg(scores, seen, relevant, k) == pytest.approx(brute(scores, seen, relevant, k))
    boosted = rng.normal(size=(40, 30)) + 100 * seen.matrix().toarray()
    assert recall_and_ndcg(boosted, seen, relevant, k)[1] == pytest.approx(brute(boosted, seen, relevant, k)[1])
    assert recall_and_ndcg(data.matrix().toarray(), seen, relevant, 30) == (1.0, 1.0)


def test_negatives_are_no_positives_and_keyed_to_the_pair() -> None:
    data = shelves()
    drawn = Negatives(data, ("n",)).draw(3)
    assert not np.isin(data.user * data.items + drawn, data.ids).any()
    assert set(drawn) <= set(data.item)
    assert not np.array_equal(drawn, Negatives(data, ("n",)).draw(4))
    fewer = data.keep(data.user != 4)  # another user's absence moves nobody's negatives
    assert np.array_equal(np.unique(fewer.item), np.unique(data.item))
    assert np.array_equal(drawn[data.user != 4], Negatives(fewer, ("n",)).draw(3))


def test_a_user_who_likes_all_has_no_negative() -> None:
    data = ratings([0, 0, 0, 1], [0, 1, 2, 1], 2, 3)
    assert Negatives(data, ()).draw(0)[:3].tolist() == [-1, -1, -1]
    assert Negatives(data, ()).draw(0)[3] in (0, 2)


@pytest.mark.parametrize("base", BASES, ids=lambda base: base.kind)
def test_bases_rank_held_out_items_of_the_right_shelf_first(base: Bpr | Wmf | LightGcn) -> None:
    data = shelves(seed=1)
    test = np.random.default_rng(2).random(len(data)) < 0.2
    users, items, _ = bases.train(base, 8, data.keep(~test), ("b",))
    _, ndcg = recall_and_ndcg(users @ items.T, data.keep(~test), data.keep(test), 5)
    _, chance = recall_and_ndcg(np.random.default_rng(3).normal(size=(40, 30)), data.keep(~test), data.keep(test), 5)
    assert ndcg > chance + 0.2


@pytest.mark.parametrize("base", BASES, ids=lambda base: base.kind)
def test_those_without_interactions_keep_their_initial_vectors(base: Bpr | Wmf | LightGcn) -> None:
    data = shelves()
    users, items, _ = bases.train(base, 8, data, ("b",))
    for vectors, side in ((users, "user"), (items, "item")):
        first = bases.initial(len(vectors), 8, ("b", side))
        assert np.array_equal(vectors[-1], first[-1])
        assert (vectors[:-1] != first[:-1]).any(axis=1).all()


def test_hand_made_gradients_follow_the_loss() -> None:
    """One batch, one step of Adagrad moves every coordinate by lr against the sign of autograd's gradient."""
    data = shelves(12, 9)
    base = Bpr(epochs=1, batch_size=1000, lr=0.01)
    users, items, _ = bases.train(base, 4, data, ("g",))
    u = torch.tensor(bases.initial(12, 4, ("g", "user")), requires_grad=True)
    v = torch.tensor(bases.initial(9, 4, ("g", "item")), requires_grad=True)
    _, _, i, j, k = next(bases.triples(data, 1, 1000, ("g",)))
    p, q, r = u[i], v[j], v[k]
    loss = torch.nn.functional.softplus(-((q - r) * p).sum(1)) + base.decay / 2 * (p.square() + q.square() + r.square()).sum(1)
    loss.sum().backward()
    for new, old in ((users, u), (items, v)):
        assert old.grad is not None
        moved = new - old.detach().numpy()
        assert np.abs(moved[:-1] + base.lr * np.sign(old.grad[:-1].numpy())).max() < 1e-4


def test_least_squares_are_a_minimum() -> None:
    data = shelves(12, 9)
    base = Wmf(epochs=60, decay=0.3)
    users, items, _ = bases.train(base, 3, data, ("w",))
    seen = data.matrix().toarray()[:-1, :-1]

    def loss(u: np.ndarray, v: np.ndarray) -> float:
        return float((np.where(seen > 0, 1, base.weight) * (seen - u @ v.T) ** 2).sum() + base.decay * ((u**2).sum() + (v**2).sum()))

    best, rng = loss(users[:-1], items[:-1]), np.random.default_rng(0)
    for _ in range(50):
        assert best < loss(users[:-1] + 0.02 * rng.normal(size=(11, 3)), items[:-1] + 0.02 * rng.normal(size=(8, 3)))


@pytest.mark.parametrize("kind", ["keyed", "ubp", "ibp", "inbp"])
def test_partitions_keep_their_promise(kind: partition.Kind) -> None:
    data, shards = shelves(), 4
    vectors = partition.pretrained(data, 8, ("p",))
    place = partition.deal(kind, data, vectors, shards, 0.2, ("p",))
    assert place.shape == data.user.shape
    assert set(place) <= set(range(shards))
    for column, one in ((data.user, "ubp"), (data.item, "ibp")):
        homes = [len(set(place[column == element])) for element in np.unique(column)]
        assert (max(homes) == 1) == (kind == one)
        if kind == one:
            firsts = np.unique(column, return_index=True)[1]
            assert np.bincount(place[firsts]).max() <= partition.capacity(len(firsts), shards, 0.2)
    if kind == "inbp":
        assert np.bincount(place).max() <= partition.capacity(len(data), shards, 0.2)


@pytest.mark.parametrize("kind", ["ubp", "ibp", "inbp"])
def test_shards_hold_what_is_alike(kind: partition.Kind) -> None:
    data = shelves(90, 60)
    place = partition.deal(kind, data, partition.pretrained(data, 8, ("p",)), 3, 0.2, ("p",))
    shelf = data.item % 3

    def purity(shards: np.ndarray) -> float:
        return float(np.mean([np.bincount(shelf[shards == s], minlength=3).max() / (shards == s).sum() for s in range(3)]))

    assert purity(place) > purity(np.random.default_rng(0).permutation(place)) + 0.2


def two_shards() -> tuple[Shards, Ratings]:
    data = shelves()
    parts = [data.keep(data.user % 2 == side) for side in (0, 1)]
    return Shards([bases.train(BASES[1], 8, part, ("s", s))[:2] for s, part in enumerate(parts)], parts), data


def test_attention_weights_sum_to_one() -> None:
    shards, _ = two_shards()
    _, who = shards.item_present.nonzero(as_tuple=True)
    weights = Attention(2, 8, 4, ("a",)).weights("item", shards.items[shards.item_present], who, shards.items.shape[1])
    totals = np.bincount(who, weights=weights.detach().numpy(), minlength=shards.items.shape[1])
    assert totals[:-1] == pytest.approx(1)
    assert totals[-1] == 0, "the last item occurs nowhere"
    assert ((weights > 0) & (weights < 1)).any()


def test_shards_without_the_user_have_no_voice() -> None:
    shards, _ = two_shards()
    model = Attention(2, 8, 4, ("a",))
    before = shards.joined(model)[0]
    shards.users[~shards.user_present] = torch.nan
    assert torch.equal(shards.joined(model)[0], before)
    assert (before[-1] == 0).all(), "the last user occurs nowhere"


@pytest.mark.parametrize("batch_size", [50, 10_000])
def test_the_squares_of_all_pairs_are_summed_without_their_scores(batch_size: int) -> None:
    shards, data = two_shards()
    options = RecEraser(base=BASES[1], shards=2, dim=8, attention=4, epochs=1, batch_size=batch_size, dropout=0)
    model = Attention(2, 8, 4, ("a",))
    users, items = (side.detach().numpy() for side in shards.joined(model))
    target = data.matrix().toarray()
    brute = (np.where(target > 0, 1, BASES[1].weight) * np.square(target - users @ items.T)).sum()
    batches = [loss.item() for loss in _squares(options, BASES[1], model, shards, data, ("a",))]
    assert len(batches) == -(-len(data) // batch_size)
    if len(batches) == 1:
        assert batches[0] * len(data) == pytest.approx(brute, rel=1e-5)
    else:
        assert np.mean(batches) * len(data) == pytest.approx(brute, rel=0.1), "batches differ in size"


def test_identity_transfers_give_a_single_home_back() -> None:
    shards, _ = two_shards()
    joined = shards.joined(Attention(2, 8, 4, ("a",)))[0].detach()
    for user in (0, 1, 6, 9):
        torch.testing.assert_close(joined[user], shards.users[user % 2, user])


def test_mean_scores_skip_shards_without_the_pair() -> None:
    shards, _ = two_shards()
    scores = shards.mean_scores()
    torch.testing.assert_close(scores[4, :-1], (shards.users[0, 4] @ shards.items[0].T * shards.item_present[0])[:-1])
    assert (scores[-1] == 0).all()


def test_movielens_clusters_are_balanced(shared_data) -> None:  # type: ignore[no-untyped-def]
    data = load_ratings(shared_data / "ml-100k-ratings.csv")
    vectors = partition.pretrained(data, 8, (0,))
    place = partition.deal("ubp", data, vectors, 10, 0.2, (0,))
    firsts = np.unique(data.user, return_index=True)[1]
    assert np.bincount(place[firsts]).max() <= 114


def test_a_user_folded_in_minimises_the_weighted_squares() -> None:
    rng = np.random.default_rng(4)
    items, base = rng.random((12, 3), dtype=np.float32), Wmf(weight=0.2, decay=0.7)
    seen = np.array([[1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1], [0] * 12], np.float32)
    found = bases.fold_in(base, sp.csr_matrix(seen), torch.tensor(items)).numpy()
    weight = np.where(seen[0] > 0, 1.0, 0.2)
    wanted = np.linalg.solve((items.T * weight) @ items + 0.7 * np.eye(3), items.T @ seen[0])
    np.testing.assert_allclose(found[0], wanted, rtol=1e-4)
    assert not found[1].any(), "of whom nothing is known, nothing is said"
