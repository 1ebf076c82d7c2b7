"""One small data set in every form in which a source may have it: two classes of plain colours, four pictures each."""

import csv
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest
from PIL import Image

from budwood.data.images import decode

COLOURS = {"red": (200, 30, 30), "blue": (30, 30, 200)}
NUMBER = 4
"""Photos of each class."""


def encoded(label: str, number: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (40, 40 + number), COLOURS[label]).save(file, "PNG")
    return file.getvalue()


def each() -> Iterator[tuple[str, int]]:
    return ((label, number) for label in COLOURS for number in range(NUMBER))


def name_of(label: str, number: int) -> str:
    return f"{label}/{number}.png"


def put_pictures(folder: Path) -> Path:
    """Class folders."""
    for label, number in each():
        file = folder / name_of(label, number)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encoded(label, number))
    return folder


def put_numbered(folder: Path, prefix: str = "") -> list[tuple[str, str]]:
    """Pictures in one folder, and the name and label of each."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for place, (label, number) in enumerate(each()):
        (folder / f"{place:03}.png").write_bytes(encoded(label, number))
        rows.append((f"{prefix}{place:03}.png", label))
    return rows


def make_delimited(folder: Path, delimiter: str = ",", name: str = "photos.csv", bom: bool = False) -> Path:
    rows = put_numbered(folder / "pictures", "pictures/")
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerows([("path", "label", "age"), *((*row, place) for place, row in enumerate(rows))])
    (folder / name).write_bytes(text.getvalue().encode("utf-8-sig" if bom else "utf-8"))
    return folder / name


def make_jsonl(folder: Path) -> Path:
    rows = put_numbered(folder / "pictures", "pictures/")
    lines = [json.dumps({"file_name": path, "class": label}) for path, label in rows]
    (folder / "photos.jsonl").write_text("\n".join(lines) + "\n")
    return folder / "photos.jsonl"


def make_json(folder: Path) -> Path:
    rows = put_numbered(folder)
    (folder / "photos.json").write_text(json.dumps([{"image": path, "label": label} for path, label in rows]))
    return folder / "photos.json"


def make_parquet(folder: Path, *, inside: bool = False) -> Path:
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = put_numbered(folder / "pictures", "pictures/")
    labels = [label for _, label in rows]
    images = [(folder / path).read_bytes() if inside else path for path, _ in rows]
    parquet.write_table(
        pa.table({"image": images, "label": labels, "age": list(range(len(rows)))}), folder / "photos.parquet"
    )
    return folder / "photos.parquet"


def hub_table(rows: list[tuple[bytes, int]]) -> Any:
    """A table as Hugging Face writes it: pictures as structs, classes as numbers, features beside them."""
    import pyarrow as pa

    features = {
        "image": {"_type": "Image"},
        "label": {"_type": "ClassLabel", "names": list(COLOURS)},
    }
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = pa.array([{"bytes": content, "path": None} for content, _ in rows], kind)
    table = pa.table({"image": images, "label": pa.array([label for _, label in rows], pa.int64())})
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def halves() -> dict[str, list[tuple[bytes, int]]]:
    """The pictures in two splits, with the number of the class of each."""
    rows = [(number, encoded(label, number), list(COLOURS).index(label)) for label, number in each()]
    return {
        split: [(content, label) for number, content, label in rows if (number == 0) == (split == "test")]
        for split in ("train", "test")
    }


def make_parquet_shards(folder: Path) -> Path:
    parquet = pytest.importorskip("pyarrow.parquet")
    (folder / "data").mkdir(parents=True)
    for split, rows in halves().items():
        parquet.write_table(hub_table(rows), folder / "data" / f"{split}-00000-of-00001.parquet")
    (folder / "README.md").write_text("# Colours\n")
    return folder


def make_zip(folder: Path, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(folder / "photos.zip", "w", method) as archive:
        for label, number in each():
            archive.writestr(f"photos/{name_of(label, number)}", encoded(label, number))
    return folder / "photos.zip"


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))


def make_tar(folder: Path, name: str = "photos.tar", mode: str = "w") -> Path:
    with tarfile.open(folder / name, mode) as archive:
        for label, number in each():
            add(archive, f"./{name_of(label, number)}", encoded(label, number))
    return folder / name


def make_table_in_zip(folder: Path) -> Path:
    """What a platform gives to download: a table beside the pictures."""
    with zipfile.ZipFile(folder / "photos.zip", "w") as archive:
        lines = ["file_name,label"]
        for place, (label, number) in enumerate(each()):
            archive.writestr(f"{place}.png", encoded(label, number))
            lines.append(f"{place}.png,{label}")
        archive.writestr("metadata.csv", "\n".join(lines))
    return folder / "photos.zip"


def make_webdataset(folder: Path, *, notes: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for split, rows in halves().items():
        with tarfile.open(folder / f"{split}-0000.tar", "w") as archive:
            for place, (content, label) in enumerate(rows):
                add(archive, f"{place:06}.png", content)
                if notes:
                    said = json.dumps({"label": list(COLOURS)[label], "age": place})
                    add(archive, f"{place:06}.json", said.encode())
                else:
                    add(archive, f"{place:06}.cls", str(label).encode())
    if not notes:
        (folder / "classnames.txt").write_text("\n".join(COLOURS))
    return folder


def make_saved(folder: Path) -> Path:
    """As `Dataset.save_to_disk` writes it."""
    pa = pytest.importorskip("pyarrow")
    folder.mkdir(parents=True, exist_ok=True)
    table = hub_table([row for rows in halves().values() for row in rows])
    with pa.ipc.new_stream(str(folder / "data-00000-of-00001.arrow"), table.schema) as stream:
        stream.write_table(table, max_chunksize=3)
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    state = {
        "_data_files": [{"filename": "data-00000-of-00001.arrow"}],
        "_fingerprint": "0",
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": None,
    }
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text(json.dumps({"features": features}))
    return folder


def make_saved_splits(folder: Path) -> Path:
    """As `DatasetDict.save_to_disk` writes it."""
    pa = pytest.importorskip("pyarrow")
    for split, rows in halves().items():
        make_saved(folder / split)
        table = hub_table(rows)
        with pa.ipc.new_stream(str(folder / split / "data-00000-of-00001.arrow"), table.schema) as stream:
            stream.write_table(table)
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": list(halves())}))
    return folder


def make_imagefolder(folder: Path) -> Path:
    rows = put_numbered(folder)
    lines = [
        json.dumps({"file_name": path, "label": label, "text": f"a {label} one"}) for path, label in rows
    ]
    (folder / "metadata.jsonl").write_text("\n".join(lines))
    return folder


def make_imagefolder_splits(folder: Path) -> Path:
    for split, rows in halves().items():
        (folder / split).mkdir(parents=True)
        lines = ["file_name,label"]
        for place, (content, label) in enumerate(rows):
            (folder / split / f"{place}.png").write_bytes(content)
            lines.append(f"{place}.png,{list(COLOURS)[label]}")
        (folder / split / "metadata.csv").write_text("\n".join(lines))
    return folder


def coco_of(rows: list[tuple[str, str]]) -> dict[str, Any]:
    names = list(COLOURS)
    return {
        "images": [{"id": 100 + place, "file_name": path} for place, (path, _) in enumerate(rows)],
        "annotations": [
            {
                "id": place,
                "image_id": 100 + place,
                "category_id": 7 + names.index(label),
                "bbox": [0, 0, 9, 9],
            }
            for place, (_, label) in enumerate(rows)
        ],
        "categories": [{"id": 7 + place, "name": name} for place, name in enumerate(names)],
    }


def make_coco(folder: Path) -> Path:
    rows = put_numbered(folder / "images")
    (folder / "annotations").mkdir()
    (folder / "annotations" / "instances_default.json").write_text(json.dumps(coco_of(rows)))
    return folder


def make_cvat(folder: Path) -> Path:
    rows = put_numbered(folder / "images")
    images = [
        f'<image id="{place}" name={quoteattr(path)} width="40" height="40">'
        f'<tag label={quoteattr(label)} source="manual"><attribute name="quality">good</attribute></tag></image>'
        for place, (path, label) in enumerate(rows)
    ]
    text = f'<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>{"".join(images)}</annotations>'
    (folder / "annotations.xml").write_text(text, encoding="utf-8")
    return folder


def task_of(path: str, label: str, number: int) -> dict[str, Any]:
    """As Label Studio exports it."""
    result = {
        "id": f"r{number}",
        "type": "choices",
        "value": {"choices": [label]},
        "origin": "manual",
        "to_name": "image",
        "from_name": "choice",
    }
    return {
        "id": number,
        "annotations": [{"id": number, "was_cancelled": False, "result": [result]}],
        "data": {"image": path},
        "project": 1,
    }


def make_label_studio(folder: Path) -> Path:
    rows = put_numbered(folder / "upload" / "1", "/data/upload/1/")
    tasks = [task_of(path, label, number) for number, (path, label) in enumerate(rows, 1)]
    (folder / "project-1.json").write_text(json.dumps(tasks))
    return folder / "project-1.json"


def make_datumaro(folder: Path) -> Path:
    rows = put_numbered(folder / "images" / "default")
    names = list(COLOURS)
    items = [
        {
            "id": path.removesuffix(".png"),
            "annotations": [
                {"id": 0, "type": "label", "attributes": {}, "group": 0, "label_id": names.index(label)}
            ],
            "attr": {"frame": place},
            "image": {"path": path, "size": [40, 40]},
        }
        for place, (path, label) in enumerate(rows)
    ]
    labels = [{"name": name, "parent": "", "attributes": []} for name in names]
    (folder / "annotations").mkdir()
    value = {"info": {}, "categories": {"label": {"labels": labels, "attributes": []}}, "items": items}
    (folder / "annotations" / "default.json").write_text(json.dumps(value))
    return folder


class Items:
    """A dataset as PyTorch has it."""

    classes = tuple(COLOURS)

    def __init__(self) -> None:
        self.pairs = list(each())

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        label, number = self.pairs[index]
        return Image.open(io.BytesIO(encoded(label, number))).convert("RGB"), self.classes.index(label)


def make_frame(folder: Path) -> Any:
    pandas = pytest.importorskip("pandas")
    rows = put_numbered(folder / "pictures", f"{folder}/pictures/")
    return pandas.DataFrame({"path": [path for path, _ in rows], "label": [label for _, label in rows]})


def make_frame_of_pictures(folder: Path) -> Any:
    pandas = pytest.importorskip("pandas")
    pairs = list(each())
    return pandas.DataFrame(
        {
            "image": [Image.open(io.BytesIO(encoded(*pair))) for pair in pairs],
            "label": [pair[0] for pair in pairs],
        }
    )


def make_hub_object(folder: Path) -> Any:
    datasets = pytest.importorskip("datasets")
    return datasets.Dataset(hub_table([row for rows in halves().values() for row in rows])).cast_column(
        "image", datasets.Image()
    )


FORMS: dict[str, Callable[[Path], object]] = {
    "csv": make_delimited,
    "csv of a German Excel": lambda folder: make_delimited(folder, ";", "photos.csv", bom=True),
    "tsv": lambda folder: make_delimited(folder, "\t", "photos.tsv"),
    "json lines": make_jsonl,
    "json": make_json,
    "parquet with paths": make_parquet,
    "parquet with pictures": lambda folder: make_parquet(folder, inside=True),
    "parquet of a hub": make_parquet_shards,
    "zip": make_zip,
    "zip, stored": lambda folder: make_zip(folder, zipfile.ZIP_STORED),
    "zip, bzip2": lambda folder: make_zip(folder, zipfile.ZIP_BZIP2),
    "zip with a table": make_table_in_zip,
    "tar": make_tar,
    "tgz": lambda folder: make_tar(folder, "photos.tar.gz", "w:gz"),
    "tar, xz": lambda folder: make_tar(folder, "photos.txz", "w:xz"),
    "webdataset": make_webdataset,
    "webdataset with notes": lambda folder: make_webdataset(folder, notes=True),
    "one shard": lambda folder: make_webdataset(folder) / "train-0000.tar",
    "saved by Hugging Face": make_saved,
    "saved by Hugging Face in splits": make_saved_splits,
    "imagefolder": make_imagefolder,
    "imagefolder in splits": make_imagefolder_splits,
    "coco": make_coco,
    "cvat": make_cvat,
    "label studio": make_label_studio,
    "datumaro": make_datumaro,
    "images and labels": lambda folder: (
        [Image.open(io.BytesIO(encoded(*pair))) for pair in each()],
        [label for label, _ in each()],
    ),
    "pairs": lambda folder: [(decode(encoded(*pair)), pair[0]) for pair in each()],
    "data frame": make_frame,
    "data frame of pictures": make_frame_of_pictures,
    "dataset": lambda folder: Items(),
    "dataset of Hugging Face": make_hub_object,
}
"""Each puts the pictures into an empty folder, and gives what is read."""
