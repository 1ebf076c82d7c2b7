"""Write down what was understood of a source, to be corrected by hand and read again, as a table or for other tools."""

import io
import json
import os
import posixpath
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from PIL import Image

from budwood.core.errors import DataError
from budwood.core.files import whole_file, write_csv, write_text
from budwood.core.label_text import SEPARATOR
from budwood.core.progress.base import SILENT, Progress
from budwood.core.text import shown
from budwood.data.image_ref import ImageRef
from budwood.data.images import IMAGE_SUFFIXES, content_of
from budwood.data.manifest import Manifest, Photo
from budwood.data.sources.archive import is_archive, open_archive
from budwood.data.stored_image import StoredImage

FORMATS = ("csv", "tsv", "jsonl", "parquet", "hf", "label-studio", "datumaro")
ENDINGS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
"""Format by the ending of the file that is written."""

_OWN = ("path", "label", "split", "group", "weight", "name")
_READ_IN_FOLDERS = ("metadata.jsonl", "metadata.csv", "annotations", "annotations.xml")
"""What a folder is read by, beside its folders."""
_SUBSETS = {None: "default", "train": "train", "validation": "val", "test": "test"}
_MAGIC = {
    **{b"\xff\xd8": ".jpg", b"\x89P": ".png", b"GI": ".gif", b"BM": ".bmp", b"RI": ".webp"},
    **{b"II": ".tif", b"MM": ".tif", b"P5": ".pgm", b"P6": ".ppm"},
}


@dataclass(frozen=True)
class Written:
    """A photo as it is written down."""

    path: str
    """From the folder of the manifest where the photo lies below it, else absolute."""
    photo: Photo
    values: dict[str, str]
    """What else is said of it, by column; only what is there."""


def write_manifest(
    manifest: Manifest,
    output: Path,
    *,
    source: str = "",
    format: str | None = None,
    pictures: Path | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> Path:
    """Write a manifest, and return the file that was written, or the folder.

    What is written can be read again as it is, with the same labels, splits, groups, weights and names.

    Args:
        manifest: what was understood.
        output: the file; of the formats "hf" and "datumaro" the folder.
        source: what was read, which may not be written over.
        format: one of `FORMATS`; by default what the ending of `output` says.
        pictures: a folder into which the pictures are copied. Needed where they lie in no file of their own.
        overwrite: write over a file that exists.
        progress: what to tell meanwhile.

    Raises:
        DataError: the output is there already, or cannot be written; a picture lies in no file, or cannot be read.
    """
    format = format or ENDINGS.get(output.suffix.lower())
    if format not in FORMATS:
        raise DataError(
            f"{output} says by its ending none of the formats that are written. Give --format, one of "
            f"{', '.join(FORMATS)}, or a file that ends in {', '.join(ENDINGS)}"
        )
    file = output
    if format == "hf":
        file = output if output.name == "metadata.jsonl" else output / "metadata.jsonl"
    if format == "datumaro":
        file = output / "annotations"
    _refuse_output(file, source, overwrite)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        folder = file.parent.absolute()
        paths = _paths(manifest, folder, source, pictures, progress, addresses=format in ENDINGS.values())
        written = [
            Written(path, photo, dict(_values(photo, path)))
            for path, photo in zip(paths, manifest.photos, strict=True)
        ]
        _grouped(written)
        _WRITERS[format](file, written)
    except OSError as error:
        raise DataError(f"cannot write {output} ({error.strerror or error})") from error
    return output if format == "datumaro" else file


def _refuse_output(file: Path, source: str, overwrite: bool) -> None:
    read = [source, *(os.path.join(source, name) for name in _READ_IN_FOLDERS)] if source else []
    if file.exists() and any(os.path.exists(one) and os.path.samefile(file, one) for one in read):
        raise DataError(f"{file} is what was read. Give another file, so that nothing of it is lost")
    if file.exists() and not overwrite:
        raise DataError(f"{file} is there already. Give another name, or --overwrite")


def _paths(
    manifest: Manifest,
    folder: Path,
    source: str,
    pictures: Path | None,
    progress: Progress,
    *,
    addresses: bool,
) -> list[str]:
    if pictures is not None:
        return [_relative(path, folder) for path in _copy(manifest, pictures, progress)]
    found = []
    for photo in manifest.photos:
        image = photo.image
        if addresses and isinstance(image, StoredImage):
            found.append(str(image.place.below(image.key)))
            continue
        if isinstance(image, str | os.PathLike):  # noqa: SIM108  # the type is not known to be one in a ternary
            path = os.path.abspath(image)
        else:
            path = _in_archive(photo, source)
        if any("\ud800" <= char <= "\udfff" for char in path):
            raise DataError(f"the name of {shown(path)} cannot be written as text. Rename the file")
        found.append(_relative(path, folder))
    return found


def _in_archive(photo: Photo, source: str) -> str:
    """Return the path of a picture that lies in an archive, or in one of several in a folder."""
    place = os.path.abspath(os.path.join(source, photo.name))
    for part in Path(place).parents:
        if part.is_file() and is_archive(part):
            tree, inside = _archive(str(part)), Path(place).relative_to(part).as_posix()
            for name in (inside, f"{tree.wrapper}/{inside}"):
                if name in tree:
                    return f"{part}/{name}"
    raise DataError(
        f"{shown(photo.name)} lies in no file of its own that a manifest could name. Give --pictures FOLDER, and the "
        "pictures are written there"
    )


_opened: dict[str, Any] = {}


def _archive(path: str) -> Any:
    if path not in _opened:
        _opened.clear()
        _opened[path] = open_archive(path)
    return _opened[path]


def _copy(manifest: Manifest, pictures: Path, progress: Progress) -> Iterator[str]:
    pictures = pictures.absolute()
    with progress.stage("write", len(manifest.photos), "pictures") as stage:
        for photo in manifest.photos:
            place = pictures / photo.name
            if isinstance(photo.image, str | os.PathLike):
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(photo.image, place)
            else:
                content = _encoded(photo)
                if place.suffix.lower() not in IMAGE_SUFFIXES:
                    place = place.with_name(place.name + _MAGIC.get(content[:2], ""))
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
            stage.advance()
            yield str(place)


def _encoded(photo: Photo) -> bytes:
    image = photo.image
    if isinstance(image, np.ndarray | Image.Image) and not isinstance(image, ImageRef):
        opened = Image.fromarray(image) if isinstance(image, np.ndarray) else image
        file = io.BytesIO()
        opened.save(file, "PNG")
        return file.getvalue()
    content = content_of(image)
    assert isinstance(content, bytes)
    return content


def _relative(path: str, folder: Path) -> str:
    try:
        return Path(path).relative_to(folder).as_posix()
    except ValueError:
        return Path(path).as_posix()


def _values(photo: Photo, path: str) -> Iterator[tuple[str, str]]:
    if photo.split:
        yield "split", photo.split
    if photo.group:
        yield "group", photo.group
    if photo.weight != 1.0:
        yield "weight", repr(photo.weight)
    for key, value in photo.metadata.items():
        yield f"{key}_2" if key in _OWN or key in ("file_name", "image") else key, value
    if photo.name != path:
        yield "name", photo.name


def _grouped(written: Sequence[Written]) -> None:
    """Give every photo a group where some have one: who stands alone is a group of its own."""
    if not any("group" in one.values for one in written):
        return
    taken = {one.values.get("group") for one in written}
    for one in written:
        if "group" not in one.values:
            group = one.photo.name
            while group in taken:
                group += "'"
            one.values["group"] = group


def _columns(written: Sequence[Written]) -> list[str]:
    there = dict.fromkeys(key for one in written for key in one.values)
    first = [key for key in ("split", "group", "weight") if key in there]
    last = [key for key in ("name",) if key in there]
    return [*first, *(key for key in there if key not in (*first, *last)), *last]


def _write_delimited(file: Path, written: Sequence[Written]) -> None:
    columns = _columns(written)
    write_csv(
        file,
        ["path", _label_column(written), *columns],
        (
            [one.path, text, *(one.values.get(key, "") for key in columns)]
            for one, text in zip(written, _label_texts(written), strict=True)
        ),
        "\t" if file.suffix.lower() in (".tsv", ".tab") else ",",
    )


def _label_column(written: Sequence[Written]) -> str:
    """Return what the column of labels is called: by its name several labels are known in it."""
    return "labels" if any(one.photo.labels is not None for one in written) else "label"


def _label_texts(written: Sequence[Written]) -> list[str]:
    """Return the labels of each photo as they are written.

    Where photos may have several labels and none has two, a separator stands behind them: without any the column would
    be read as one class a photo.
    """
    texts = [one.photo.label for one in written]
    if all(one.photo.labels is None for one in written) or any(SEPARATOR in text for text in texts):
        return texts
    return [text + SEPARATOR for text in texts]


def _objects(written: Sequence[Written], path: str) -> Iterator[dict[str, str]]:
    column = _label_column(written)
    for one, text in zip(written, _label_texts(written), strict=True):
        yield {path: one.path, column: text, **one.values}


def _refuse_unknown(written: Sequence[Written], format: str) -> None:
    """Raise DataError where a format cannot say that a label is unknown."""
    for one in written:
        if one.photo.unknown:
            raise DataError(
                f"{one.path}: whether it has the label {one.photo.unknown[0]!r} is unknown, which {format} cannot say. "
                "Give --format csv"
            )


def _write_lines(file: Path, written: Sequence[Written], path: str = "path") -> None:
    write_text(file, "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in _objects(written, path)))


def _write_parquet(file: Path, written: Sequence[Written]) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise DataError(
            f"{file} needs pyarrow, which is not installed: pip install 'budwood[parquet]'"
        ) from error
    columns = ["path", _label_column(written), *_columns(written)]
    rows = list(_objects(written, "path"))
    table = pa.table({key: pa.array([row.get(key) for row in rows], pa.string()) for key in columns})
    with whole_file(file) as aside:
        parquet.write_table(table, aside)


def _write_hub(file: Path, written: Sequence[Written]) -> None:
    for one in written:
        if os.path.isabs(one.path):
            raise DataError(
                f"{one.path} lies outside of {file.parent}, and an imagefolder holds its pictures. Give the "
                "folder of the photos as the output, or --pictures FOLDER below it"
            )
    _write_lines(file, written, "file_name")


def _write_label_studio(file: Path, written: Sequence[Written]) -> None:
    _refuse_unknown(written, "label-studio")
    tasks = [
        {
            "id": number,
            "data": {
                "image": one.path if os.path.isabs(one.path) else f"/data/local-files/?d={quote(one.path)}",
                **one.values,
            },
            "annotations": [
                {
                    "result": [
                        {
                            "from_name": "choice",
                            "to_name": "image",
                            "type": "choices",
                            "value": {"choices": list(one.photo.each_label)},
                        }
                    ]
                }
            ],
        }
        for number, one in enumerate(written, 1)
    ]
    write_text(file, json.dumps(tasks, indent=1, ensure_ascii=False) + "\n")


def _write_datumaro(folder: Path, written: Sequence[Written]) -> None:
    _refuse_unknown(written, "datumaro")
    folder.mkdir(exist_ok=True)
    names = sorted({label for one in written for label in one.photo.each_label})
    numbers = {name: number for number, name in enumerate(names)}
    labels = [{"name": name, "parent": "", "attributes": []} for name in names]
    for split, subset in _SUBSETS.items():
        items = [
            {
                "id": posixpath.splitext(one.path)[0],
                "annotations": [
                    {
                        "id": place,
                        "type": "label",
                        "attributes": {},
                        "group": 0,
                        "label_id": numbers[label],
                    }
                    for place, label in enumerate(one.photo.each_label)
                ],
                "attr": {key: value for key, value in one.values.items() if key != "split"},
                "image": {"path": one.path},
            }
            for one in written
            if one.photo.split == split
        ]
        if items:
            value = {
                "info": {},
                "categories": {"label": {"labels": labels, "attributes": []}},
                "items": items,
            }
            write_text(folder / f"{subset}.json", json.dumps(value, indent=1, ensure_ascii=False) + "\n")


_WRITERS: dict[str, Callable[[Path, Sequence[Written]], None]] = {
    "csv": _write_delimited,
    "tsv": _write_delimited,
    "jsonl": _write_lines,
    "parquet": _write_parquet,
    "hf": _write_hub,
    "label-studio": _write_label_studio,
    "datumaro": _write_datumaro,
}
