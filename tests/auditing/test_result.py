import json
from dataclasses import replace

import pytest

from budwood.auditing.result import Audit, Counts, Network
from budwood.data.manifest import Photo
from budwood.data.understood import Reading, Understood
from tests.auditing.test_findings import EVERY

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
