"""`budwood.auditing.questions`: the table that is written is the table that is read."""

import csv
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.auditing.decisions import read_decisions, read_rows
from budwood.auditing.findings import Conflict, CrossSplit, Shown
from budwood.auditing.questions import Question, questions_of, write_questions
from tests.auditing.conftest import audit_of

NAMES = st.text(
    st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), min_size=1, max_size=20
).filter(str.strip)


def test_questions_of__has_a_row_for_what_a_decision_answers(manifest, findings):
    rows = questions_of(audit_of(manifest, findings))
    assert [(one.finding, one.photo, one.other, one.label) for one in rows] == [
        ("conflict", "blue/blue 00.jpg", "red/red 00.jpg", "red"),
        ("conflict", "red/red 00.jpg", "blue/blue 00.jpg", "blue"),
        ("unreadable", "red/red 01.jpg", "", ""),
        ("wrong_label", "blue/blue 02.jpg", "", "green"),
        ("wrong_label", "green/green 02.jpg", "", "red"),
        ("outlier", "red/red 03.jpg", "", ""),
        ("duplicate", "green/green 04.jpg", "green/green 05.jpg", ""),
        ("duplicate", "green/green 04.jpg", "green/green 06.jpg", ""),
        ("duplicate", "green/green 07.jpg", "green/green 08.jpg", ""),
        ("blurred", "blue/blue 09.jpg", "", ""),
    ]
    assert rows[0].labelled == "blue" and rows[3].evidence == "looks like 'green' (97 %; 'blue' 1 %)"
    assert len(rows[0].sha256) == len(rows[0].other_sha256) == 16


def test_questions_of__offers_each_photo_of_several_splits(manifest):
    train, test, other = (
        Shown(f"red/red 0{number}.jpg", "red", split)
        for number, split in enumerate(("train", "test", "test"))
    )
    leak = CrossSplit(photos=(train, test, other), by="hash", similarity=0.999, left_out=())
    rows = questions_of(audit_of(manifest, [leak]))
    assert [(one.photo, one.other) for one in rows] == [
        (train.path, test.path),
        (test.path, train.path),
        (other.path, train.path),
    ]


@given(st.lists(st.tuples(NAMES, NAMES, NAMES), max_size=6, unique_by=lambda one: one[0]))
def test_write_questions__is_read_back(tmp_path_factory, names):
    path = tmp_path_factory.mktemp("table") / "decisions.csv"
    questions = [Question(photo, label, "conflict", "x", label, other) for photo, label, other in names]
    assert write_questions(path, questions) == len(questions)
    assert read_decisions(path) == ()
    assert [(row["photo"], row["labelled"], row["other"]) for _, row in read_rows(path)] == names
    # As a spreadsheet saves it.
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(["photo", "decision", "finding"])
        writer.writerows((photo, "drop", "conflict") for photo, _, _ in names)
    wanted = [(photo, "drop", "conflict") for photo, _, _ in names]
    assert [(one.photo, one.verdict, one.finding) for one in read_decisions(path)] == wanted


def test_write_questions__adds_what_is_new_and_leaves_the_rest_as_it_is(tmp_path, manifest, findings):
    path = tmp_path / "decisions.csv"
    mine = '﻿# my own table\nphoto;decision;finding;other\n"blue/blue 02.jpg";keep;wrong_label;'
    path.write_text(mine, "utf-8")
    rows = questions_of(audit_of(manifest, findings))
    assert write_questions(path, rows) == len(rows) - 1
    text = path.read_text("utf-8")
    assert text.startswith(mine + "\n") and "blue/blue 00.jpg;;conflict;red/red 00.jpg\n" in text
    assert [one.verdict for one in read_decisions(path)] == ["keep"]
    assert write_questions(path, rows) == 0 and path.read_text("utf-8") == text


def test_write_questions__is_a_plain_table_that_says_what_can_be_decided(tmp_path, manifest, findings):
    path = tmp_path / "decisions.csv"
    write_questions(path, questions_of(audit_of(manifest, findings)))
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10 and not any(row["decision"] for row in rows)
    for row in rows:
        assert row["choices"].endswith("same or different" if row["other"] else "drop or relabel")


ABOVE = ["# Fill in the column decision: keep, drop or relabel of the photo,", "# or same"]


@pytest.mark.parametrize("delimiter", ",;\t")
@pytest.mark.parametrize("quoting", [csv.QUOTE_ALL, csv.QUOTE_MINIMAL])
@pytest.mark.parametrize("divided", [False, True])
def test_write_questions__tables_of_earlier_versions_that_a_spreadsheet_saved(
    tmp_path, manifest, findings, delimiter, quoting, divided
):
    path = tmp_path / "decisions.csv"
    rows = questions_of(audit_of(manifest, findings))
    with open(path, "w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file, delimiter=delimiter, quoting=quoting)
        # A spreadsheet divides these lines at their commas, or keeps them whole, and fills every row up.
        above = [line.split(",") if divided else [line] for line in ABOVE]
        writer.writerows([*line, *[""] * (9 - len(line))] for line in above)
        writer.writerow(["decision", "photo", "other", "finding", "label"])
        writer.writerow(["drop", rows[2].photo, rows[2].other, rows[2].finding, "a, b"])
    assert [(one.photo, one.verdict) for one in read_decisions(path)] == [(rows[2].photo, "drop")]
    assert write_questions(path, rows) == len(rows) - 1
    assert [one.photo for one in read_decisions(path)] == [rows[2].photo]
    assert len(read_rows(path)) == len(rows)


def test_questions_of__passes_over_names_that_are_no_text(manifest, findings):
    odd = audit_of(manifest, [findings[2]])
    photo = findings[2].photo.__class__("blue/\udcff.jpg", "blue")
    assert questions_of(odd) and not questions_of(
        audit_of(
            manifest,
            [type(findings[2])(photo=photo, suggested="green", of_label=0.0, of_suggested=1.0, rank=1)],
        )
    )


def test_questions_of__each_label_of_a_photo_by_itself(scenes, doubts, tmp_path):
    another = replace(doubts[1], label="red", rank=2)
    rows = questions_of(audit_of(scenes, [*doubts, another]))
    assert [(one.finding, one.photo, one.labelled, one.label, one.other) for one in rows] == [
        ("label_conflict", "red/red 01.jpg", "red;warm", "blue;warm", "red/red 02.jpg"),
        ("label_conflict", "red/red 02.jpg", "blue;warm", "red;warm", "red/red 01.jpg"),
        ("missing_label", "blue/blue 01.jpg", "blue", "warm", ""),
        ("extra_label", "red/red 03.jpg", "red;warm", "warm", ""),
        ("unknown_label", "red/red 00.jpg", "red;?warm", "warm", ""),
        ("missing_label", "blue/blue 01.jpg", "blue", "red", ""),
    ]
    assert [one.choices for one in rows[2:5]] == [
        "add, keep, unknown or drop",
        "remove, keep, unknown or drop",
        "add, remove, keep or drop",
    ]
    path = tmp_path / "decisions.csv"
    assert write_questions(path, rows[:5]) == 5
    # The other label of the same photo is another question.
    assert write_questions(path, rows) == 1 and write_questions(path, rows) == 0


def test_questions_of__a_copy_that_agrees_with_the_first_is_set_beside_one_that_does_not(scenes):
    sets = ("red", "red;?warm", "blue")
    photos = tuple(Shown(f"red/red 0{number}.jpg", one) for number, one in enumerate(sets, 1))
    conflict = Conflict(photos=photos, by="bytes", similarity=1.0, left_out=(), kind="label_conflict")
    rows = questions_of(audit_of(scenes, [conflict]))
    assert [(one.labelled, one.label) for one in rows] == [
        ("red", "blue"), ("red;?warm", "blue"), ("blue", "red")
    ]  # fmt: skip
