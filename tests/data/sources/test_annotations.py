"""Exports of annotation tools: image labels are read, and what is wrong or of several classes is said."""

import json

import pytest

from budwood.config.data import Data
from budwood.core.errors import DataError
from budwood.data.sources import read_source
from tests.data.sources.forms import (
    coco_of,
    halves,
    make_coco,
    make_cvat,
    make_datumaro,
    make_label_studio,
    put_numbered,
    put_pictures,
    task_of,
)


def changed(file, change):
    value = json.loads(file.read_text())
    change(value)
    file.write_text(json.dumps(value))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "it has images and annotations, but no categories"),
        ('{"a": 1}', "it is none of the exports that are read"),
    ],
)
def test_coco__a_file_in_a_folder_that_is_no_export_is_named(tmp_path, text, message):
    folder = make_coco(tmp_path)
    (file,) = folder.glob("annotations/*.json")
    if text is None:
        changed(file, lambda value: value.pop("categories"))
    else:
        file.write_text(text)
    with pytest.raises(DataError, match=rf"annotations/{file.name} cannot be read: {message}"):
        read_source(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda v: v["annotations"].append({"image_id": 100, "category_id": 8}),
            r"image 0: '000\.png' is of several",
        ),
        (
            lambda v: v["annotations"].append({"image_id": 100, "category_id": 99}),
            r"annotation 8: there is no category 99",
        ),
        (
            lambda v: v["annotations"].append({"image_id": 9, "category_id": 7}),
            r"annotation 8: there is no image 9",
        ),
        (lambda v: v["annotations"].append(3), r"annotation 8: it is of type int"),
        (
            lambda v: v["annotations"].append({"image_id": [], "category_id": 7}),
            r"annotation 8: \[\] is no id",
        ),
        (lambda v: v["images"][3].pop("file_name"), r"image 3: it lacks file_name"),
        (lambda v: v["images"][3].update(file_name="9.png"), r"image 3: there is no '9\.png'"),
        (lambda v: v["images"][3].update(file_name="../../../etc/passwd"), r"image 3: .*leads out of"),
        (
            lambda v: v["images"][3].update(file_name="http://x.org/1.png"),
            r"image 3: .*address on the network",
        ),
        (lambda v: v.update(annotations=[]), r"holds no labelled photo"),
    ],
)
def test_coco__what_is_wrong_is_said(tmp_path, change, message):
    folder = make_coco(tmp_path)
    changed(folder / "annotations" / "instances_default.json", change)
    with pytest.raises(DataError, match=message):
        read_source(folder)


def test_coco__images_without_a_label_are_counted(tmp_path):
    folder = make_coco(tmp_path)
    changed(folder / "annotations" / "instances_default.json", lambda value: value["annotations"].pop())
    found = read_source(folder)
    assert len(found.photos) == 7
    assert [(one.kind, one.count, one.example) for one in found.passed_over] == [
        ("unlabelled", 1, "images/007.png")
    ]


def test_coco__files_are_splits(tmp_path):
    (tmp_path / "annotations").mkdir()
    for split, folder in (("train", "train2017"), ("val", "val2017")):
        rows = put_numbered(tmp_path / folder)
        value = coco_of([(f"{folder}/{path}", label) for path, label in rows])
        (tmp_path / "annotations" / f"instances_{split}2017.json").write_text(json.dumps(value))
    found = read_source(tmp_path)
    assert {photo.split for photo in found.photos} == {"train", "validation"}
    assert all(photo.name.startswith("train" if photo.split == "train" else "val") for photo in found.photos)


def test_cvat__tags_are_the_classes_and_shapes_are_not(tmp_path):
    folder = make_cvat(tmp_path)
    file = folder / "annotations.xml"
    text = file.read_text()
    file.write_text(text.replace("</tag></image>", '</tag><box label="eye" xtl="1"/></image>', 1))
    found = read_source(folder)
    assert found.classes == ("blue", "red") and dict(found.photos[0].metadata) == {"quality": "good"}
    file.write_text(text.replace("</tag></image>", '</tag><tag label="blue"/></image>', 1))
    with pytest.raises(
        DataError, match=r"annotations\.xml, image 0: '000\.png' is of several classes: red, blue"
    ):
        read_source(folder)


def test_cvat__boxes_where_there_are_no_tags(tmp_path):
    folder = make_cvat(tmp_path)
    text = (folder / "annotations.xml").read_text()
    (folder / "annotations.xml").write_text(text.replace("<tag", "<box").replace("</tag>", "</box>"))
    assert read_source(folder).classes == ("blue", "red")


def test_cvat__subsets_are_splits(tmp_path):
    folder = tmp_path
    images = []
    for split, rows in halves().items():
        (folder / "images" / split).mkdir(parents=True)
        for place, (content, label) in enumerate(rows):
            (folder / "images" / split / f"{place}.png").write_bytes(content)
            tag = f'<tag label="{("red", "blue")[label]}"/>'
            images.append(f'<image id="{len(images)}" name="{place}.png" subset="{split}">{tag}</image>')
    (folder / "annotations.xml").write_text(f"<annotations>{''.join(images)}</annotations>")
    found = read_source(folder)
    assert [photo.split for photo in found.photos] == ["train"] * 6 + ["test"] * 2
    assert found.photos[0].name == "images/train/0.png"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotations><image", "is no XML"),
        ("<dataset/>", "begins with <dataset>. Expected <annotations>"),
        ("<annotations><track/></annotations>", "is 'CVAT for video'"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotations>&b;</annotations>', "it declares entities"),
        ("<annotations></annotations>", "holds no labelled photo"),
    ],
)
def test_cvat__what_is_none(tmp_path, text, message):
    (tmp_path / "annotations.xml").write_text(text)
    with pytest.raises(DataError, match=message):
        read_source(tmp_path / "annotations.xml")


def test_label_studio__answers_that_do_not_agree_are_left_out(tmp_path):
    file = make_label_studio(tmp_path)

    def disagree(tasks):
        tasks[0]["annotations"].append(task_of("", "blue", 99)["annotations"][0])
        tasks[1]["annotations"].append(task_of("", "red", 98)["annotations"][0])
        tasks[2]["annotations"][0]["was_cancelled"] = True
        tasks[3]["annotations"] = []

    changed(file, disagree)
    found = read_source(file)
    assert len(found.photos) == 5
    assert [(problem.kind, problem.path) for problem in found.problems] == [("conflict", "upload/1/000.png")]
    assert "do not agree" in found.problems[0].detail
    assert [(one.kind, one.count) for one in found.passed_over] == [("unlabelled", 2)]


def test_label_studio__several_choices(tmp_path):
    file = make_label_studio(tmp_path)

    def ask_more(tasks):
        for task in tasks:
            other = json.loads(json.dumps(task["annotations"][0]["result"][0]))
            other["from_name"], other["value"] = "quality", {"choices": ["good"]}
            task["annotations"][0]["result"].append(other)

    changed(file, ask_more)
    with pytest.raises(
        DataError, match=r"has several choices: choice, quality\. Say which one is the label: --columns"
    ):
        read_source(file)
    assert read_source(file, Data(columns={"label": "choice"})).classes == ("blue", "red")


def test_label_studio__files_that_it_serves_and_several_labels(tmp_path):
    put_pictures(tmp_path)
    tasks = [task_of(f"/data/local-files/?d={name}/0.png", name, 1) for name in ("red", "blue")]
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    assert [photo.name for photo in read_source(tmp_path / "tasks.json").photos] == [
        "red/0.png",
        "blue/0.png",
    ]
    tasks[0]["annotations"][0]["result"][0]["value"]["choices"].append("blue")
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    with pytest.raises(DataError, match=r"task 1: 'red/0\.png' is of several classes: red, blue"):
        read_source(tmp_path / "tasks.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v["items"][2]["annotations"][0].update(label_id=9), r"item 2: there is no label 9"),
        (lambda v: v["items"][2].pop("id"), r"item 2: it lacks id"),
        (lambda v: v["items"][2]["image"].update(path="x.png"), r"item 2: there is no 'x\.png'"),
        (lambda v: v.update(categories={}), r"there is no label 0"),
    ],
)
def test_datumaro__what_is_wrong_is_said(tmp_path, change, message):
    folder = make_datumaro(tmp_path)
    changed(folder / "annotations" / "default.json", change)
    with pytest.raises(DataError, match=message):
        read_source(folder)


def test_datumaro__item_without_a_path_is_found_by_its_id(tmp_path):
    folder = make_datumaro(tmp_path)
    changed(
        folder / "annotations" / "default.json", lambda value: [item.pop("image") for item in value["items"]]
    )
    assert read_source(folder).photos[0].name == "images/default/000.png"


@pytest.mark.parametrize("value", [{"a": 1}, 3, "text", None, {"images": []}])
def test_json__of_no_kind(tmp_path, value):
    (tmp_path / "x.json").write_text(json.dumps(value))
    with pytest.raises(
        DataError, match=r"x\.json cannot be read: it (is none of the exports|has images, but no annotations)"
    ):
        read_source(tmp_path / "x.json")
