"""Photos with several labels: their check, and the split that they are dealt to."""

import numpy as np
import pytest

from budwood.core.errors import DataError
from budwood.data.check import check
from budwood.data.label_sets import as_multi_label, disputed_labels, label_counts, only_of, with_labels
from budwood.data.manifest import Manifest, Photo
from budwood.data.split import assign_splits, take_some


def scenes(n=600, seed=0, groups=0):
    """Photos of which every label is drawn by itself, the last one rarely, and some have none."""
    rng = np.random.default_rng(seed)
    shares = {"desert": 0.2, "sea": 0.3, "sunset": 0.25, "trees": 0.4, "volcano": 0.03}
    drawn = {label: rng.random(n) < share for label, share in shares.items()}
    return [
        with_labels(
            Photo(b"", f"{i}.jpg", "", group=f"g{i % groups}" if groups else None),
            [label for label in shares if drawn[label][i]],
        )
        for i in range(n)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_split__gives_each_label_its_share(seed):
    photos = scenes()
    counts = label_counts(photos)
    dealt = assign_splits(photos, seed=seed)
    for split, share in (("train", 0.8), ("validation", 0.1), ("test", 0.1)):
        part = [photo for photo in dealt if photo.split == split]
        assert abs(len(part) - share * len(photos)) <= 6
        found = label_counts(part)
        for label, number in counts.items():
            assert abs(found[label] - share * number) <= max(2, 0.02 * number), (split, label)


def test_split__keeps_groups_together_and_forgets_the_order():
    photos = scenes(groups=120)
    dealt = assign_splits(photos, seed=1)
    home = {}
    for photo in dealt:
        assert home.setdefault(photo.group, photo.split) == photo.split
    again = {photo.name: photo.split for photo in assign_splits(photos[::-1], seed=1)}
    assert again == {photo.name: photo.split for photo in dealt}


def test_split__a_photo_more_moves_few_others():
    photos = scenes()
    before = {photo.name: photo.split for photo in assign_splits(photos, seed=0)}
    after = assign_splits([*photos, with_labels(Photo(b"", "new.jpg", ""), ["sea"])], seed=0)
    assert sum(before.get(photo.name, photo.split) != photo.split for photo in after) <= 6


def test_split__of_one_label_each_is_that_of_classes():
    classes = [Photo(b"", f"{i}.jpg", "abc"[i % 3]) for i in range(90)]
    labels = as_multi_label(Manifest(tuple(classes), ("a", "b", "c"))).photos
    assert [one.split for one in assign_splits(labels)] == [one.split for one in assign_splits(classes)]


def test_split__folds_share_no_photo():
    photos = scenes(300)
    held = [
        {photo.name for photo in assign_splits(photos, seed=0, fold=(which, 5)) if photo.split == "test"}
        for which in range(5)
    ]
    assert sum(map(len, held)) == len(photos) == len(set.union(*held))
    assert max(map(len, held)) - min(map(len, held)) <= 12


def test_split__a_label_of_two_photos_is_refused():
    photos = [
        with_labels(photo, [label for label in photo.labels if label != "volcano"]) for photo in scenes()
    ]
    photos[0], photos[1] = (with_labels(photo, ["geyser"]) for photo in photos[:2])
    with pytest.raises(DataError, match="label 'geyser' has 2 separate photos.*leave the label out"):
        assign_splits(photos)


def test_take_some__takes_of_each_stratum_its_share():
    dealt = assign_splits(scenes(), seed=0)
    some = [photo for photo in take_some(dealt, 100, rule="grouped") if photo.split == "train"]
    assert len(some) == 100 and set(label_counts(some)) == set(label_counts(dealt))


def pixels(i):
    return np.random.default_rng(i).integers(0, 256, (40, 40, 3), dtype=np.uint8)


def test_check__copies_with_other_labels_are_a_conflict():
    sets = [("sea",), ("sea", "trees"), ("trees",), ("trees",), ("sea",), ("sea", "trees"), ()]
    photos = [with_labels(Photo(pixels(i), str(i), ""), labels) for i, labels in enumerate(sets)]
    copy = with_labels(Photo(pixels(1), "copy", ""), ["sea"])
    same = with_labels(Photo(pixels(4), "same", ""), ["sea"])
    found = check(Manifest((*photos, copy, same), ("sea", "trees")), for_training=False)
    kinds = {problem.path: problem.kind for problem in found.problems if problem.kind != "tiny"}
    assert kinds == {"1": "conflict", "copy": "conflict", "same": "duplicate"}


def test_check__counts_a_photo_under_each_label():
    photos = [
        with_labels(Photo(pixels(i), str(i), ""), labels) for i, labels in enumerate([("a", "b")] * 3 + [()])
    ]
    found = check(Manifest(tuple(photos), ("a", "b"))).understood
    assert found.classes == {"a": {"": 3}, "b": {"": 3}}
    assert (found.photos, found.unlabelled, found.multi_label) == ({"": 4}, 1, True)


def test_check__a_small_label_leaves_its_photos():
    photos = [
        with_labels(Photo(pixels(i), str(i), ""), labels)
        for i, labels in enumerate([("a", "b")] * 3 + [("c",)])
    ]
    found = check(Manifest(tuple(photos), ("a", "b", "c")), min_photos=3)
    assert found.classes == ("a", "b") and [photo.labels for photo in found.photos][-1] == ()


def test_as_multi_label__one_class_is_one_label():
    manifest = as_multi_label(Manifest((Photo(b"", "1", "cat"), Photo(b"", "2", "dog")), ("cat", "dog")))
    assert [photo.labels for photo in manifest.photos] == [("cat",), ("dog",)] and manifest.multi_label
    with pytest.raises(DataError, match="'a;b' holds ';'"):
        as_multi_label(Manifest((Photo(b"", "1", "a;b"),), ("a;b",)))


def test_disputed_labels__of_classes_and_of_sets():
    classes = [Photo(b"", name, name) for name in "abb"]
    assert disputed_labels(classes) == ("a", "b") and disputed_labels(classes[1:]) == ()
    sets = [with_labels(Photo(b"", "", ""), *one) for one in ((["a"], ["b"]), (["a", "b"], []), ([], ["a"]))]
    assert disputed_labels(sets[:2]) == () and disputed_labels(sets) == ("b",)


def test_only_of__forgets_labels_that_no_photo_has():
    photos = [with_labels(Photo(b"", name, ""), has, ["c"]) for name, has in (("1", "ab"), ("2", "c"))]
    photos[1] = with_labels(photos[1], ["c"])
    manifest = Manifest(tuple(photos), ("a", "b", "c"))
    found = only_of(manifest, photos[:1])
    assert found.classes == ("a", "b") and found.photos[0].label == "a;b"
    assert only_of(manifest, photos) == manifest
