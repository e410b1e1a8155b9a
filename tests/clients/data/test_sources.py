"""Parquet files, folders of images, and Hugging Face folders."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from clients.data import DataError, DatasetSpec, load
from clients.data.csv import Csv
from clients.data.huggingface import HuggingFace
from clients.data.images import Images
from clients.data.parquet import Parquet


@pytest.fixture(autouse=True)
def _fresh() -> None:
    load.cache_clear()


def frame(count: int = 40) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    colours = np.array(["red", "blue", "green"])[np.arange(count) % 3]
    return pd.DataFrame({"a": draw.normal(size=count).round(3), "n": np.arange(count), "colour": colours, "label": np.arange(count) % 2})


def refused(spec: DatasetSpec) -> str:
    with pytest.raises(DataError) as error:
        load(spec)
    assert "\n" not in str(error.value)
    return str(error.value)


# ---- Parquet


def test_parquet_reads_as_the_same_table_in_csv(tmp_path: Path) -> None:
    frame().to_parquet(tmp_path / "t.parquet")
    frame().to_csv(tmp_path / "t.csv", index=False)
    typed, text = load(Parquet(path=str(tmp_path / "t.parquet"))), load(Csv(path=str(tmp_path / "t.csv")))
    assert typed.x.tobytes() == text.x.tobytes()
    assert (typed.y.tolist(), typed.labels) == (text.y.tolist(), text.labels)
    assert (typed.columns, typed.categories) == (text.columns, text.categories)
    assert typed.categories[2] == ("blue", "green", "red")


def test_parquet_takes_types_as_they_are(tmp_path: Path) -> None:
    table = frame().assign(colour=lambda t: t.colour.astype("category"), yes=lambda t: t.a > 0)
    table = table.assign(label=lambda t: t.label.map({0: "no", 1: "yes"}))
    table.to_parquet(tmp_path / "t.parquet")
    data = load(Parquet(path=str(tmp_path / "t.parquet"), label="label"))
    assert data.labels == ("no", "yes")
    assert {column.name: column.categories for column in data.columns} == {"a": 0, "n": 0, "colour": 3, "yes": 2}
    assert load(Parquet(path=str(tmp_path / "t.parquet"), label="label", categorical=("n", "colour", "yes"))).columns[1].categories == 40


def test_an_index_of_pandas_is_left_out_and_told(tmp_path: Path) -> None:
    frame().sample(frac=1, random_state=0).to_parquet(tmp_path / "t.parquet", index=True)
    data = load(Parquet(path=str(tmp_path / "t.parquet"), label="label"))
    assert [column.name for column in data.columns] == ["a", "n", "colour"]
    assert "__index_level_0__" in data.notes[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"a": [None, *range(39)]}, "row 0 (from 0): column a"),
        ({"a": [np.inf, *range(39)]}, "row 0 (from 0): column a has no finite number"),
        ({"colour": [*["red"] * 39, None]}, "row 39 (from 0): column colour is null"),
        ({"colour": [*map(str, range(39)), "?"]}, "column colour holds '?', which is no number"),
        ({"when": pd.date_range("2020-01-01", periods=40)}, "column when holds timestamp"),
        ({"many": [[1, 2]] * 40}, "column many holds list"),
        ({"label": [None, *[1.0] * 39]}, "column label is null"),
        ({"label": [-1, *[0, 1, 2] * 13]}, "label '-1'"),
        ({"label": np.linspace(0, 1, 40)}, "which are no classes"),
    ],
)
def test_parquet_troubles_have_a_cure(tmp_path: Path, changes: dict[str, object], words: str) -> None:
    frame().assign(**changes).to_parquet(tmp_path / "t.parquet")
    assert words in refused(Parquet(path=str(tmp_path / "t.parquet"), label="label"))


def test_damaged_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    frame().to_parquet(path)
    whole = path.read_bytes()
    for blob in (whole[: len(whole) // 2], b"PAR1" + whole[40:], b"hello", b""):
        path.write_bytes(blob)
        load.cache_clear()
        assert "cannot be read as Parquet" in refused(Parquet(path=str(path)))


# ---- folders of images


def save(path: Path, pixels: np.ndarray, mode: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels.astype(np.uint8))
    (image if mode is None else image.convert(mode)).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    draw = np.random.default_rng(2)
    for i in range(6):
        save(tmp_path / "pets" / ("cat" if i < 2 else "dog") / f"{i}.png", draw.integers(0, 256, (5, 4, 3)))
    return tmp_path / "pets"


def test_a_folder_is_a_class(folder: Path) -> None:
    (folder / ".DS_Store").write_text("hidden")
    data = load(Images(path=str(folder)))
    assert (data.x.shape, data.labels, data.y.tolist()) == ((6, 3, 5, 4), ("cat", "dog"), [0, 0, 1, 1, 1, 1])
    pixels = np.asarray(Image.open(folder / "cat" / "1.png"))
    assert data.x[1, 2, 3, 0] == pytest.approx(pixels[3, 0, 2] / 255)


def test_grey_images_become_coloured_beside_coloured_ones(folder: Path) -> None:
    save(folder / "cat" / "7.png", np.full((5, 4), 51))
    data = load(Images(path=str(folder)))
    assert data.x[2].shape == (3, 5, 4)
    assert np.allclose(data.x[2], 0.2)
    for path in folder.glob("*/*.png"):
        save(path, np.full((5, 4), 51))
    load.cache_clear()
    assert load(Images(path=str(folder))).shape == (1, 5, 4)


@pytest.mark.parametrize("mode", ["P", "1", "LA", "RGBA"])
def test_other_modes_keep_their_colours(folder: Path, mode: str) -> None:
    save(folder / "cat" / "7.png", np.full((5, 4, 3), 255), mode)
    data = load(Images(path=str(folder)))
    assert len(data) == 7
    assert np.all(data.x[2] == 1)


def test_folders_of_images_that_are_none_are_refused(folder: Path) -> None:
    def trouble(path: Path, blob: bytes) -> str:
        load.cache_clear()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(blob)
        line = refused(Images(path=str(folder)))
        path.unlink()
        return line

    whole = (folder / "cat" / "0.png").read_bytes()
    assert "7.png: cannot be read as an image" in trouble(folder / "cat" / "7.png", whole[:60])
    assert "7.png: cannot be read as an image" in trouble(folder / "cat" / "7.png", b"hello")
    assert "lies in no class's folder" in trouble(folder / "7.png", whole)
    save(folder / "cat" / "7.png", np.zeros((6, 4, 3)))
    load.cache_clear()
    assert "is 4 x 6, the first image 4 x 5" in refused(Images(path=str(folder)))
    (folder / "cat" / "7.png").unlink()
    (folder / "bird").mkdir()
    assert "bird: holds no image" in refused(Images(path=str(folder)))
    (folder / "bird" / "small").mkdir()
    assert "is no file" in refused(Images(path=str(folder)))
    assert "no such folder" in refused(Images(path=str(folder / "nowhere")))
    assert "holds no folder" in refused(Images(path=str(folder / "bird" / "small")))


def test_images_of_16_bits_and_bombs_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(np.zeros((5, 4), np.uint16)).save(folder / "cat" / "7.png")
    assert "mode I;16" in refused(Images(path=str(folder)))
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 10)
    assert "cannot be read as an image" in refused(Images(path=str(folder)))


# ---- Hugging Face


def test_a_hugging_face_table_reads_as_in_csv(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_pandas(frame()).save_to_disk(str(tmp_path / "hf"))
    frame().to_csv(tmp_path / "t.csv", index=False)
    held, text = load(HuggingFace(path=str(tmp_path / "hf"))), load(Csv(path=str(tmp_path / "t.csv")))
    assert held.x.tobytes() == text.x.tobytes()
    assert (held.y.tolist(), held.labels) == (text.y.tolist(), text.labels)


def test_hugging_face_splits_are_joined_and_classes_named(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    names = datasets.ClassLabel(names=["no", "yes", "never"])
    part = datasets.Dataset.from_dict({"a": [1.0, 2.0, 4.0], "kind": [0, 1, 0], "label": [0, 1, 1]})
    part = part.cast_column("label", names).cast_column("kind", datasets.ClassLabel(names=["x", "y"]))
    both = datasets.DatasetDict({"test": part.select([2]), "train": part.select([0, 1])})
    both.save_to_disk(str(tmp_path / "hf"))
    data = load(HuggingFace(path=str(tmp_path / "hf")))
    assert data.labels == ("no", "yes", "never")
    assert data.y.tolist() == [0, 1, 1]
    assert [column.categories for column in data.columns] == [0, 2]
    other = part.cast_column("label", datasets.ClassLabel(names=["yes", "no", "never"]))
    datasets.DatasetDict({"train": part, "test": other}).save_to_disk(str(tmp_path / "unlike"))
    assert "column label has other class names or types in another split" in refused(HuggingFace(path=str(tmp_path / "unlike")))
    missing = part.map(lambda row: {"label": -1})
    missing.save_to_disk(str(tmp_path / "none"))
    assert "column label holds -1" in refused(HuggingFace(path=str(tmp_path / "none")))


def test_hugging_face_images_are_read(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    pictures = [Image.fromarray(np.full((4, 5, 3), 51 * i, np.uint8)) for i in range(4)]
    features = datasets.Features({"img": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])})
    held = datasets.Dataset.from_dict({"img": pictures, "label": [0, 1, 0, 1]}, features=features)
    held.save_to_disk(str(tmp_path / "hf"))
    data = load(HuggingFace(path=str(tmp_path / "hf")))
    assert (data.shape, data.labels) == ((3, 4, 5), ("a", "b"))
    assert np.allclose(data.x[:, 0, 0, 0], np.arange(4) / 5)


def test_hugging_face_troubles_have_a_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_pandas(frame()).save_to_disk(str(tmp_path / "hf"))
    assert "label = 'y' is no column" in refused(HuggingFace(path=str(tmp_path / "hf"), label="y"))
    assert "no such folder" in refused(HuggingFace(path=str(tmp_path / "gone")))
    (tmp_path / "empty").mkdir()
    assert "write it with save_to_disk" in refused(HuggingFace(path=str(tmp_path / "empty")))
    arrow = next((tmp_path / "hf").glob("*.arrow"))
    arrow.write_bytes(arrow.read_bytes()[:200])
    assert "write it with save_to_disk" in refused(HuggingFace(path=str(tmp_path / "hf")))
    monkeypatch.setitem(sys.modules, "datasets", None)
    load.cache_clear()
    assert "pip install 'lethe-federated[huggingface]'" in refused(HuggingFace(path=str(tmp_path / "hf")))
