"""`budwood.auditing.settle`: decisions change the photos, and answer findings."""

from dataclasses import replace

import pytest

from budwood.auditing.decisions import Decision
from budwood.auditing.findings import Conflict, CrossSplit, Duplicate
from budwood.auditing.settle import settle
from budwood.core.errors import DataError
from tests.auditing.conftest import audit_of, shown_of


def decided(photo, verdict, **more):
    return Decision(photo, verdict, where="decisions.csv, line 2", **more)


def test_settle__drops_and_relabels(manifest):
    found = settle(
        manifest,
        [decided("red/red 00.jpg", "drop"), decided("blue/blue 01.jpg", "relabel", label="green")],
    )
    labels = {photo.name: photo.label for photo in found.manifest.photos}
    assert len(labels) == 41 and "red/red 00.jpg" not in labels
    assert labels["blue/blue 01.jpg"] == "green" and found.relabelled == {"blue/blue 01.jpg": "blue"}
    assert found.dropped == ("red/red 00.jpg",) and found.manifest.classes == ("blue", "green", "red")
    reds = [decided(photo.name, "drop") for photo in manifest.photos if photo.label == "red"]
    assert settle(manifest, reds).manifest.classes == ("blue", "green")


def test_settle__puts_what_is_the_same_into_one_group_with_what_was_in_one_before(manifest):
    names = [photo.name for photo in manifest.photos]
    photos = tuple(
        replace(photo, group={names[3]: "b", names[4]: "b", names[5]: "a"}.get(photo.name))
        for photo in manifest.photos
    )
    pairs = [(0, 1), (1, 2), (4, 5)]
    found = settle(
        replace(manifest, photos=photos),
        [decided(names[one], "same", other=names[other]) for one, other in pairs],
    ).manifest.photos
    groups = {photo.name: photo.group for photo in found if photo.group}
    assert groups == {
        **{names[place]: f"same as {names[0]}" for place in (0, 1, 2)},
        **{names[place]: "a" for place in (3, 4, 5)},
    }


def test_settle__refuses_what_was_never_there(manifest):
    with pytest.raises(DataError, match=r"line 2: 'photos/red 00\.jpg' .* Did you mean red/red 00\.jpg\?"):
        settle(manifest, [decided("photos/red 00.jpg", "drop")])
    with pytest.raises(DataError, match="'red/other.jpg' is not in the data"):
        settle(manifest, [decided("red/red 00.jpg", "same", other="red/other.jpg")])
    with pytest.raises(DataError, match=r"line 2: 'gren' is no class .* Did you mean green\?"):
        settle(manifest, [decided("red/red 00.jpg", "relabel", label="gren")])


def test_settle__says_what_is_gone_or_has_changed_and_does_not_follow_it(manifest):
    audit = audit_of(manifest)
    known = {photo.name: photo.sha256[:16] for photo in audit.photos}
    found = settle(
        manifest,
        [
            decided("red/red 00.jpg", "drop", sha256=known["red/red 00.jpg"]),
            decided("red/red 01.jpg", "drop", sha256=known["red/red 02.jpg"]),
            decided("red/gone.jpg", "drop", sha256="0123456789abcdef"),
            decided("red/red 03.jpg", "same", other="red/red 04.jpg", other_sha256="0123456789abcdef"),
        ],
    )
    assert found.dropped == ("red/red 00.jpg",)
    assert (found.changed, found.gone) == (("red/red 01.jpg", "red/red 04.jpg"), ("red/gone.jpg",))
    assert all(photo.group is None for photo in found.manifest.photos)


@pytest.mark.parametrize(
    ("place", "decision", "answers"),
    [
        (0, decided("blue/blue 00.jpg", "keep"), True),
        (0, decided("blue/blue 00.jpg", "keep", finding="blurred"), False),
        (0, decided("blue/blue 00.jpg", "different", other="red/red 00.jpg"), False),
        (1, decided("red/red 01.jpg", "keep"), True),
        (2, decided("blue/blue 02.jpg", "keep", finding="wrong_label"), True),
        (2, decided("blue/blue 02.jpg", "relabel", label="green"), True),
        (2, decided("green/green 02.jpg", "keep"), False),
        (4, decided("red/red 03.jpg", "keep"), True),
        (4, decided("red/red 03.jpg", "relabel", label="blue"), False),
        (6, decided("green/green 05.jpg", "same", other="green/green 06.jpg"), False),
        (7, decided("green/green 08.jpg", "different", other="green/green 07.jpg"), True),
        (8, decided("blue/blue 09.jpg", "keep", finding="blurred"), True),
    ],
)
def test_settled__answers(manifest, findings, place, decision, answers):
    found = settle(manifest, [decision])
    assert found.answers(findings[place]) is answers
    settled = found.judge(audit_of(manifest, findings))
    assert (findings[place] not in settled.findings) is answers
    assert len(settled.findings) + sum(settled.decided.answered.values()) == len(findings)


def test_settled__keeps_a_conflict_where_both_labels_were_kept(manifest, findings):
    both = [decided("blue/blue 00.jpg", "keep"), decided("red/red 00.jpg", "keep")]
    assert not settle(manifest, both).answers(findings[0])
    other = replace(findings[0], by="hash")
    different = decided("blue/blue 00.jpg", "different", other="red/red 00.jpg")
    assert settle(manifest, [different]).answers(other)


@pytest.mark.parametrize("by", ["pixels", "hash"])
def test_settled__does_not_take_equal_pixels_for_different(manifest, by):
    photos = tuple(
        replace(shown_of(manifest, f"red/red 0{n}.jpg"), split=s) for n, s in enumerate(("train", "test"))
    )
    finding = CrossSplit(photos=photos, by=by, similarity=1.0, left_out=())
    pair = {"photo": "red/red 00.jpg", "other": "red/red 01.jpg"}
    assert settle(manifest, [Decision(verdict="different", **pair)]).answers(finding) is (by == "hash")
    assert settle(manifest, [Decision(verdict="same", **pair)]).answers(finding)
    three = Duplicate(photos=(*photos, shown_of(manifest, "red/red 02.jpg")), by="hash", similarity=1.0)
    assert not settle(manifest, [Decision(verdict="same", **pair)]).answers(three)
    assert isinstance(three, Duplicate) and not isinstance(three, Conflict)


def test_settle__changes_the_labels_of_a_photo(scenes):
    found = settle(
        scenes,
        [
            decided("blue/blue 00.jpg", "add", label="green;blue"),
            decided("red/red 01.jpg", "remove", label="warm", finding="extra_label"),
            decided("red/red 01.jpg", "add", label="green"),
            decided("red/red 02.jpg", "unknown", label="red"),
            decided("green/green 01.jpg", "drop"),
        ],
    )
    labels = {photo.name: photo.label for photo in found.manifest.photos}
    assert labels["blue/blue 00.jpg"] == "blue;green" and labels["red/red 01.jpg"] == "green;red"
    assert labels["red/red 02.jpg"] == "warm;?red" and "green/green 01.jpg" not in labels
    assert found.relabelled == {
        "blue/blue 00.jpg": "", "red/red 01.jpg": "red;warm", "red/red 02.jpg": "red;warm"
    }  # fmt: skip
    assert found.manifest.classes == scenes.classes


def test_settle__a_label_that_no_photo_has_any_more_is_unknown_of_none(scenes):
    warm = [photo.name for photo in scenes.photos if "warm" in photo.labels]
    found = settle(scenes, [decided(name, "remove", label="warm") for name in warm]).manifest
    assert found.classes == ("blue", "green", "red")
    assert not any("warm" in photo.unknown for photo in found.photos)


@pytest.mark.parametrize(
    ("place", "decision", "answers"),
    [
        (0, decided("red/red 01.jpg", "keep"), True),
        (0, decided("red/red 01.jpg", "keep", finding="conflict"), False),
        (0, decided("red/red 01.jpg", "add", label="blue"), False),
        (1, decided("blue/blue 01.jpg", "keep"), True),
        (1, decided("blue/blue 01.jpg", "keep", finding="missing_label"), True),
        (1, decided("blue/blue 01.jpg", "keep", finding="missing_label", label="warm"), True),
        (1, decided("blue/blue 01.jpg", "keep", finding="missing_label", label="red"), False),
        (1, decided("blue/blue 01.jpg", "keep", finding="outlier"), False),
        (1, decided("blue/blue 01.jpg", "add", label="red"), False),
        (2, decided("red/red 03.jpg", "unknown", label="warm"), True),
        (2, decided("red/red 03.jpg", "relabel", label="red;warm"), True),
        (3, decided("red/red 00.jpg", "remove", label="warm", finding="extra_label"), True),
        (3, decided("red/red 00.jpg", "keep", finding="extra_label", label="warm"), False),
    ],
)
def test_settled__answers_for_single_labels(scenes, doubts, place, decision, answers):
    assert settle(scenes, [decision]).answers(doubts[place]) is answers


def test_settle__names_the_rows_that_have_nothing_to_do(scenes):
    rows = [
        Decision("red/red 01.jpg", verdict, label=label, where=f"d.csv, line {number}")
        for number, (verdict, label) in enumerate([("add", "warm"), ("remove", "red"), ("remove", "blue")], 2)
    ]
    found = settle(scenes, rows)
    assert found.idle == ("d.csv, line 2", "d.csv, line 4")
    assert found.judge(audit_of(found.manifest)).decided.idle == found.idle
