"""Photos from Python."""

import io
import pickle
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from budwood.config.data import Data
from budwood.core.errors import DataError
from budwood.data.images import decode
from budwood.data.sources import read_source
from budwood.data.sources.memory import read_arrays
from tests.data.sources.forms import COLOURS, Items, each, encoded, halves, hub_table, put_pictures


def test_read_arrays__names_in_order():
    images = [np.full((4, 4), value, np.uint8) for value in range(3)]
    manifest = read_arrays(images, ["b", "a", "b"])
    assert [photo.name for photo in manifest.photos] == ["00000", "00001", "00002"]
    assert [photo.label for photo in manifest.photos] == ["b", "a", "b"]
    assert manifest.photos[1].image is images[1]
    assert manifest.classes == ("a", "b")


def test_read_arrays__lengths_differ():
    with pytest.raises(DataError, match="2 images but 1 labels"):
        read_arrays([b"", b""], ["a"])


def test_read_python__one_array_of_pictures_and_numbers_as_labels():
    images = np.zeros((6, 8, 8, 3), np.uint8)
    found = read_source((images, np.array([0, 1, 0, 1, 0, 10])))
    assert found.classes == ("0", "1", "10") and found.photos[5].label == "10"
    assert decode(found.photos[0].image).shape == (8, 8, 3)


def test_read_python__arrays_of_16_bits_are_deep_pictures():
    (one, _) = read_source((np.full((2, 6, 5), 65535, np.uint16), ["a", "b"])).photos
    assert decode(one.image).shape == (6, 5, 3) and decode(one.image).min() == 255


def test_read_python__paths_are_looked_up_from_here(tmp_path, monkeypatch):
    put_pictures(tmp_path)
    monkeypatch.chdir(tmp_path)
    found = read_source([("red/0.png", "red"), (Path("blue/1.png"), "blue")])
    assert [photo.name for photo in found.photos] == ["red/0.png", "blue/1.png"]
    with pytest.raises(DataError, match=r"item 1: there is no 'blue/9\.png'"):
        read_source([("red/0.png", "red"), ("blue/9.png", "blue")])


class Elsewhere(Items):
    """Items, the changed ones of them by `change`."""

    def __init__(self, change):
        super().__init__()
        self.change = change

    def __getitem__(self, index):
        return self.change(*super().__getitem__(index))


class Tensor:
    """As PyTorch has it, as far as it is needed."""

    def __init__(self, values):
        self.values = values

    def numpy(self):
        return self.values


def test_read_python__a_dataset_of_tensors_is_that_of_its_pictures():
    def to_tensor(image, label):
        return Tensor(np.asarray(image, np.float32).transpose(2, 0, 1) / 255), np.int64(label)

    plain, tensors = read_source(Items()), read_source(Elsewhere(to_tensor))
    assert [photo.label for photo in tensors.photos] == [photo.label for photo in plain.photos]
    for one, other in zip(plain.photos, tensors.photos, strict=True):
        np.testing.assert_array_equal(decode(one.image), decode(other.image))


def test_read_python__a_dataset_travels_and_is_read_again():
    photos = pickle.loads(pickle.dumps(read_source(Items()))).photos
    assert [photo.image.read() for photo in photos] == [photo.image.read() for photo in photos]


def test_read_python__labels_that_a_dataset_lists_cost_no_picture(monkeypatch):
    dataset = Items()
    dataset.targets = [list(COLOURS).index(label) for label, _ in each()]
    asked = []
    plain = Items.__getitem__
    monkeypatch.setattr(Items, "__getitem__", lambda self, index: asked.append(index) or plain(self, index))
    assert read_source(dataset).classes == ("blue", "red")
    assert set(asked) == {0}


class Part:
    """As torch.utils.data.Subset."""

    def __init__(self, dataset, indices):
        self.dataset, self.indices = dataset, indices

    def __len__(self):
        return len(self.indices)

    def __getitem__(self, index):
        return self.dataset[self.indices[index]]


def test_read_python__a_part_of_a_dataset_has_the_class_names_of_the_whole():
    assert read_source(Part(Items(), [0, 1, 5, 6])).classes == ("blue", "red")


def random_crop(image, label):
    return Image.fromarray(np.random.default_rng().integers(0, 255, (9, 9, 3), np.uint8)), label


def pictures(dtype, value=1, shape=(4, 4, 3)):
    """Two of which the second is of another kind."""
    return [np.zeros((4, 4), np.uint8), np.full(shape, value, dtype)], ["a", "b"]


class Fails(Items):
    targets: ClassVar = [label for _, label in [Items()[index] for index in range(len(Items()))]]

    def __getitem__(self, index):
        if index == 3:
            raise RuntimeError("boom")
        return super().__getitem__(index)


def test_read_python__a_dataset_that_fails_when_a_picture_is_read_names_the_item():
    photos = read_source(Fails()).photos
    with pytest.raises(DataError, match=r"fails at item 3 \(RuntimeError: boom\)"):
        decode(photos[3].image)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (42, "a int holds no labelled photos that can be read. Expected a folder"),
        ({"cat": []}, "a dict holds no labelled photos"),
        (([b"x"], ["a", "b"]), "1 images but 2 labels"),
        (((b"x", "a"), (b"y", "b")), "two tuples of two can be"),
        ([b"x", b"y"], "item 0 of the list is of type bytes, and no pair"),
        ([(3, "a"), (4, "b")], "item 0: a int is no picture"),
        ([(np.zeros((4, 4), np.uint8), None)], "item 0: the label is empty"),
        ([(np.zeros((4, 4), np.uint8), 1.5)], "item 0: the label is 1.5"),
        ([(np.zeros((4, 4), np.uint8), "a"), (np.zeros((4, 4), np.uint8), 1)], "mixed types"),
        (Elsewhere(random_crop), "gives another picture each time that item 0 is asked for"),
        (Elsewhere(lambda image, label: image), "item 0 of the dataset is of type Image"),
        (
            Elsewhere(lambda image, label: (Tensor(np.full((3, 4, 4), -2.0)), label)),
            "a tensor of floats from -2 to -2",
        ),
        (Elsewhere(lambda image, label: (np.zeros((4, 4, 2), np.float64), label)), "an array of float64"),
        (
            Elsewhere(lambda image, label: 1 / 0),
            "the dataset fails at item 0 .ZeroDivisionError: division by zero",
        ),
        (pictures(np.float32), r"item 1: an array of float32 and shape \(4, 4, 3\) is no.*astype\('uint8'\)"),
        (pictures(np.float32, 255), r"item 1: an array of float32.*\(H, W, 4\)$"),
        (pictures(np.float64, np.nan), "item 1: an array of float64"),
        (pictures(np.uint8, shape=(3, 8, 8)), r"item 1: an array of uint8 and shape \(3, 8, 8\).*transpose"),
        ((np.zeros((3, 4, 4, 3), np.uint8), np.eye(3)), r"item 0: the label is an array of shape \(3,\)"),
        ((np.zeros((3, 4, 4), np.uint8), [0.0, 1.0, np.nan]), "item 2: the label is empty"),
        (Part(Items(), []), "the dataset is empty"),
    ],
)
def test_read_python__what_is_wrong_is_said(source, message):
    with pytest.raises(DataError, match=message):
        read_source(source)


def test_read_python__a_data_frame(tmp_path, monkeypatch):
    pandas = pytest.importorskip("pandas")
    put_pictures(tmp_path)
    monkeypatch.chdir(tmp_path)
    frame = pandas.DataFrame(
        {
            "Datei": ["red/0.png", "red/1.png", "blue/0.png", "blue/1.png"],
            "label": pandas.Categorical(["red", "red", "blue", "blue"]),
            "split": ["train", None, "test", "train"],
            "group": [1, 2, 3, 4],
            "age": [3.0, None, 5.5, 7.0],
        },
        index=[9, 8, 7, 6],
    )
    settings = Data(columns={"path": "Datei"})
    photos = read_source(frame, settings).photos
    assert [(photo.name, photo.split, photo.group) for photo in photos][1] == ("red/1.png", None, "2")
    assert [dict(photo.metadata) for photo in photos] == [{"age": "3"}, {}, {"age": "5.5"}, {"age": "7"}]
    with pytest.raises(
        DataError, match="the data frame has no column for the path of the picture.*Datei, label"
    ):
        read_source(frame)
    frame.loc[8, "label"] = None
    with pytest.raises(DataError, match="the data frame, row 1: the label is empty"):
        read_source(frame, settings)


def test_read_python__a_data_frame_of_encoded_pictures():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {"image": [encoded(*pair) for pair in each()], "label": [label for label, _ in each()]}
    )
    photos = read_source(frame).photos
    assert [photo.image.read() for photo in photos] == list(frame["image"])


def test_read_python__data_sets_of_hugging_face():
    datasets = pytest.importorskip("datasets")
    parts = {
        split: datasets.Dataset(hub_table(rows)).cast_column("image", datasets.Image())
        for split, rows in halves().items()
    }
    found = pickle.loads(pickle.dumps(read_source(datasets.DatasetDict(parts))))
    assert [photo.image.read() for photo in found.photos] == [
        row[0] for rows in halves().values() for row in rows
    ]
    assert {photo.name.partition("/")[0]: photo.split for photo in found.photos} == {
        "train": "train",
        "test": "test",
    }
    with pytest.raises(DataError, match="holds no pictures"):
        read_source(parts["train"].rename_column("image", "x"), Data(columns={"path": "label", "label": "x"}))


def test_read_python__pictures_of_every_mode_are_kept_as_they_are():
    for mode in ("L", "RGB", "RGBA", "1", "P", "I;16"):
        picture = Image.new(mode, (5, 4))
        dataset = Elsewhere(lambda image, label, picture=picture: (picture, label))
        again = Image.open(io.BytesIO(read_source(dataset).photos[0].image.read()))
        np.testing.assert_array_equal(np.asarray(again.convert("RGBA")), np.asarray(picture.convert("RGBA")))
