"""Windows of movements: the generated people, UCI HAR from its files, and people dealt to peers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clients.data import DataError, load
from clients.data.activities import LABELS, Activities, BySubject, UciHar
from clients.data.bundled import Wine

SMALL = Activities(subjects=4, windows=3)


def test_windows_are_scaled_and_balanced_and_always_the_same() -> None:
    data = SMALL.load()
    assert data.x.shape == (4 * 6 * 3, 3, 128)
    assert 0 <= data.x.min() < data.x.max() <= 1
    assert np.bincount(data.y).tolist() == [12] * 6
    assert data.labels == LABELS
    assert data.x.tobytes() == SMALL.load().x.tobytes()
    more = Activities(subjects=5, windows=3).load()
    assert more.x[:72].tobytes() == data.x.tobytes(), "a person is the same whoever else is there"


def test_people_differ_more_than_their_own_windows() -> None:
    data = Activities(subjects=6, windows=8).load()
    standing = data.y == LABELS.index("standing")
    levels = data.x[standing].mean(axis=2)
    between = np.array([levels[data.subjects[standing] == person].mean(0) for person in range(6)]).std(0)
    within = np.mean([levels[data.subjects[standing] == person].std(0) for person in range(6)], axis=0)
    assert (between > 2 * within).all()


def test_movements_move_and_postures_do_not() -> None:
    data = SMALL.load()
    spread = np.array([data.x[data.y == label].std(axis=2).mean() for label in range(6)])
    assert spread[:3].min() > 2 * spread[3:].max()


def test_people_go_to_peers_with_all_their_rows() -> None:
    data = load(SMALL)
    ids = np.arange(0, len(data), 2)
    dealt = BySubject().deal(data, ids, 3, 7)
    assert np.array_equal(np.sort(np.concatenate(dealt)), ids)
    people = [set(data.subjects[own].tolist()) for own in dealt]
    assert sorted(map(len, people)) == [1, 1, 2]
    assert not people[0] & people[1] | people[0] & people[2] | people[1] & people[2]
    assert all(np.all(np.diff(own) > 0) for own in dealt)
    again = BySubject().deal(data, ids, 3, 8)
    assert any(not np.array_equal(a, b) for a, b in zip(dealt, again, strict=True)), "the control: another seed deals otherwise"


def test_a_keyed_deal_of_a_person_depends_on_no_other() -> None:
    data, fewer = load(Activities(subjects=9, windows=1)), np.arange(54) < 48
    whole = BySubject(keyed=True).deal(data, np.arange(54), 2, 3)
    part = BySubject(keyed=True).deal(data, np.flatnonzero(fewer), 2, 3)
    assert [own[own < 48].tolist() for own in whole] == [own.tolist() for own in part]


def test_rows_of_a_part_keep_their_people() -> None:
    part = load(Activities(subjects=4, windows=3, rows=20))
    whole = load(SMALL)
    for x, person in zip(part.x, part.subjects, strict=True):
        (place,) = np.flatnonzero((whole.x == x).all(axis=(1, 2)))
        assert whole.subjects[place] == person


@pytest.mark.parametrize(("data", "peers", "said"), [(Wine(), 2, "from no people"), (SMALL, 5, "4 subjects are left for 5 peers")])
def test_impossible_deals_are_refused(data: Activities | Wine, peers: int, said: str) -> None:
    with pytest.raises(DataError, match=said):
        BySubject().deal(load(data), np.arange(len(load(data))), peers, 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of UCI HAR's layout with a few windows."""
    chance = np.random.default_rng(0)
    for part, count in (("train", 5), ("test", 3)):
        (tmp_path / part / "Inertial Signals").mkdir(parents=True)
        for axis in "xyz":
            np.savetxt(tmp_path / part / "Inertial Signals" / f"total_acc_{axis}_{part}.txt", chance.normal(size=(count, 128)), "%16.7e")
        np.savetxt(tmp_path / part / f"y_{part}.txt", np.arange(count) % 6 + 1, "%d")
        np.savetxt(tmp_path / part / f"subject_{part}.txt", 20 + np.arange(count) // 2, "%d")
    return tmp_path


def test_uci_har_is_read_from_its_files(folder: Path) -> None:
    data = load(UciHar(path=str(folder)))
    raw = np.loadtxt(folder / "train" / "Inertial Signals" / "total_acc_y_train.txt")
    assert data.x.shape == (8, 3, 128)
    assert np.allclose(data.x[:5, 1], (np.clip(raw, -2, 2) + 2) / 4, atol=1e-6)
    assert data.y.tolist() == [0, 1, 2, 3, 4, 0, 1, 2]
    assert data.subjects.tolist() == [20, 20, 21, 21, 22, 20, 20, 21]
    assert "lie beyond 2 g" in data.notes[0]


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("train/y_train.txt", None, "no such file"),
        ("train/y_train.txt", "1\n2\n", "different numbers of lines"),
        ("test/y_test.txt", "1\n7\n3\n", "beyond 1 to 6"),
        ("test/subject_test.txt", "1\n2.5\n3\n", "no whole numbers"),
        ("test/subject_test.txt", "1\nnobody\n3\n", "cannot be read"),
        ("test/Inertial Signals/total_acc_x_test.txt", "1 2 3\n" * 3, "128 finite numbers"),
    ],
)
def test_damaged_files_are_answered_in_one_line(folder: Path, file: str, text: str | None, said: str) -> None:
    path = folder / file
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(DataError, match=said) as caught:
        UciHar(path=str(folder)).load()
    assert "\n" not in str(caught.value)
