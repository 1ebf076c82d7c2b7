import json
from dataclasses import replace

import pytest

from budwood.auditing.findings import (
    AlikeClasses,
    Audit,
    Conflict,
    Counts,
    CrossSplit,
    Duplicate,
    FewPhotos,
    GroupHint,
    Imbalance,
    Network,
    NotRead,
    OtherProblem,
    Outlier,
    PoorPicture,
    Shown,
    SplitGroup,
    Unreadable,
    WrongLabel,
    photos_of,
)
from budwood.data.manifest import PassedOver, Photo
from budwood.data.understood import Reading, Understood

A, B = Shown("cats/a.jpg", "cats", "train"), Shown("dogs/b.jpg", "dogs")
EVERY = (
    Conflict(photos=(A, B), by="bytes", similarity=1.0, left_out=(A.path, B.path)),
    CrossSplit(photos=(A, B), by="hash", similarity=0.997, left_out=(A.path,), severity="warning"),
    SplitGroup(group="g", splits=("train", "test"), photos=(A, B), num_photos=7),
    Unreadable(photo=A, fault="truncated", detail="cut short"),
    GroupHint(
        evidence="the column 'patient'", option="column:patient", num_groups=9, num_photos=90, example="a"
    ),
    WrongLabel(photo=A, suggested="dogs", of_label=0.1, of_suggested=0.85, rank=1),
    Outlier(photo=B, distance=0.8, limit=0.5, rank=1),
    FewPhotos(split="test", least=5, classes={"cats": 1}, given=True),
    NotRead(files=PassedOver("format", "cats", 30, "cats/a.heic", ".heic")),
    Duplicate(photos=(A, A), by="pixels", similarity=1.0),
    AlikeClasses(
        first="cats",
        second="dogs",
        first_as_second=3,
        second_as_first=1,
        num_first=20,
        num_second=20,
        share=0.1,
        interval=(0.04, 0.23),
        examples=(A,),
    ),
    *(
        PoorPicture(photo=A, value=1.0, limit=2.0, kind=kind)
        for kind in ("blank", "blurred", "dark", "overexposed", "tiny")
    ),
    Imbalance(
        largest="cats",
        smallest="dogs",
        num_largest=90,
        num_smallest=10,
        majority_share=0.9,
        weights={"cats": 0.56, "dogs": 5.0},
    ),
    OtherProblem(path="a.tif", problem="pages", detail="holds 3 pages; the first is read"),
)
AUDIT = Audit(
    source="pets",
    understood=Understood(Reading("classes"), {"cats": {"": 3}}, (), 2),
    counts=Counts(found=4, readable=4, usable=3, groups=3, classes={"cats": {"": 3}}),
    findings=EVERY,
    network=Network(
        backbone="efficientnet_lite0",
        computed=3,
        stored=0,
        accuracy=0.9,
        interval=(0.8, 0.95),
        num_photos=3,
        folds=5,
        strength=0.1,
    ),
)


def test_audit__every_kind_is_read_back_from_json():
    written = json.loads(json.dumps(AUDIT.to_json()))

    assert Audit.from_json(written) == AUDIT


def test_audit__json_holds_no_photos_and_names_each_kind():
    written = replace(AUDIT, photos=(Photo(b"", "cats/a.jpg", "cats"),)).to_json()

    assert "photos" not in written
    assert [one["kind"] for one in written["findings"]] == [one.kind for one in EVERY]


def test_audit__unknown_kind_is_refused():
    written = AUDIT.to_json()
    written["findings"][0]["kind"] = "colour"

    with pytest.raises(ValueError, match="colour"):
        Audit.from_json(written)


def test_audit__errors_and_kinds_are_picked():
    assert [one.kind for one in AUDIT.errors] == ["conflict", "split_group"]
    assert AUDIT.of("blurred", "tiny") == [one for one in EVERY if one.kind in ("blurred", "tiny")]


def test_photo__found_by_path():
    photo = Photo(b"", "cats/a.jpg", "cats")

    assert replace(AUDIT, photos=(photo,)).photo("cats/a.jpg") is photo
    with pytest.raises(KeyError):
        AUDIT.photo("cats/a.jpg")


def test_photos_of__photos_of_every_kind():
    assert [len(list(photos_of(one))) for one in EVERY] == [
        2,
        2,
        2,
        1,
        0,
        1,
        1,
        0,
        0,
        2,
        1,
        1,
        1,
        1,
        1,
        1,
        0,
        0,
    ]
