from dataclasses import asdict

from budwood.data.manifest import Manifest, PassedOver, Photo, Reading
from budwood.data.understood import Understood
from budwood.report.card import write_card
from budwood.report.page import write_report
from budwood.report.reading import passed_over_as_lines, reading_as_lines, understood_as_lines
from budwood.runs.files import read_run
from budwood.runs.writing import write_check
from tests.report.conftest import build_run

HEIC = PassedOver("format", "green", 30, "green/IMG_1.HEIC", ".heic")


def test_understood_as_lines__a_row_for_each_class():
    photos = [
        Photo(b"", f"{n}", label, split)
        for n, (label, split) in enumerate(
            [("cats", "train"), ("cats", "train"), ("dogs", "train"), ("dogs", "test")]
        )
    ]
    reading = Reading("splits", {"train": ("Training",), "test": ("Testing",)})
    lines = understood_as_lines(Manifest(tuple(photos), ("cats", "dogs"), reading=reading).understood())
    assert lines[:2] == [
        "read as a folder for each split: train 'Training', test 'Testing'",
        "no photos in test of 'cats'",
    ]
    assert [line.split() for line in lines[2:]] == [
        ["class", "train", "test"],
        ["cats", "2", "0"],
        ["dogs", "1", "1"],
        ["all", "3", "1"],
    ]


def test_understood_as_lines__many_classes_in_short():
    counts = {f"class {n:02}": {"": n + 1} for n in range(21)}
    assert understood_as_lines(Understood(classes=counts)) == [
        "21 classes, 231 photos: from 1 ('class 00') to 21 ('class 20') each"
    ]
    given = {label: {"train": 4, "validation": 1} for label in counts}
    assert understood_as_lines(Understood(classes=given))[-1] == "train 84, validation 21"


def test_reading_as_lines__what_may_be_no_class_and_a_class_within_another():
    reading = Reading("classes", doubtful=("Unsorted",), inner=("daisy/roses", "daisy/tulips"))
    assert reading_as_lines(Understood(reading))[1:] == [
        "'Unsorted' is read as a class; if it is none, move it out of the folder",
        "'daisy/roses', 'daisy/tulips' have the names of another class, and their photos count as of the class in "
        "whose folder they lie",
    ]


def test_reading_as_lines__a_lone_train():
    lines = reading_as_lines(Understood(Reading("splits", above=("train",))))
    assert lines == ["read as what lies in 'train', still to be divided"]


def test_reading_as_lines__what_was_joined_and_above():
    reading = Reading(
        "nested",
        above=("amazon", "dslr"),
        joined={"Caf\u00e9": ("Cafe\u0301",), "cat": ("Cat", "cat ")},
        asked=True,
    )
    assert reading_as_lines(Understood(reading, groups=3)) == [
        "read as folders of classes below others; in 'amazon', 'dslr', as asked",
        "'Caf\u00e9' is written in two Unicode forms, and is one class",
        "'Cat', 'cat' and 'cat ' are one class, 'cat': the names differ by case or blanks alone",
        "3 groups, each of which stays in one split",
    ]


def test_passed_over_as_lines__with_the_way_to_have_them_read(monkeypatch):
    monkeypatch.setattr("budwood.report.reading.lacking", lambda format: "the extra heif")
    rest = [
        PassedOver("broken_link", "green", 10, "green/1.jpg"),
        PassedOver("format", ".", 1, "a.NEF", ".nef"),
        PassedOver("unlabelled", "test1", 1, "test1/1.jpg"),
        PassedOver("format", "red", 12, "red/1.txt", ".txt"),
        PassedOver("litter", ".", 2, ".DS_Store"),
    ]
    assert passed_over_as_lines([HEIC, *rest]) == [
        "not read: 30 .heic files in 'green', such as 'green/IMG_1.HEIC': install budwood[heif], or convert them",
        "not read: 10 links in 'green', such as 'green/1.jpg': to something that does not exist",
        "not read: 1 .nef file, such as 'a.NEF': a camera's raw format; convert them to JPEG",
        "not read: 1 photo in 'test1', such as 'test1/1.jpg': nothing says what is to be seen",
        "passed over: 12 .txt files and 2 hidden files or litter",
    ]
    monkeypatch.setattr("budwood.report.reading.lacking", lambda format: None)
    assert passed_over_as_lines([HEIC])[0].endswith("no picture that can be read; convert them")
    many = [PassedOver("format", f"c{n}", 2, "x", ".heic") for n in range(12)]
    lines = passed_over_as_lines(many)
    assert len(lines) == 9
    assert lines[-1] == "not read: 8 more files of other kinds or in other places"


def test_write_report__says_what_was_read(tmp_path):
    run = build_run(tmp_path / "run")
    report = read_run(run.folder).check
    write_report(run.folder)
    assert "What was read" not in (run.folder / "report.html").read_text(encoding="utf-8")
    understood = Understood(Reading("classes"), {"daisy": {"": 4}}, (HEIC,))
    write_check(run.folder, report.model_copy(update={"understood": understood}))
    assert asdict(read_run(run.folder).check.understood) == asdict(understood)
    write_report(run.folder)
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert 'href="#read"' in page
    assert "Not read: 30 .heic files in" in page
    assert "a folder for each class" in page
    (run.folder / "model").mkdir(exist_ok=True)
    card = write_card(run.folder).read_text(encoding="utf-8")
    assert "- not read: 30 .heic files in 'green'" in card
