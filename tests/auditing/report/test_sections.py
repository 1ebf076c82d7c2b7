from dataclasses import replace

import pytest

from budwood.auditing.findings import Conflict, Duplicate, PoorPicture, Shown, WrongLabel
from budwood.auditing.report import sections
from budwood.auditing.report.sections import choose_samples, count_classes, list_findings, usable_share
from budwood.report.thumbnails import Thumbnails
from tests.auditing.conftest import audit_of


@pytest.fixture
def thumbnails(manifest):
    return Thumbnails({photo.name: photo.image for photo in manifest.photos}, "whole")


def test_list_findings__each_kind_once_the_most_severe_first(manifest, findings, thumbnails):
    found = list_findings(audit_of(manifest, findings), thumbnails)
    assert sorted(one.kind for one in found) == sorted({one.kind for one in findings})
    order = [("error", "warning", "note").index(one.severity) for one in found]
    assert order == sorted(order)
    assert {one.kind: one.total for one in found}["duplicate"] == 2
    assert all(one.num_left == 0 for one in found)


def test_list_findings__without_photos_they_are_lines(manifest, findings):
    found = list_findings(audit_of(manifest, findings), Thumbnails({}, "whole"))
    assert all(len(one.lines) == one.total and not one.cards for one in found)


def test_list_findings__a_card_has_one_photo_of_each_label_first(manifest, thumbnails):
    photos = [Shown(f"blue/blue {number:02}.jpg", "blue") for number in range(6)]
    red = Shown("red/red 00.jpg", "red")
    conflict = Conflict(photos=(*photos, red), by="pixels", similarity=1.0, left_out=())
    (found,) = list_findings(audit_of(manifest, [conflict]), thumbnails)
    (card,) = found.cards
    assert card.photos == [photos[0], red, photos[1], photos[2]]
    assert (card.num_more, found.beside) == (3, True)


def test_list_findings__odds_of_a_wrong_label(manifest, thumbnails):
    wrong = WrongLabel(
        photo=Shown("red/red 00.jpg", "red"), suggested="blue", of_label=0.1, of_suggested=0.8, rank=1
    )
    (found,) = list_findings(audit_of(manifest, [wrong]), thumbnails)
    assert (found.cards[0].odds, found.beside) == (("blue", 0.8, 0.1), False)


def test_list_findings__the_room_of_the_page_is_shared_out(manifest, thumbnails, monkeypatch):
    monkeypatch.setattr(sections, "BUDGET", 10)
    poor = [
        PoorPicture(photo=Shown(f"red/red {number:02}.jpg", "red"), value=1.0, limit=2.0, kind="dark")
        for number in range(14)
    ]
    (found,) = list_findings(audit_of(manifest, poor), thumbnails)
    assert (len(found.cards), found.num_left, found.total) == (10, 4, 14)


def test_count_classes__by_split_and_the_largest_first(manifest):
    audit = audit_of(manifest)
    counts = replace(
        audit.counts, classes={"a": {"train": 3}, "b": {"train": 2, "test": 4}, "c": {"": 6}, "none": {}}
    )
    found = count_classes(replace(audit, counts=counts))
    assert found.splits == ["train", "test", ""]
    assert [(row.name, row.counts, row.total) for row in found.rows] == [
        ("b", [2, 4, 0], 6),
        ("c", [0, 0, 6], 6),
        ("a", [3, 0, 0], 3),
        ("none", [0, 0, 0], 0),
    ]
    assert (found.totals, found.largest, found.tall) == ([5, 4, 6], 6, False)


def test_count_classes__photos_of_findings_are_counted_once(manifest):
    wrong = WrongLabel(photo=Shown("1", "red"), suggested="blue", of_label=0.1, of_suggested=0.8, rank=1)
    blurred = PoorPicture(photo=Shown("1", "red"), value=1.0, limit=2.0, kind="blurred", severity="warning")
    twice = Duplicate(photos=(Shown("2", "red"), Shown("3", "red")), by="bytes", similarity=1.0)
    found = count_classes(audit_of(manifest, [wrong, blurred, twice]))
    assert {row.name: row.findings for row in found.rows} == {"red": 3, "blue": 0, "green": 0}


def test_choose_samples__some_of_each_class_and_none_that_is_unreadable(manifest, findings, thumbnails):
    found = choose_samples(audit_of(manifest, findings), thumbnails)
    assert found.strips and found.num_classes == 3
    for label, names in found.rows:
        assert len(set(names)) == sections.SAMPLES
        assert all(name.startswith(f"{label}/") for name in names)
    assert "red/red 01.jpg" not in dict(found.rows)["red"]
    assert found == choose_samples(audit_of(manifest, findings), thumbnails)
    assert choose_samples(audit_of(manifest), Thumbnails({}, "whole")) is None


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        ({}, ""),
        ({"a": {"train": 2, "test": 1}, "b": {"": 3}}, "3 photos each"),
        ({"a": {"": 1}, "b": {"": 1200}}, "1 to 1,200 photos each"),
    ],
)
def test_usable_share__sizes_of_the_classes(manifest, classes, words):
    audit = audit_of(manifest)
    assert usable_share(replace(audit, counts=replace(audit.counts, classes=classes))) == words


def test_count_classes__counts_a_photo_under_each_of_its_labels(scenes, doubts):
    found = count_classes(audit_of(scenes, doubts))
    rows = {row.name: (row.total, row.findings) for row in found.rows}
    # The conflict's photos under all of their labels; of single labels in doubt the photo counts under these alone.
    assert rows == {"blue": (13, 1), "green": (14, 0), "red": (14, 1), "warm": (13, 4)}
    assert found.num_photos == 42


def test_choose_samples__of_photos_with_several_labels(scenes, thumbnails):
    rows = dict(choose_samples(audit_of(scenes), thumbnails).rows)
    assert set(rows) == {"blue", "green", "red", "warm"} and all("red/" in name for name in rows["warm"])


def test_list_findings__words_of_photos_with_several_labels(scenes, doubts, thumbnails):
    found = {one.kind: one for one in list_findings(audit_of(scenes, doubts), thumbnails)}
    assert list(found) == [
        "label_conflict",
        "missing_label",
        "extra_label",
        "alike_labels",
        "labels_together",
        "unknown_label",
        "label_imbalance",
    ]
    assert (
        found["missing_label"].cards[0].doubt == doubts[1] and found["label_conflict"].cards[0].doubt is None
    )
    assert "'blue' on red 02.jpg, not on red 01.jpg" in found["label_conflict"].cards[0].evidence
    assert found["label_imbalance"].lines[0].startswith("40 photos with 'green'")
