"""Photos from Python: arrays and Pillow images with their labels, data frames, and datasets with `[i]` and `len`."""

import io
import os
from collections.abc import Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
from PIL import Image

from budwood.config.data import Data
from budwood.core.errors import BudwoodError, DataError
from budwood.core.text import shown
from budwood.data.image_ref import ImageBytes, ImageRef
from budwood.data.images import ImageLike
from budwood.data.manifest import Manifest, Photo
from budwood.data.sources.columns import Columns, choose_columns
from budwood.data.sources.delimited import finder_of
from budwood.data.sources.label_values import LabelForm
from budwood.data.sources.table import Row, Table, read_table, split_names
from budwood.data.sources.tree import DiskTree

_FORMS = (
    "Expected a folder, a file or the name of a data set; or pictures with labels: (images, labels), a list of "
    "(image, label), a data frame, or a dataset whose items are (image, label)"
)
_PAIR = Columns({"path": "image", "label": "label"}, ())


def read_arrays(images: Sequence[ImageLike], labels: Sequence[str]) -> Manifest:
    """Return a manifest of pictures and their class names, named "00000", "00001", ... in the order given.

    Raise DataError where the two differ in length.

    >>> import numpy as np
    >>> read_arrays([np.zeros((8, 8), np.uint8)] * 2, ["cat", "dog"]).classes
    ('cat', 'dog')
    """
    if len(images) != len(labels):
        raise DataError(f"{len(images)} images but {len(labels)} labels. Give one label for each image")
    photos = tuple(
        Photo(image=image, name=f"{index:05d}", label=str(label))
        for index, (image, label) in enumerate(zip(images, labels, strict=True))
    )
    return Manifest(photos, tuple(sorted({photo.label for photo in photos})))


def read_python(source: Any, settings: Data) -> Manifest:
    """Return the manifest of photos that a program holds.

    `source` is one of

    - `(images, labels)`, a tuple of two sequences: arrays, Pillow images, encoded bytes or paths, and class names;
    - a list of `(image, label)`;
    - a data frame (pandas, Polars) with a column of paths, or of pictures, and one of labels;
    - a dataset with `len` and `[i]`, whose items are `(image, label)`, as PyTorch has them. An item is asked for each
      time that its picture is read, and has to be the same each time;
    - a `datasets.Dataset` or `DatasetDict` of Hugging Face.

    Raise DataError for what is none of them, and as every table does.
    """
    if _is_hub_dataset(source):
        return _of_hub({"": source}, settings)
    if isinstance(source, Mapping) and source and all(map(_is_hub_dataset, source.values())):
        return _of_hub(source, settings)
    if hasattr(source, "columns") and hasattr(source, "__getitem__"):
        return _of_frame(source, settings)
    if isinstance(source, tuple) and len(source) == 2 and all(map(_is_many, source)):
        if all(isinstance(pair, tuple) and len(pair) == 2 for pair in source):
            raise DataError(
                "two tuples of two can be (images, labels) or two times (image, label). Give (list of images, list of "
                "labels), or a list of (image, label)"
            )
        return _of_two(list(source[0]), list(source[1]), settings)
    if isinstance(source, list | tuple):
        return _of_pairs(source, settings)
    if (
        hasattr(source, "__getitem__")
        and isinstance(source, Sized)
        and not isinstance(source, Mapping | bytes)
    ):
        return _of_dataset(source, settings)
    raise DataError(f"a {type(source).__name__} holds no labelled photos that can be read. {_FORMS}")


@dataclass(frozen=True)
class DatasetPicture:
    """A picture that a dataset gives by its number, encoded without loss each time that it is read."""

    dataset: Any = field(repr=False, compare=False)
    index: int
    name: str = ""

    def read(self) -> bytes:
        return _encoded(_item(self.dataset, self.index)[0], f"item {self.index}")


@dataclass(frozen=True)
class HubPicture:
    """A picture of a Hugging Face data set in memory."""

    dataset: Any = field(repr=False, compare=False)
    index: int
    column: str
    name: str = ""

    def read(self) -> bytes:
        value = self.dataset[self.index][self.column]
        if value.get("bytes"):
            return value["bytes"]
        with open(value["path"], "rb") as file:
            return file.read()


def _rows_of(images: Sequence[Any], labels: Sequence[Any]) -> Iterator[Row]:
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        values = {"image": image, "label": label}
        # A path is looked up, so that a wrong one is said here.
        picture = None if isinstance(image, str | os.PathLike) else _picture(image, f"item {index}")
        yield Row(f"item {index}", values, picture, f"{index:05d}")


def _of_two(images: Sequence[Any], labels: Sequence[Any], settings: Data) -> Manifest:
    if len(images) != len(labels):
        raise DataError(f"{len(images):,} images but {len(labels):,} labels. Give one label for each image")
    return _table("photos", "arrays", _rows_of(images, labels), _PAIR, settings)


def _of_pairs(pairs: Sequence[Any], settings: Data) -> Manifest:
    for index, pair in enumerate(pairs):
        if not (isinstance(pair, list | tuple) and len(pair) == 2):
            raise DataError(
                f"item {index} of the list is of type {type(pair).__name__}, and no pair of a picture and its label. "
                f"{_FORMS}"
            )
    images, labels = ([pair[place] for pair in pairs] for place in (0, 1))
    return _table("photos", "list", _rows_of(images, labels), _PAIR, settings)


def _of_frame(frame: Any, settings: Data) -> Manifest:
    header = [str(name) for name in frame.columns]
    columns = choose_columns(header, settings.columns, "the data frame", label_columns=settings.label_columns)
    wanted = {*columns.chosen.values(), *columns.others, *columns.labels}
    values = {str(name): _listed(frame[name]) for name in frame.columns if str(name) in wanted}
    path = columns.chosen["path"]

    def rows() -> Iterator[Row]:
        for index in range(len(frame)):
            row = {name: column[index] for name, column in values.items()}
            image = row[path]
            named = isinstance(image, str | os.PathLike) or image is None or isinstance(image, float)
            where = f"row {index}"
            yield Row(where, row, None if named else _picture(image, where), f"{index:05d}")

    return _table("the data frame", "data frame", rows(), columns, settings)


def _of_dataset(dataset: Any, settings: Data) -> Manifest:
    number = len(dataset)
    if not number:
        raise DataError("the dataset is empty. Expected items (image, label)")
    first = _item(dataset, 0)
    if isinstance(first[0], str | os.PathLike):
        pairs = [_item(dataset, index) for index in range(number)]
        return _of_two([pair[0] for pair in pairs], [pair[1] for pair in pairs], settings)
    if _encoded(first[0], "item 0") != _encoded(_item(dataset, 0)[0], "item 0"):
        raise DataError(
            "the dataset gives another picture each time that item 0 is asked for. Leave out its random transforms: "
            "Budwood draws the views itself (augment.views)"
        )
    targets: Any = getattr(dataset, "targets", None)
    known = _is_many(targets) and len(targets) == number and _label(targets[0]) == _label(first[1])
    labels = list(targets) if known else [_item(dataset, index)[1] for index in range(number)]
    rows = (
        Row(f"item {index}", {"label": label}, DatasetPicture(dataset, index, f"{index:05d}"), f"{index:05d}")
        for index, label in enumerate(labels)
    )
    return _table("the dataset", "dataset", rows, _PAIR, settings, _class_names(dataset))


def _of_hub(parts: Mapping[str, Any], settings: Data) -> Manifest:
    """Return the manifest of Hugging Face data sets in memory, by split."""
    from budwood.data.sources.hub import image_columns, undecoded

    first = next(iter(parts.values()))
    asked: dict[Any, str] = dict(settings.columns)
    inside = image_columns(first)
    if "path" not in asked and len(inside) == 1:
        asked["path"] = inside[0]
    columns = choose_columns(
        list(first.column_names), asked, "the data set", label_columns=settings.label_columns
    )
    splits = any(parts)
    if splits:
        columns = replace(columns, chosen={**columns.chosen, "split": "split"})
    path, label = columns.chosen["path"], columns.get("label")
    if path not in inside:
        raise DataError(f"the data set's column {path!r} holds no pictures. Expected a column of type Image")

    def rows() -> Iterator[Row]:
        for split, part in parts.items():
            plain = undecoded(part, path)
            table = part.select_columns([name for name in part.column_names if name != path])
            for index in range(len(part)):
                where = f"{split or 'row'} {index}"
                values = {**table[index], "split": split} if splits else table[index]
                name = f"{split}/{index:06d}" if split else f"{index:06d}"
                yield Row(where, values, HubPicture(plain, index, path, name), name)

    names = getattr(first.features[label], "names", None) if label else None
    return _table("the data set", "hf", rows(), columns, settings, names)


def _table(
    title: str,
    kind: str,
    rows: Iterator[Row],
    columns: Columns,
    settings: Data,
    class_names: Sequence[str] | None = None,
) -> Manifest:
    finder = finder_of(DiskTree("."), "", title, settings)
    return read_table(
        Table(
            title,
            kind,
            columns,
            rows,
            finder,
            class_names,
            LabelForm.of(settings),
            split_names(settings.split_folders),
        )
    )


def _item(dataset: Any, index: int) -> tuple[Any, Any]:
    try:
        item = dataset[index]
    except (KeyError, IndexError, TypeError) as error:
        raise DataError(
            f"the dataset gives no item {index} ({type(error).__name__}: {error}). {_FORMS}"
        ) from error
    except (BudwoodError, MemoryError):
        raise
    except Exception as error:
        said = shown(str(error)[:200])
        raise DataError(
            f"the dataset fails at item {index} ({type(error).__name__}: {said}). Mend or leave out what lies there"
        ) from error
    if not (isinstance(item, list | tuple) and len(item) == 2):
        raise DataError(
            f"item {index} of the dataset is of type {type(item).__name__}, and no pair of a picture and its label"
        )
    return item[0], item[1]


def _class_names(dataset: Any) -> Sequence[str] | None:
    for _ in range(5):  # a part of a dataset holds the whole one
        names = getattr(dataset, "classes", None)
        if isinstance(names, list | tuple) and names and all(isinstance(name, str) for name in names):
            return names
        dataset = getattr(dataset, "dataset", None)
    return None


def _picture(image: Any, where: str) -> ImageLike:
    if isinstance(image, bytes):
        return ImageBytes(image)
    if isinstance(image, np.ndarray):
        return _plain_array(image, where)
    if isinstance(image, Image.Image | ImageRef) and not isinstance(image, io.IOBase):
        return image
    if hasattr(image, "numpy"):
        return _array(image, where)
    raise DataError(
        f"{where}: a {type(image).__name__} is no picture. Expected a path, encoded bytes, a Pillow image or an array"
    )


def _plain_array(pixels: np.ndarray, where: str) -> ImageLike:
    """Return an array that is a picture. Raise DataError where it is none, at once and not once for each photo."""
    shape = pixels.shape
    channels_last = len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))
    if pixels.dtype == np.uint8 and channels_last:
        return pixels
    if pixels.dtype == np.uint16 and len(shape) == 2:
        return Image.fromarray(pixels)
    hint = ""
    if not channels_last and len(shape) == 3 and shape[0] in (1, 3, 4):
        hint = "; array.transpose(1, 2, 0) puts the channels last"
    elif pixels.dtype.kind == "f" and pixels.size and pixels.min() >= 0 and pixels.max() <= 1:
        hint = "; (255 * array).round().astype('uint8') makes that of 0 to 1"
    raise DataError(
        f"{where}: an array of {pixels.dtype} and shape {shape} is no picture. Expected uint8, 0 to 255, of shape "
        f"(H, W), (H, W, 1), (H, W, 3) or (H, W, 4){hint}"
    )


def _array(tensor: Any, where: str) -> ImageLike:
    """Return a tensor as an array of 8 bits, the channels last."""
    pixels = np.asarray(tensor.numpy())
    if pixels.ndim == 3 and pixels.shape[0] in (1, 3, 4) and pixels.shape[2] not in (1, 3, 4):
        pixels = pixels.transpose(1, 2, 0)
    if pixels.dtype.kind == "f":
        if pixels.size and not (pixels.min() >= 0 and pixels.max() <= 1):
            raise DataError(
                f"{where}: a tensor of floats from {pixels.min():.3g} to {pixels.max():.3g} is no picture. Expected 0 "
                "to 1, or uint8: leave out the dataset's normalisation"
            )
        pixels = np.rint(pixels * 255).astype(np.uint8)
    return _plain_array(np.ascontiguousarray(pixels), where)


def _encoded(image: Any, where: str) -> bytes:
    """Return a picture as an encoded file, without loss and always the same."""
    picture = _picture(image, where)
    if isinstance(picture, ImageRef):
        return picture.read()
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture[:, :, 0] if picture.shape[2:] == (1,) else picture)
    file = io.BytesIO()
    opened = cast(Image.Image, picture)
    opened.save(file, "PPM" if opened.mode in ("L", "RGB") else "PNG")
    return file.getvalue()


def _listed(column: Any) -> list[Any]:
    for method in ("tolist", "to_list"):
        if hasattr(column, method):
            return getattr(column, method)()
    return list(column)


def _label(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _is_many(value: Any) -> bool:
    return (
        hasattr(value, "__len__")
        and hasattr(value, "__getitem__")
        and not isinstance(value, str | bytes | Mapping)
    )


def _is_hub_dataset(source: Any) -> bool:
    return all(
        hasattr(source, name) for name in ("features", "column_names", "cast_column", "select_columns")
    )
