"""What annotation tools export, as image labels: COCO, CVAT for images, Label Studio and Datumaro.

Each is turned into rows and read as a table is. An image has one class, or with `data.task = "multi-label"` each label
that something in it has: where boxes or polygons are all that there is, they count for the image. Images that nobody
has labelled yet are passed over, and counted.
"""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree

from budwood.config.data import Data
from budwood.core.errors import DataError
from budwood.core.text import listing, shown
from budwood.data.manifest import Manifest, Problem
from budwood.data.sources.columns import Columns
from budwood.data.sources.delimited import finder_of, open_file, read_json, read_json_table, title_of
from budwood.data.sources.label_values import LabelForm
from budwood.data.sources.table import Row, Table, read_table, split_names, split_words
from budwood.data.sources.tree import Tree

_ROLES = {"path": "path", "label": "label"}
_COCO = ("images", "annotations", "categories")
_BESIDE = ("images", "JPEGImages", "img", "data")
_LARGEST_XML = 500_000_000
_WORDS = re.compile(r"[A-Za-z]+")


class Images:
    """The images of one or more annotation files of a kind, and what is said of each."""

    def __init__(self, title: str, kind: str):
        self.title, self.kind = title, kind
        self.rows: list[Row] = []
        self.problems: list[Problem] = []
        self.columns: dict[str, None] = {}
        self.part: str | None = None
        """Name of the file that is read, which is that of a folder of images too."""
        self.several: str | None = None
        """What is wrong with the first image of several classes, where one is expected."""

    def add(self, where: str, path: object, labels: Iterable[str], more: Mapping[str, object]) -> None:
        """Take an image."""
        different = list(dict.fromkeys(labels))
        if len(different) > 1 and self.several is None:
            shortest = path[-1] if isinstance(path, tuple) else path
            self.several = (
                f"{self.title}, {where}: {shown(str(shortest)[:100])!r} is of several classes: "
                f"{', '.join(different[:5])}. Expected one for each image: leave the others out of the export, or give "
                "--set data.task=multi-label"
            )
        self.columns.update(dict.fromkeys(more))
        values = {**more, "path": path, "label": different or None}
        self.rows.append(Row(where, values))

    def manifest(self, tree: Tree, base: str, settings: Data) -> Manifest:
        """Return the manifest of the images, which lie in `base` or in a folder beside it."""
        several = settings.task == "multi-label"
        if self.several and not several:
            raise DataError(self.several)
        roles: dict[str, str] = {
            **_ROLES,
            **{role: role for role in ("split", "group", "weight") if role in self.columns},
        }
        others = tuple(name for name in self.columns if name not in roles)
        return read_table(
            Table(
                self.title,
                self.kind,
                Columns(roles, others),
                self.rows if several else [_with_one_label(row) for row in self.rows],
                finder_of(tree, base, self.title, settings, _places(base)),
                form=LabelForm.of(settings),
                split_names=split_names(settings.split_folders),
                unlabelled_are_left_out=True,
                problems=tuple(self.problems),
            )
        )


def _with_one_label(row: Row) -> Row:
    labels = row.values["label"]
    label = labels[0] if isinstance(labels, list) else labels
    return replace(row, values={**row.values, "label": label})


def is_annotations(value: object) -> bool:
    """Return whether a JSON value is what an annotation tool exports.

    >>> is_annotations({"images": [], "annotations": [], "categories": []}), is_annotations([{"path": "1.jpg"}])
    (True, False)
    """
    return _kind_of(value) is not None


def why_none(value: object) -> str:
    """Return what keeps a JSON value from being an export, for messages.

    >>> why_none({"images": [], "annotations": []})
    'it has images and annotations, but no categories'
    """
    there = [key for key in _COCO if isinstance(value, dict) and isinstance(value.get(key), list)]
    if there:
        return f"it has {listing(there)}, but no {' and no '.join(key for key in _COCO if key not in there)}"
    return (
        "it is none of the exports that are read. Expected COCO (images, annotations, categories), Label Studio (a "
        'list of tasks), Datumaro (categories, items), or a list of objects such as {"path": ..., "label": ...}'
    )


def read_json_annotations(tree: Tree, names: Sequence[str], settings: Data) -> Manifest:
    """Return the manifest of JSON files: exports of COCO, Label Studio or Datumaro, or a plain list of objects.

    Several are parts of one data set; the split is what each is called.

    Raise DataError where a file is none of these, or cannot be read rightly.
    """
    values = {name: read_json(tree, name) for name in sorted(names)}
    kinds = {_kind_of(value) for value in values.values()}
    if len(values) == 1 and kinds == {None}:
        ((name, value),) = values.items()
        if isinstance(value, list):
            return read_json_table(tree, name, settings, value)
        raise DataError(f"{title_of(tree, name)} cannot be read: {why_none(value)}")
    if len(kinds) > 1:
        raise DataError(f"{', '.join(values)} in {tree.title} are of several kinds. Give one of them")
    (kind,) = kinds
    assert kind is not None
    first = next(iter(values))
    base = first.rpartition("/")[0]
    images = Images(title_of(tree, first if len(values) == 1 else base), kind)
    for name, value in values.items():
        split = _split_in(name, alone=len(values) == 1, title=title_of(tree, name), settings=settings)
        prefix = f"{name.rpartition('/')[2]}, " if len(values) > 1 else ""
        images.part = os.path.splitext(name.rpartition("/")[2])[0]
        _READERS[kind](value, images, prefix, split, settings)
    return images.manifest(tree, base, settings)


def read_cvat(tree: Tree, name: str, settings: Data) -> Manifest:
    """Return the manifest of the tags in annotations.xml, "CVAT for images". Raise DataError where it is none."""
    title = title_of(tree, name)
    with open_file(tree, name, title) as file:
        content = file.read(_LARGEST_XML)
    # An entity can be made to fill the memory, and CVAT writes none.
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content or content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(
            f"{title} is not as CVAT writes it: it declares entities, or is not UTF-8. Export it again"
        )
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise DataError(f"{title} is no XML ({error}). Export it again") from error
    if root.tag != "annotations":
        raise DataError(f"{title} is no export of CVAT: it begins with <{root.tag}>. Expected <annotations>")
    if root.find("track") is not None:
        raise DataError(f"{title} is 'CVAT for video'. Export it as 'CVAT for images'")
    images = Images(title, "cvat")
    elements = root.findall("image")
    tagged = any(image.find("tag") is not None for image in elements)
    for element in elements:
        given = [one for one in element if (one.tag == "tag") == tagged and one.get("label")]
        more: dict[str, object] = {}
        if subset := element.get("subset"):
            more["split"] = _known_split(subset, settings)
        for one in given[:1]:
            more |= {str(part.get("name")): part.text or "" for part in one.findall("attribute")}
        more = {key: value for key, value in more.items() if key not in _ROLES}
        where = f"image {element.get('id') or len(images.rows)}"
        path = _below(element.get("subset"), element.get("name"))
        images.add(where, path, [str(one.get("label")) for one in given], more)
    return images.manifest(tree, name.rpartition("/")[0], settings)


def _kind_of(value: object) -> str | None:
    if isinstance(value, dict):
        if isinstance(value.get("items"), list) and isinstance(value.get("categories"), dict):
            return "datumaro"
        if all(isinstance(value.get(key), list) for key in _COCO):
            return "coco"
    if isinstance(value, list) and value and all(isinstance(task, dict) for task in value):
        tasks = [task for task in value if isinstance(task.get("data"), dict)]
        if len(tasks) == len(value) and any("annotations" in task or "completions" in task for task in tasks):
            return "label-studio"
    return None


def _coco(value: Any, images: Images, prefix: str, split: str | None, settings: Data) -> None:
    names = {}
    for number, category in enumerate(value["categories"]):
        where = f"{prefix}category {number}"
        _refuse_other(category, ("id", "name"), images.title, where)
        names[_key(category["id"], images.title, where)] = category["name"]
    given = defaultdict(list)
    ids = set()
    for number, image in enumerate(value["images"]):
        _refuse_other(image, ("id", "file_name"), images.title, f"{prefix}image {number}")
        ids.add(_key(image["id"], images.title, f"{prefix}image {number}"))
    for number, annotation in enumerate(value["annotations"]):
        where = f"{prefix}annotation {number}"
        _refuse_other(annotation, ("image_id", "category_id"), images.title, where)
        category, image = (_key(annotation[key], images.title, where) for key in ("category_id", "image_id"))
        if category not in names:
            raise DataError(f"{images.title}, {where}: there is no category {category!r}. Export it again")
        if image not in ids:
            raise DataError(f"{images.title}, {where}: there is no image {image!r}. Export it again")
        given[image].append(names[category])
    for number, image in enumerate(value["images"]):
        extra = {key: image[key] for key in ("split", "group", "weight") if image.get(key) not in (None, "")}
        where = f"{prefix}image {number}"
        images.add(where, image["file_name"], map(str, given[image["id"]]), {**_of_split(split), **extra})


def _datumaro(value: Any, images: Images, prefix: str, split: str | None, settings: Data) -> None:
    listed = value["categories"].get("label")
    labels = listed.get("labels") if isinstance(listed, dict) else None
    names = (
        [label.get("name") for label in labels if isinstance(label, dict)] if isinstance(labels, list) else []
    )
    for number, item in enumerate(value["items"]):
        where = f"{prefix}item {number}"
        _refuse_other(item, ("id",), images.title, where)
        annotations = [one for one in item.get("annotations") or [] if isinstance(one, dict)]
        whole = [one for one in annotations if one.get("type") == "label"]
        numbers = [one["label_id"] for one in whole or annotations if one.get("label_id") is not None]
        for one in numbers:
            if not isinstance(one, int) or not 0 <= one < len(names):
                raise DataError(f"{images.title}, {where}: there is no label {one!r}. Export it again")
        place: Mapping[str, Any] = next(
            (item[key] for key in ("image", "media") if isinstance(item.get(key), dict)), {}
        )
        attributes = item.get("attr") if isinstance(item.get("attr"), dict) else {}
        more = {
            key: one
            for key, one in attributes.items()
            if key not in _ROLES and not isinstance(one, dict | list)
        }
        path = _below(images.part, place.get("path") or item["id"])
        images.add(where, path, [str(names[one]) for one in numbers], {**_of_split(split), **more})


def _label_studio(value: Any, images: Images, prefix: str, split: str | None, settings: Data) -> None:
    question = settings.columns.get("label") or _only_question(value, images.title)
    for number, task in enumerate(value, 1):
        where = f"{prefix}task {task.get('id', number)}"
        data = task["data"]
        field = settings.columns.get("path") or _image_field(data, images.title, where)
        answers = [_answer(one, question) for one in task.get("annotations") or task.get("completions") or []]
        answers = [answer for answer in answers if answer]
        path = _local(data.get(field))
        more = {key: one for key, one in data.items() if key != field and isinstance(one, str | int | float)}
        more = {key: one for key, one in more.items() if key not in _ROLES}
        if len(set(answers)) > 1:
            counted = ", ".join(
                f"{len(answer)} of {shown(', '.join(answer))!r}" for answer in sorted(set(answers))
            )
            detail = f"its annotators do not agree ({counted}); it is left out"
            images.problems.append(Problem(shown(str(path)), "conflict", detail))
            continue
        images.add(where, path, answers[0] if answers else (), {**_of_split(split), **more})


def _only_question(tasks: Sequence[dict], title: str) -> str | None:
    """Return the name of the choice that the tasks ask for. Raise DataError where there are several."""
    asked: Counter[str] = Counter()
    for task in tasks:
        for annotation in task.get("annotations") or task.get("completions") or []:
            for result in _results(annotation):
                if result.get("type") == "choices":
                    asked[str(result.get("from_name"))] += 1
    if len(asked) > 1:
        raise DataError(
            f"{title} has several choices: {', '.join(sorted(asked))}. Say which one is the label: --columns "
            f"label={asked.most_common(1)[0][0]}"
        )
    return next(iter(asked), None)


def _results(annotation: object) -> list[dict]:
    if not isinstance(annotation, dict) or annotation.get("was_cancelled"):
        return []
    results = annotation.get("result")
    return [one for one in results if isinstance(one, dict)] if isinstance(results, list) else []


def _answer(annotation: object, question: str | None) -> tuple[str, ...]:
    chosen = []
    for result in _results(annotation):
        value = result.get("value")
        if (
            result.get("type") == "choices"
            and str(result.get("from_name")) == question
            and isinstance(value, dict)
        ):
            choices = value.get("choices")
            chosen += [str(choice) for choice in choices] if isinstance(choices, list) else []
    return tuple(chosen)


def _image_field(data: Mapping[str, object], title: str, where: str) -> str:
    names = ("img", "photo", "picture", "image_path", "path", "file")
    fields = ["image"] if "image" in data else [key for key in data if key.lower() in names]
    if len(fields) != 1:
        raise DataError(
            f"{title}, {where}: which of its fields is the image? They are {', '.join(map(str, data))[:200]}. Say so: "
            "--columns path=FIELD"
        )
    return fields[0]


def _local(path: object) -> object:
    """Return where Label Studio has a picture, below the folder that it serves."""
    if not isinstance(path, str):
        return path
    parts = urlsplit(path) if path.startswith("/data/") else None
    if parts and parts.path.rstrip("/") == "/data/local-files":
        return parse_qs(parts.query).get("d", [""])[0]
    if parts and parts.path.startswith("/data/upload/"):
        return unquote(parts.path.removeprefix("/data/"))
    return path


_READERS = {"coco": _coco, "datumaro": _datumaro, "label-studio": _label_studio}


def _split_in(name: str, *, alone: bool, title: str, settings: Data) -> str | None:
    """Return the split that the name of a file says, such as instances_val2017.json."""
    stem = os.path.splitext(name.rpartition("/")[2])[0]
    asked = split_names(settings.split_folders)
    if asked:
        return stem if stem in asked else None
    known = list(split_words(_WORDS.findall(stem), {}))
    return known[0] if len(known) == 1 and not alone else None


def _known_split(subset: str, settings: Data) -> str:
    """Return a subset's name; CVAT and Datumaro call what is in none "default"."""
    return "" if subset.lower() == "default" and not settings.split_folders else subset


def _below(part: str | None, path: object) -> object:
    """Return the paths at which an image may lie: in a folder of its part of the data, or in the one of all."""
    return (f"{part}/{path}", path) if part and isinstance(path, str) else path


def _of_split(split: str | None) -> dict[str, object]:
    return {"split": split} if split else {}


def _places(base: str) -> tuple[str, ...]:
    """Return where images lie beside an annotation file: in a folder of it, or of the one above."""
    above = base.rpartition("/")[0]
    beside = [f"{base}/{name}" if base else name for name in _BESIDE]
    if base:
        beside += [above, *(f"{above}/{name}" if above else name for name in _BESIDE)]
    return tuple(beside)


def _refuse_other(value: object, keys: Sequence[str], title: str, where: str) -> None:
    if not isinstance(value, dict):
        raise DataError(f"{title}, {where}: it is of type {type(value).__name__}. Expected an object")
    if missing := [key for key in keys if value.get(key) is None]:
        raise DataError(f"{title}, {where}: it lacks {', '.join(missing)}. Export it again")


def _key(value: object, title: str, where: str) -> int | str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise DataError(f"{title}, {where}: {shown(str(value)[:40])} is no id. Expected a number")
    return value


def items_of(tree: Tree, folder: str) -> Iterator[str]:
    """Yield the names of the JSON files in a folder of a tree."""
    try:
        entries = tree.entries(folder)
    except OSError:
        return
    for entry in entries:
        if entry.kind == "file" and entry.base.lower().endswith(".json") and not entry.base.startswith("."):
            yield entry.name
