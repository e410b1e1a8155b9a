import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from sklearn import datasets

from clients.data import DATASETS, DataError, load
from clients.data.bundled import BreastCancer, Digits, Wine
from clients.data.csv import Csv
from clients.data.idx import Idx
from clients.data.npz import Npz


@pytest.mark.parametrize(
    ("spec", "original"),
    [(Digits(), datasets.load_digits), (BreastCancer(), datasets.load_breast_cancer), (Wine(), datasets.load_wine)],
    ids=lambda value: getattr(value, "dataset", ""),
)
def test_bundled_sets_are_scikit_learns_own_scaled(spec, original):
    data, (x, y) = load(spec), original(return_X_y=True)
    names = getattr(original(), "feature_names", [])
    low, high = (0, 16) if spec.dataset == "digits" else (x.min(axis=0), x.max(axis=0))
    np.testing.assert_allclose(data.x.reshape(len(x), -1), (x - low) / (high - low), atol=1e-6)
    assert data.x.dtype == np.float32
    assert data.y.dtype == np.int64
    assert np.array_equal(data.y, y)
    assert data.classes == len(set(y))
    if data.columns:
        assert [column.name for column in data.columns] == list(names)


def test_digits_are_images():
    assert load(Digits()).shape == (1, 8, 8)


def test_a_limit_keeps_a_fixed_choice_of_rows_of_all_classes():
    whole, some = load(Digits()), load(Digits(rows=300))
    fewer = load(Digits(rows=299))
    assert len(some) == 300
    assert set(some.y.tolist()) == set(range(10))
    rows = {image.tobytes() for image in some.x}
    assert rows <= {image.tobytes() for image in whole.x}
    assert {image.tobytes() for image in fewer.x} <= rows
    assert not np.array_equal(some.x, whole.x[:300])


def test_a_set_is_read_once_a_process():
    assert load(Digits()) is load(Digits())


def test_more_rows_than_there_are_is_answered():
    with pytest.raises(DataError, match=r"rows = 2000, but the source has 1797: ask for at most 1797"):
        load(Digits(rows=2000))


def write_idx(path: Path, array: np.ndarray, zipped: bool) -> None:
    blob = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(blob) if zipped else blob)


@pytest.fixture
def idx_folder(tmp_path):
    images = np.arange(6 * 28 * 28).reshape(6, 28, 28) % 256
    write_idx(tmp_path / "t10k-images-idx3-ubyte", images[4:], zipped=False)
    write_idx(tmp_path / "t10k-labels-idx1-ubyte.gz", np.array([7, 3]), zipped=True)
    write_idx(tmp_path / "train-images-idx3-ubyte.gz", images[:4], zipped=True)
    write_idx(tmp_path / "train-labels-idx1-ubyte", np.array([0, 1, 0, 3]), zipped=False)
    return tmp_path


def test_idx_reads_a_folder_and_a_prefix(idx_folder):
    both, train = load(Idx(path=str(idx_folder))), load(Idx(path=str(idx_folder / "train")))
    assert both.x.shape == (6, 1, 28, 28)
    assert both.labels == ("0", "1", "3", "7")
    assert both.y.tolist() == [3, 2, 0, 1, 0, 2]
    assert train.x.shape == (4, 1, 28, 28)
    assert train.x[0, 0, 0, :3].tolist() == pytest.approx([0, 1 / 255, 2 / 255])


def test_idx_troubles_name_the_file(idx_folder):
    (idx_folder / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte.gz: its labels are missing: put train-labels-idx1-ubyte"):
        load(Idx(path=str(idx_folder)))
    (idx_folder / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01\0\0\0\x09abc")
    with pytest.raises(DataError, match="not what its header announces"):
        load(Idx(path=str(idx_folder / "train"), rows=1))
    (idx_folder / "train-labels-idx1-ubyte").write_bytes(b"hello")
    with pytest.raises(DataError, match="is no IDX file"):
        load(Idx(path=str(idx_folder / "train"), rows=2))
    with pytest.raises(DataError, match=r"no file \*images\*idx3\* there"):
        load(Idx(path=str(idx_folder / "nowhere")))


def test_npz_makes_images_channels_first_and_joins_train_and_test(tmp_path):
    x = np.arange(5 * 4 * 4 * 3, dtype=np.uint8).reshape(5, 4, 4, 3)
    np.savez(tmp_path / "a.npz", x_train=x[:3], y_train=[[0], [1], [2]], x_test=x[3:], y_test=[[2], [0]], classes=["a", "b", "c"])
    data = load(Npz(path=str(tmp_path / "a.npz")))
    assert data.x.shape == (5, 3, 4, 4)
    assert data.labels == ("a", "b", "c")
    assert data.y.tolist() == [0, 1, 2, 2, 0]
    assert data.x[1, 2, 3, 0] == pytest.approx(x[1, 3, 0, 2] / 255)


def test_npz_keeps_tables_of_floats(tmp_path):
    np.savez(tmp_path / "t.npz", x=np.array([[0.5, -2.0], [1.0, 3.0]]), y=[5, 9])
    data = load(Npz(path=str(tmp_path / "t.npz")))
    assert data.x.tolist() == [[0.5, -2.0], [1.0, 3.0]]
    assert data.y.tolist() == [0, 1]
    assert data.labels == ("5", "9")


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"a": [1]}, "it needs arrays x and y"),
        ({"x": [[1.0]], "y": [1, 2]}, r"x has shape \(1, 1\) and y \(2,\)"),
        ({"x": np.array([["a"]]), "y": [1]}, "it needs numbers"),
        ({"x": [[np.nan]], "y": [1]}, "not finite"),
        ({"x": [[1.0]], "y": [3], "classes": ["a"]}, "make them agree"),
        ({"x": np.array([[{}]], dtype=object), "y": [1]}, "without objects"),
    ],
)
def test_npz_troubles_have_a_cure(tmp_path, arrays, words):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(DataError, match=words) as error:
        load(Npz(path=str(tmp_path / "bad.npz")))
    assert "\n" not in str(error.value)


def test_npz_that_is_none(tmp_path):
    (tmp_path / "no.npz").write_text("hello")
    with pytest.raises(DataError, match="cannot be read as npz"):
        load(Npz(path=str(tmp_path / "no.npz")))
    with pytest.raises(DataError, match="there is no such npz file"):
        load(Npz(path=str(tmp_path / "gone.npz")))


TABLE = "age, job, wage\n20, cook, yes\n60, clerk, no\n40, cook, no\n"


def test_csv_scales_numbers_and_codes_words(tmp_path):
    (tmp_path / "t.csv").write_text(TABLE)
    data = load(Csv(path=str(tmp_path / "t.csv"), label="wage"))
    assert data.x.tolist() == [[0, 1], [1, 0], [0.5, 1]]
    assert data.y.tolist() == [1, 0, 0]
    assert data.labels == ("no", "yes")
    age, job = data.columns
    assert (age.name, age.low, age.high, age.categories) == ("age", 0, 1, 0)
    assert (job.name, job.low, job.high, job.categories) == ("job", 0, 1, 2)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        (("x_train", "y_train", "x_test"), "holds x_test without y_test: add y_test, or remove x_test"),
        (("x", "y", "y_train"), "holds y_train without x_train: add x_train, or remove y_train"),
        (("x", "y", "x_train", "y_train"), "holds x and y beside x_train and y_train: remove the one pair or the other"),
        (("x_train", "y_train", "x_test", "y_test"), "x_train holds uint8, x_test float64: give them the same type"),
    ],
)
def test_npz_arrays_that_would_be_dropped_or_scaled_unlike_others_are_refused(tmp_path, arrays, words):
    held = {"x": np.zeros((4, 2)), "y": np.arange(4) % 2, "x_train": np.full((4, 2), 200, np.uint8), "x_test": np.full((4, 2), 0.5)}
    np.savez(tmp_path / "a.npz", **{name: held[name if name in held else "y"] for name in arrays})
    with pytest.raises(DataError, match=words):
        Npz(path=str(tmp_path / "a.npz")).load()


def test_csv_takes_a_label_in_front_no_header_and_named_categories(tmp_path):
    (tmp_path / "t.csv").write_text("1,10,3\n0,2,5\n1,10,4\n")
    data = load(Csv(path=str(tmp_path / "t.csv"), label=0, header=False, categorical=("c1",)))
    assert data.x.tolist() == [[1, 0], [0, 1], [1, 0.5]]
    assert [column.categories for column in data.columns] == [2, 0]


@pytest.mark.parametrize(
    ("text", "keys", "words"),
    [
        (TABLE, {"label": "pay"}, "label = 'pay' is no column: the columns are age, job, wage"),
        (TABLE, {"label": 3}, "label = 3 is no column"),
        (TABLE + "3,4\n", {}, "line 5 has 2 cells, the first has 3"),
        (TABLE, {"categorical": ()}, "column job holds 'cook', which is no number: add it to categorical"),
        ("a\n1\n", {}, "only one column"),
        ("", {}, "has no rows"),
        ("a,b\n", {}, "has no rows"),
    ],
)
def test_csv_troubles_have_a_cure(tmp_path, text, keys, words):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match=words) as error:
        load(Csv(path=str(tmp_path / "t.csv"), **keys))
    assert "\n" not in str(error.value)


def test_adult_and_shoppers(shared_data):
    adult = load(Csv(path=str(shared_data / "adult.csv"), header=False))
    assert adult.x.shape == (32561, 14)
    assert adult.labels == ("<=50K", ">50K")
    assert [column.categories for column in adult.columns] == [0, 9, 0, 16, 0, 7, 15, 6, 5, 2, 0, 0, 0, 42]
    assert np.bincount(adult.y).tolist() == [24720, 7841]
    shoppers = load(Csv(path=str(shared_data / "shopping.csv"), label="Revenue"))
    assert shoppers.x.shape == (12330, 17)
    assert {c.name: c.categories for c in shoppers.columns if c.categories} == {"Month": 10, "VisitorType": 3, "Weekend": 2}


def test_mnist_and_cifar(shared_data):
    mnist = load(Idx(path=str(shared_data / "mnist" / "t10k"), rows=500))
    assert mnist.shape == (1, 28, 28)
    assert mnist.labels == tuple("0123456789")
    cifar = load(Npz(path=str(shared_data / "cifar10-12k.npz"), rows=500))
    assert cifar.x.shape == (500, 3, 32, 32)
    assert cifar.labels[0] == "airplane"
    assert 0 <= cifar.x.min() < cifar.x.max() <= 1


def test_every_registered_set_names_its_dataset():
    for name in DATASETS.targets():
        assert DATASETS.load(name).model_fields["dataset"].default == name
