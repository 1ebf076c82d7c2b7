from dataclasses import replace

import pytest

from budwood.auditing import findings as kinds
from budwood.auditing.findings import Shown
from budwood.auditing.kind_words import counted
from budwood.auditing.result import Decided
from budwood.auditing.words import decided_as_lines, evidence, line
from budwood.core.text import NO_BREAK
from budwood.data.understood import PassedOver
from tests.auditing.conftest import audit_of

PHOTO = Shown("red/1.jpg", "red")


SAID = [
    (kinds.Unreadable(photo=PHOTO, fault="cut", detail="the file ends early"), "the file ends early"),
    (
        kinds.SplitGroup(group="p1", splits=("train", "test"), photos=(PHOTO,), num_photos=7),
        "the group 'p1', 7 photos in train and test",
    ),
    (
        kinds.WrongLabel(photo=PHOTO, suggested="blue", of_label=0.014, of_suggested=0.976, rank=1),
        "looks like 'blue' (98 %; 'red' 1 %)",
    ),
    (
        kinds.Outlier(photo=PHOTO, distance=0.805, limit=0.5, rank=1),
        "distance 0.81 to its nearest photos, listed from 0.50 on",
    ),
    (
        kinds.PoorPicture(photo=PHOTO, value=31.0, limit=32.0, kind="tiny"),
        "31 pixels on the shorter side, listed below 32",
    ),
    (
        kinds.PoorPicture(photo=PHOTO, value=250.123, limit=248.0, kind="overexposed"),
        "mean brightness 250, listed from 248",
    ),
    (kinds.PoorPicture(photo=PHOTO, value=2.0, limit=5.0, kind="blurred"), "sharpness 2, listed up to 5"),
    (
        kinds.FewPhotos(split="test", least=5, classes={"a": 1, "b": 1200}, given=False),
        "2 classes have fewer than 5 photos in test as they would be divided: 'a' 1, 'b' 1,200",
    ),
    (
        kinds.FewPhotos(split="test", least=1, classes={"a": 0}, given=True),
        "1 class has no photo in test: 'a' 0",
    ),
]


@pytest.mark.parametrize(("finding", "words"), SAID, ids=lambda one: getattr(one, "kind", None))
def test_evidence__what_speaks_for_it(finding, words):
    assert evidence(finding).replace("\u00a0", " ") == words


def test_evidence__how_alike_is_said_where_it_is_no_equality():
    same = kinds.Duplicate(photos=(PHOTO, PHOTO), by="bytes", similarity=1.0)
    assert "%" not in evidence(same)
    assert evidence(replace(same, by="hash", similarity=0.974)).replace("\u00a0", " ").endswith("(97 %)")


def test_line__three_photos_and_how_many_more():
    photos = tuple(Shown(f"red/{number}.jpg", "red") for number in range(5))
    text = line(kinds.Duplicate(photos=photos, by="bytes", similarity=1.0))
    assert text.startswith("red/0.jpg, red/1.jpg, red/2.jpg and 2 more: ")


def test_line__the_label_stands_where_the_path_does_not_say_it():
    def start(path, label):
        return line(kinds.Unreadable(photo=Shown(path, label), fault="x", detail="y"))

    assert start("red/1.jpg", "red") == "red/1.jpg: y"
    assert start("redder/1.jpg", "red") == "redder/1.jpg (red): y"
    assert start("a/red", "red") == "a/red (red): y"


def test_line__hides_what_a_terminal_would_obey():
    text = line(kinds.Unreadable(photo=Shown("a/\x1b[2J.jpg", "\x07"), fault="x", detail="\x1b[31m"))
    assert "\x1b" not in text and "\x07" not in text


def test_line__files_that_were_not_read_have_no_photo():
    text = line(kinds.NotRead(files=PassedOver("format", "red", 3, "red/a.heic", ".heic")))
    assert ".heic" in text and "3" in text


def test_decided_as_lines__what_was_done_and_what_does_not_count(manifest):
    decided = Decided(
        dropped=1,
        relabelled=2,
        joined=1,
        answered={"duplicate": 2},
        changed=("a.jpg",),
        gone=tuple(f"{number}.jpg" for number in range(40)),
    )
    lines = decided_as_lines(audit_of(manifest, decided=decided))
    assert lines[0].startswith("By decision: 1 photo dropped, 2 relabelled, 1 pair put into one group and 2 ")
    assert lines[0].endswith(" answered.")
    assert lines[1].startswith("a.jpg changed since it was decided")
    shown = [one for one in lines[2:] if one.endswith("is no longer in the data.")]
    assert lines[-1] == f"Nor are {40 - len(shown)} more."
    idle = Decided(dropped=0, relabelled=0, joined=0, answered={}, idle=("d.csv, line 2", "d.csv, line 5"))
    assert decided_as_lines(audit_of(manifest, decided=idle)) == [
        "2 rows add a label that the photo has already, or remove one that it lacks, which does nothing: the first "
        "is d.csv, line 2."
    ]
    assert decided_as_lines(audit_of(manifest)) == []
    nothing = Decided(dropped=0, relabelled=0, joined=0, answered={})
    assert decided_as_lines(audit_of(manifest, decided=nothing)) == []


def test_evidence__of_unequal_classes_says_the_guess_and_the_weights():
    found = kinds.Imbalance(
        largest="cats",
        smallest="dogs",
        num_largest=1000,
        num_smallest=5,
        majority_share=1000 / 1005,
        weights={"cats": 0.5025, "dogs": 100.5},
    )
    assert evidence(found).replace(NO_BREAK, " ") == (
        "1,000 photos of 'cats', 5 of 'dogs'; always answering 'cats' is right on 99.5 %; balanced, one of "
        "'cats' would weigh 0.5 and one of 'dogs' 100"
    )


def test_evidence__of_photos_with_several_labels(scenes, doubts):
    said = [evidence(one, several=True).replace(NO_BREAK, " ") for one in doubts]
    assert said == [
        "the same file; 'blue' on red 02.jpg, not on red 01.jpg; 'red' on red 01.jpg, not on red 02.jpg",
        "said not to have 'warm'; by its look 97 % probable",
        "said to have 'warm'; by its look 2 % probable",
        "unknown: 'warm'; by its look 93 % probable",
        "3 of 14 with 'blue' and without 'green' are said to have 'green' in its place, 1 of 13 the other way",
        "13 of 13 photos with 'warm' have 'red' too; 13 of 13 the other way",
        "40 photos with 'green', 13 with 'warm'; balanced, one with 'green' would weigh 0.6 and one with 'warm' 2",
    ]
    assert line(doubts[3], several=True).startswith("red/red 00.jpg (red (unknown: warm)): unknown: 'warm'")
    few = kinds.FewPhotos(split="test", least=5, classes={"a": 1}, given=True)
    assert evidence(few, several=True) == "1 label has fewer than 5 photos in test: 'a' 1"
    none = kinds.Outlier(photo=Shown("a/1.jpg", ""), distance=0.8, limit=0.5, rank=1)
    assert line(none, several=True).startswith("a/1.jpg (none of the labels): ")


def test_counted__of_photos_with_several_labels():
    assert counted("few_photos", 2, several=True) == "2 splits in which labels have few photos"
    assert counted("blank", 2, several=True) == counted("blank", 2)
