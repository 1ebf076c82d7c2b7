"""Which photos belong together, by what the user asks for, and what hints at it."""

import re
from dataclasses import replace

import pytest

from budwood.config.group_rule import GroupRule
from budwood.core.errors import DataError
from budwood.data.groups import form_groups, suggestion
from budwood.data.manifest import Kin, Photo
from budwood.data.split import assign_splits


def photo(name, label="a", **values):
    return Photo(b"", name, label, sha256=f"sha {name}", **values)


def groups(photos, rule):
    return [one.group for one in form_groups(photos, GroupRule.read(rule))]


PERSONS = [photo(f"a/person{i}_{k}.jpg") for i in range(3) for k in range(2)]


def test_form_groups__pattern():
    assert groups(PERSONS, r"pattern:person(\d+)") == ["0", "0", "1", "1", "2", "2"]
    assert groups(PERSONS, r"pattern:person\d+")[::2] == ["person0", "person1", "person2"]


def test_form_groups__column():
    photos = [photo(f"{i}", metadata={"patient": f"p{i % 2}"}) for i in range(4)]
    assert groups(photos, "column:patient") == ["p0", "p1", "p0", "p1"]
    assert groups([photo(f"{i}", group=f"g{i % 2}") for i in range(4)], "column:group") == ["g0", "g1"] * 2


def test_form_groups__parent():
    photos = [photo(f"a/scene{i}/{k}.jpg") for i in range(2) for k in range(2)]
    assert groups(photos, "parent") == ["a/scene0", "a/scene0", "a/scene1", "a/scene1"]


def test_form_groups__burst():
    times = ["10:00:00", "10:00:40", "10:01:30", "10:04:00"]
    photos = [photo(f"{i}", kin=Kin(taken=f"2026:01:02 {time} Maker")) for i, time in enumerate(times)]
    other = photo("other", kin=Kin(taken="2026:01:02 10:00:10 Another"))
    found = groups([*photos, other], "burst:60s")
    assert found[0] == found[1] == found[2]
    assert found[3:] == [None, None]
    assert len(set(groups([*photos, other], "burst:1h"))) == 2


def test_form_groups__auto_is_the_same_picture_and_what_a_table_gives():
    photos = [
        photo("1", kin=Kin(equal="e", same="s", near="n")),
        photo("2", kin=Kin(equal="e", same="s", near="n")),
        photo("3", kin=Kin(equal="f", same="s", near="n")),
        photo("4", kin=Kin(equal="g", same="t", near="n")),
        photo("5", group="given"),
        photo("6", group="given"),
        photo("7", group="of one"),
    ]
    auto = groups(photos, "auto")
    assert auto[0] == auto[1] == auto[2] == "same picture sha 1"
    assert auto[3:] == [None, "given", "given", None]
    assert len(set(groups(photos, "near-duplicates")[:4])) == 1
    assert groups(photos, "none") == ["same picture sha 1"] * 2 + [None] * 5


def test_form_groups__a_copy_joins_two_groups():
    photos = [
        photo("1", group="b", kin=Kin(same="s")),
        photo("2", group="a", kin=Kin(same="s")),
        photo("3", group="b"),
        photo("4", group="a"),
        photo("5", group="c"),
        photo("6", group="c"),
    ]
    assert groups(photos, "auto") == ["a", "a", "a", "a", "c", "c"]


def test_form_groups__a_table_that_names_every_photo_is_divided_as_the_folder_that_names_none():
    folder = [
        photo(f"{label}/{i}", label, kin=Kin(same="s" if i < 2 and label == "a" else ""))
        for label in "ab"
        for i in range(40)
    ]
    table = [replace(one, group=one.name) for one in folder]
    pair = [replace(one, group="a pair" if i in (10, 50) else one.name) for i, one in enumerate(folder)]
    splits = [
        {one.name: one.split for one in assign_splits(form_groups(photos, GroupRule.read("auto")))}
        for photos in (folder, table, pair)
    ]

    assert splits[1] == splits[0]
    assert sum(splits[2][name] != split for name, split in splits[0].items()) <= 4


@pytest.mark.parametrize(
    ("photos", "rule", "said"),
    [
        (PERSONS, r"pattern:animal(\d+)", "matches none of the 6 photos, such as 'a/person0_0.jpg'"),
        (PERSONS, r"pattern:(person)", "makes one group of all 6 photos ('person')"),
        ([*PERSONS, photo("a/x.jpg")], r"pattern:person(\d+)", "for 1 of 7 photos, such as 'a/x.jpg'"),
        (PERSONS, "column:patient", "there is no column 'patient'. The photos have no columns"),
        ([photo("1", metadata={"site": "x"}), photo("2")], "column:patient", "The columns are site"),
        (
            [photo("1", metadata={"patient": "x"}), photo("2")],
            "column:patient",
            "for 1 of 2 photos, such as '2'",
        ),
        (PERSONS, "burst:60s", "says in EXIF when it was taken"),
        ([photo("a/1"), photo("b/1", "b")], "parent", "every class lies in one folder"),
        (
            [photo("1", group="g", split="train"), photo("2", group="g", split="test")],
            "auto",
            "the group 'g' is in two splits that the data bring: '1' in train, '2' in test",
        ),
    ],
)
def test_form_groups__refused(photos, rule, said):
    with pytest.raises(DataError, match=re.escape(said)):
        form_groups(photos, GroupRule.read(rule))


def test_suggestion__frames_in_names():
    photos = [
        photo(f"{'ab'[s % 2]}/cam3_202601{s:02}_{f:04}.jpg", "ab"[s % 2])
        for s in range(20)
        for f in range(10)
    ]
    said = suggestion(photos)
    assert said is not None
    option = re.search(r"--group '([^']*)'", said)[1]
    assert len(set(groups(photos, option))) == 20


def test_suggestion__folders_of_scenes():
    photos = [photo(f"{'ab'[s % 2]}/s{s:02}/{f:04}.jpg", "ab"[s % 2]) for s in range(20) for f in range(10)]
    assert "--group 'parent'" in suggestion(photos)


@pytest.mark.parametrize("word", ["person", "Patient_", "animal-"])
def test_suggestion__who_is_in_the_name(word):
    photos = [
        photo(f"{'ab'[s % 2]}/x_{word}{s:02}_{f}.jpg", "ab"[s % 2]) for s in range(20) for f in range(5)
    ]
    option = re.search(r"--group '([^']*)'", suggestion(photos))[1]
    assert len(set(groups(photos, option))) == 20


def test_suggestion__times_and_columns():
    photos = [
        photo(f"{i}", "ab"[i % 2], kin=Kin(taken=f"2026:01:02 10:{i // 5:02}:{i % 5:02} X")) for i in range(0)
    ]
    photos = [
        photo(f"{i}", "ab"[i % 2], kin=Kin(taken=f"2026:01:{1 + i // 5:02} 10:00:{i % 5:02} X"))
        for i in range(100)
    ]
    assert "--group 'burst:60s'" in suggestion(photos)
    photos = [replace(one, metadata={"Patient ID": str(i // 4)}) for i, one in enumerate(photos)]
    assert "--group 'column:Patient ID'" in suggestion(photos)
    assert suggestion(photos).startswith("by the column 'Patient ID' there seem to be ")


@pytest.mark.parametrize(
    "name",
    [
        lambda i, label: f"{label}/{label}.{i}.jpg",
        lambda i, label: f"{label}/IMG_{i:04}.jpg",
        lambda i, label: f"{label}/image ({i}).jpg",
        lambda i, label: f"{label}/{7919 * i % 100_003}_{i * 31337 % 99_991:x}_n.jpg",
        lambda i, label: f"camera{i % 2}/{label}/{i}.jpg",
    ],
)
def test_suggestion__nothing_where_nothing_hints_at_it(name):
    photos = [photo(name(i, label), label) for label in ("cat", "dog", "bird") for i in range(60)]
    assert suggestion(photos) is None
