"""The split rule "grouped": photos that come, go or change their label hardly move others."""

from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budwood.config.recipe import Recipe
from budwood.core.errors import DataError
from budwood.data.manifest import SPLITS, Kin, Photo
from budwood.data.split import assign_splits, divide, take_some

SHARES = st.sampled_from([(0.8, 0.1, 0.1), (0.7, 0.15, 0.15), (0.5, 0.3, 0.2), (0.2, 0.4, 0.4)])
# From so many photos a class on, each has some in either part of the order (see the module).
COUNTS = st.lists(st.integers(30, 60), min_size=2, max_size=5)


def make(counts, prefix=""):
    names = [
        (f"c{label}", f"{prefix}c{label}/{i}") for label, number in enumerate(counts) for i in range(number)
    ]
    return [Photo(b"", name, label, sha256=f"sha of {name}") for label, name in names]


def where(photos, **options):
    return {photo.sha256: photo.split for photo in assign_splits(photos, **options)}


def moved(before, after, besides=()):
    return sum(before[one] != after[one] for one in before.keys() & after.keys() - set(besides))


@pytest.mark.slow
@given(COUNTS, SHARES, st.integers(0, 99), st.data())
@settings(max_examples=60, deadline=None)
def test_deal__a_relabelled_photo_moves_two_others_at_most(counts, shares, seed, data):
    photos = make(counts)
    which = data.draw(st.integers(0, len(photos) - 1))
    label = data.draw(
        st.sampled_from([f"c{i}" for i in range(len(counts)) if f"c{i}" != photos[which].label])
    )
    before = where(photos, shares=shares, seed=seed)
    mended = [
        replace(p, label=label, name=f"{label}/moved") if i == which else p for i, p in enumerate(photos)
    ]
    assert moved(before, where(mended, shares=shares, seed=seed), [photos[which].sha256]) <= 2


@pytest.mark.slow
def test_deal__every_photo_of_245_relabelled():
    photos = make([60, 50, 45, 40, 30, 20])
    before = where(photos)
    worst = 0
    for which, photo in enumerate(photos):
        mended = [replace(p, label="c0" if p.label != "c0" else "c1") if p is photo else p for p in photos]
        worst = max(worst, moved(before, where(mended), [photos[which].sha256]))
    assert worst <= 2


@given(COUNTS, SHARES, st.integers(0, 99), st.data())
@settings(max_examples=40, deadline=None)
def test_deal__a_photo_less_moves_one_other_at_most(counts, shares, seed, data):
    photos = make(counts)
    which = data.draw(st.integers(0, len(photos) - 1))
    before = where(photos, shares=shares, seed=seed)
    assert moved(before, where(photos[:which] + photos[which + 1 :], shares=shares, seed=seed)) <= 1


@pytest.mark.parametrize("seed", range(5))
def test_deal__a_hundredth_more_or_less_moves_two_hundredths_at_most(seed):
    photos = make([300, 400, 300])
    rng = np.random.default_rng(seed)
    gone = set(rng.choice(1000, 10, replace=False).tolist())
    fewer = [photo for i, photo in enumerate(photos) if i not in gone]
    more = [*photos, *make([3, 4, 3], "new ")]
    before = where(photos, seed=seed)
    assert moved(before, where(fewer, seed=seed)) <= 20
    assert moved(before, where(more, seed=seed)) <= 20


@given(st.lists(st.integers(3, 60), min_size=1, max_size=5), SHARES, st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_deal__every_class_in_every_split_by_its_share(counts, shares, seed):
    photos = assign_splits(make(counts), shares=shares, seed=seed)
    found = Counter((photo.label, photo.split) for photo in photos)
    for label, number in enumerate(counts):
        for split, share in zip(SPLITS, shares, strict=True):
            # Which photos lie in which part is chance: its spread is that of a coin thrown for each.
            assert found[f"c{label}", split] >= 1
            assert abs(found[f"c{label}", split] - share * number) <= 2 + 2 * number**0.5 * (1 - shares[0])


def test_deal__shares_hold_over_many_classes():
    found = Counter(photo.split for photo in assign_splits(make([30] * 200)))
    assert abs(found["test"] - 600) < 40
    assert abs(found["validation"] - 600) < 40


def test_deal__seeds_differ_and_the_order_does_not_matter():
    photos = make([40, 50])
    assert where(photos) == where(photos[::-1])
    assert moved(where(photos), where(photos, seed=1)) > 5


@pytest.mark.slow
def test_deal__each_photo_is_tested_as_often_as_another():
    tested = Counter(
        sha
        for seed in range(300)
        for sha, split in where(make([20, 20]), seed=seed).items()
        if split == "test"
    )
    assert min(tested[photo.sha256] for photo in make([20, 20])) > 10


def test_deal__a_copy_moves_with_its_group():
    photos = [replace(photo, group=f"g{i // 4}") for i, photo in enumerate(make([80, 80]))]
    before = where(photos)
    copy = replace(photos[5], name="copy", sha256="another")
    after = where([*photos, copy])
    assert after["another"] == after[photos[5].sha256] == before[photos[5].sha256]
    assert moved(before, after) <= 4


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), min_size=60, max_size=200), st.integers(0, 20)
)
@settings(max_examples=60, deadline=None)
def test_deal__groups_across_classes_stay_together(drawn, seed):
    photos = [
        Photo(b"", f"{i}", f"c{label}", sha256=f"{i}", group=f"g{group}")
        for i, (group, label) in enumerate(drawn)
    ]
    groups = defaultdict(set)
    for photo in photos:
        groups[photo.label].add(photo.group)
    if min(map(len, groups.values())) < 3:
        with pytest.raises(DataError, match="separate photo"):
            assign_splits(photos, seed=seed)
        return
    assigned = assign_splits(photos, seed=seed)
    together = defaultdict(set)
    for photo in assigned:
        together[photo.group].add(photo.split)
    assert all(len(splits) == 1 for splits in together.values())
    assert {photo.label for photo in assigned if photo.split == "train"} == set(groups)


def test_deal__persons_with_photos_of_every_class():
    photos = [
        Photo(b"", f"c{k}/{person}-{i}", f"c{k}", sha256=f"{k} {person} {i}", group=f"person {person}")
        for person in range(40)
        for k in range(3)
        for i in range(5)
    ]
    found = Counter((photo.label, photo.split) for photo in assign_splits(photos))
    assert all(20 <= found[f"c{k}", split] <= 40 for k in range(3) for split in ("validation", "test"))


@pytest.mark.slow
@given(st.lists(st.integers(5, 40), min_size=2, max_size=4), st.integers(2, 5), st.integers(0, 20))
@settings(max_examples=40, deadline=None)
def test_deal__folds_are_all_photos_and_keep_groups(counts, folds, seed):
    photos = [
        replace(p, group=f"{p.label} {int(p.name.split('/')[1]) // 2}") for p in make([2 * n for n in counts])
    ]
    held_out = Counter()
    for fold in range(folds):
        assigned = assign_splits(photos, seed=seed, fold=(fold, folds))
        splits = defaultdict(set)
        for photo in assigned:
            splits[photo.group].add(photo.split)
            held_out[photo.name] += photo.split == "test"
        assert all(len(some) == 1 for some in splits.values())
    assert set(held_out.values()) == {1}


def test_take_some__takes_group_after_group():
    photos = [
        replace(photo, split="train", group=f"{photo.label} {i % 10}")
        for i, photo in enumerate(make([50, 50]))
    ]
    sizes = {n: take_some(photos, n, rule="grouped") for n in (10, 20, 60)}
    assert {n: len(some) for n, some in sizes.items()} == {10: 10, 20: 20, 60: 60}
    assert len({photo.group for photo in sizes[10]}) == 2
    assert len({photo.group for photo in sizes[20]}) == 4
    assert {photo.name for photo in sizes[10]} <= {photo.name for photo in sizes[20]}


def test_divide__a_new_photo_goes_where_its_group_was_put():
    photos = [
        replace(photo, split=split, group=f"{photo.label} {split}")
        for split in SPLITS
        for photo in make([5, 5], f"{split} ")
    ]
    new = Photo(b"", "new", "c0", sha256="new", group="c0 test")
    assert {photo.split for photo in assign_splits([*photos, new]) if photo.name == "new"} == {"test"}


def test_divide__the_same_picture_stays_together_but_for_the_older_rule():
    photos = [
        replace(photo, kin=Kin(same=f"{photo.label} {i // 2}")) for i, photo in enumerate(make([60, 60]))
    ]

    def apart(**settings):
        splits = defaultdict(set)
        for photo in divide(photos, Recipe.from_dict({"data": settings})):
            splits[photo.kin.same].add(photo.split)
        return sum(len(some) > 1 for some in splits.values())

    assert apart() == 0
    assert apart(group="none") > 0
    assert apart(split_rule="shuffled") > 0
    assert apart(split_rule="shuffled", group="near-duplicates") == 0


def test_divide__no_backbone_size_or_engine_changes_it():
    photos = make([40, 50])
    recipes = [
        {"backbone": {"name": "mobilenet_v2"}, "data": {"size": 96}},
        {
            "backbone": {
                "name": ["efficientnet_lite0", "efficientnet_lite2"],
                "engine": "keras",
                "precision": "bf16",
            }
        },
        {"seed": 7, "data": {"resize": "pad"}},
    ]
    splits = [divide(photos, Recipe.from_dict(one)) for one in recipes]
    assert splits[0] == splits[1] == splits[2]
