from collections import Counter, defaultdict
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budwood.config.recipe import Recipe
from budwood.core.errors import DataError
from budwood.data.manifest import Photo
from budwood.data.split import assign_splits, divide, lacking, take_calibration, take_some


def make(counts: dict[str, int], split: str | None = None, prefix: str = "") -> list[Photo]:
    return [
        Photo(
            image=b"",
            name=f"{prefix}{label}/{index}",
            label=label,
            split=split,
            sha256=f"{prefix}{label}{index}",
        )
        for label, count in counts.items()
        for index in range(count)
    ]


def sizes(photos) -> Counter:
    return Counter((photo.label, photo.split) for photo in photos)


@given(
    counts=st.lists(st.integers(3, 120), min_size=2, max_size=5),
    parts=st.tuples(*[st.integers(1, 10)] * 3),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_assign_splits__exact_shares_of_every_class(counts, parts, seed):
    shares = [part / sum(parts) for part in parts]
    photos = make({f"c{i}": n for i, n in enumerate(counts)})
    found = sizes(assign_splits(photos, shares=shares, seed=seed, rule="shuffled"))
    for index, count in enumerate(counts):
        for split, share in zip(("train", "validation", "test"), shares, strict=True):
            number = found[f"c{index}", split]
            assert number >= 1
            if min(shares) * count >= 1:
                assert abs(number - share * count) < 1


@given(
    copies=st.lists(st.lists(st.integers(1, 4), min_size=3, max_size=25), min_size=2, max_size=4),
    seed=st.integers(0, 99),
    by=st.sampled_from(["sha256", "group"]),
)
@settings(max_examples=80, deadline=None)
def test_assign_splits__copies_and_groups_stay_together(copies, seed, by):
    photos = []
    for label, units in enumerate(copies):
        for unit, size in enumerate(units):
            for photo in make({f"c{label}": size}, prefix=f"{unit}/"):
                photos.append(replace(photo, **{by: f"c{label} unit {unit}"}))
    assigned = assign_splits(photos, seed=seed)
    together = defaultdict(set)
    for photo in assigned:
        together[getattr(photo, by)].add(photo.split)
    assert all(len(splits) == 1 for splits in together.values())
    assert set(sizes(assigned)) == {
        (f"c{i}", s) for i in range(len(copies)) for s in ("train", "validation", "test")
    }
    for label, units in enumerate(copies):
        for split, share in (("train", 0.8), ("validation", 0.1), ("test", 0.1)):
            target = share * sum(units)
            # Which groups lie in which part of the order is chance (see grouped_split).
            spread = max(units) * len(units) ** 0.5 / 2
            assert abs(sizes(assigned)[f"c{label}", split] - target) <= max(units) + 2 + spread


@given(order=st.permutations(make({"a": 12, "b": 9})), seed=st.integers(0, 20))
@settings(max_examples=30, deadline=None)
def test_assign_splits__does_not_depend_on_the_order(order, seed):
    expected = {photo.name: photo.split for photo in assign_splits(make({"a": 12, "b": 9}), seed=seed)}
    assigned = assign_splits(order, seed=seed)
    assert [photo.name for photo in assigned] == [photo.name for photo in order]
    assert {photo.name: photo.split for photo in assigned} == expected


def test_assign_splits__seed_decides():
    photos = make({"a": 50, "b": 50})
    assert assign_splits(photos, seed=1) == assign_splits(photos, seed=1)
    assert assign_splits(photos, seed=1) != assign_splits(photos, seed=2)


def test_assign_splits__rounding_evens_out_over_classes():
    found = Counter(
        photo.split for photo in assign_splits(make({f"c{i}": 15 for i in range(100)}), rule="shuffled")
    )
    assert found["train"] == 1200
    assert 120 < found["test"] < 180


def test_assign_splits__chain_of_copy_and_group():
    photos = make({"a": 10, "b": 10})
    photos[0] = replace(photos[0], group="g")
    photos[1] = replace(photos[1], group="g", sha256="same")
    photos[2] = replace(photos[2], sha256="same")
    assigned = assign_splits(photos)
    assert len({photo.split for photo in assigned[:3]}) == 1


def test_assign_splits__group_across_classes():
    photos = [replace(photo, group=photo.name.split("/")[1]) for photo in make({"a": 20, "b": 20})]
    assigned = assign_splits(photos)
    by_group = defaultdict(set)
    for photo in assigned:
        by_group[photo.group].add(photo.split)
    assert all(len(splits) == 1 for splits in by_group.values())
    assert sizes(assigned)["a", "train"] == sizes(assigned)["b", "train"] == 16


def test_assign_splits__no_test():
    assert Counter(photo.split for photo in assign_splits(make({"a": 50, "b": 50}), test=False)) == {
        "train": 90,
        "validation": 10,
    }


def test_assign_splits__three_given_are_untouched():
    photos = (
        make({"a": 5, "b": 5}, "train") + make({"a": 1}, "validation", "v/") + make({"b": 1}, "test", "t/")
    )
    assert assign_splits(photos) == tuple(photos)


@pytest.mark.parametrize(("given_split", "carved"), [("validation", "test"), ("test", "validation")])
def test_assign_splits__missing_one_is_carved_from_train(given_split, carved):
    photos = make({"a": 40, "b": 20}, "train") + make({"a": 7, "b": 7}, given_split, "x/")
    assert sizes(assign_splits(photos)) == {
        ("a", "train"): 36,
        ("b", "train"): 18,
        ("a", carved): 4,
        ("b", carved): 2,
        ("a", given_split): 7,
        ("b", given_split): 7,
    }


def test_assign_splits__no_test_keeps_given_test():
    photos = make({"a": 40, "b": 20}, "train") + make({"a": 7}, "test", "x/")
    found = Counter(photo.split for photo in assign_splits(photos, test=False))
    assert found == {"train": 54, "validation": 6, "test": 7}
    photos = make({"a": 40, "b": 20}, "train") + make({"a": 7}, "validation", "x/")
    assert assign_splits(photos, test=False) == tuple(photos)


def test_assign_splits__smallest_class():
    assert sizes(assign_splits(make({"a": 3, "b": 30})))["a", "test"] == 1


def test_assign_splits__class_in_too_few_groups():
    photos = [
        replace(photo, group="same") if photo.label == "a" else photo for photo in make({"a": 9, "b": 9})
    ]
    with pytest.raises(DataError, match=r"class 'a' has 1 separate photo .* 3 splits need one each"):
        assign_splits(photos)


@given(
    counts=st.lists(st.integers(5, 40), min_size=2, max_size=4),
    folds=st.integers(2, 5),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_assign_splits__folds_are_disjoint_and_all_photos_together(counts, folds, seed):
    photos = make({f"c{i}": n for i, n in enumerate(counts)})
    tested = Counter()
    for which in range(folds):
        found = assign_splits(photos, seed=seed, fold=(which, folds))
        tested.update(photo.name for photo in found if photo.split == "test")
        for label, count in (photo_counts := Counter(photo.label for photo in photos)).items():
            assert abs(sizes(found)[label, "test"] - count / folds) < 1
            assert sizes(found)[label, "validation"] >= 1
            assert sizes(found)[label, "train"] >= 1
        assert len(photo_counts) == len(counts)
    assert tested == Counter(photo.name for photo in photos)


def test_assign_splits__a_fold_is_validation_where_no_test_is_wanted():
    found = assign_splits(make({"a": 20, "b": 10}), fold=(1, 5), test=False)
    assert {photo.split for photo in found} == {"train", "validation"}
    assert (sizes(found)["a", "validation"], sizes(found)["b", "validation"]) == (4, 2)


def test_assign_splits__folds_beside_a_given_test_split_are_refused():
    photos = [*make({"a": 20, "b": 20}), *make({"a": 5, "b": 5}, split="test", prefix="t")]
    with pytest.raises(DataError, match="nothing to divide into 5 folds"):
        assign_splits(photos, fold=(0, 5))


def test_assign_splits__fewer_photos_than_folds():
    with pytest.raises(DataError, match="4 folds need one each"):
        assign_splits(make({"a": 20, "b": 3}), fold=(0, 4))


@given(
    counts=st.lists(st.integers(3, 60), min_size=2, max_size=4),
    numbers=st.tuples(st.integers(4, 150), st.integers(4, 150)),
    seed=st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_take_some__of_every_class_its_share_smaller_within_larger(counts, numbers, seed):
    photos = assign_splits(make({f"c{i}": n for i, n in enumerate(counts)}), seed=seed)
    fewer, more = sorted(numbers)
    train = [photo for photo in photos if photo.split == "train"]
    if fewer < len(counts):
        with pytest.raises(DataError, match="each of which needs a photo"):
            take_some(photos, fewer, seed=seed)
        return
    if more > len(train):
        with pytest.raises(DataError, match=f"there are {len(train)} photos to learn from"):
            take_some(photos, more, seed=seed)
        return
    some, others = take_some(photos, fewer, seed=seed), take_some(photos, more, seed=seed)
    learned = [photo for photo in some if photo.split == "train"]
    assert len(learned) == fewer
    assert {photo.label for photo in learned} == {photo.label for photo in train}
    assert [photo for photo in some if photo.split != "train"] == [p for p in photos if p.split != "train"]
    # Rounding may give a class one photo more in the smaller number.
    assert len({photo.name for photo in learned} - {photo.name for photo in others}) <= len(counts)


def test_divide__as_the_recipe_asks():
    photos = make({"a": 50, "b": 50})
    recipe = Recipe().with_settings(["data.folds=5", "data.fold=3", "data.train_photos=10", "split_seed=2"])
    found = divide(photos, recipe)
    assert Counter(photo.split for photo in found) == {"train": 10, "validation": 8, "test": 20}
    given_test = [*photos, *make({"a": 5, "b": 5}, split="test", prefix="t")]
    closed = divide(given_test, Recipe().with_settings(["evaluate.test=false"]))
    assert {photo.split for photo in closed} == {"train", "validation"}


def test_lacking__says_which_class_is_not_measured():
    photos = [*make({"a": 5, "b": 5}, split="train"), *make({"a": 2}, split="test", prefix="t")]
    assert lacking(photos, ["a", "b"]) == ["no test photo of b: the test figures say nothing of it"]
    assert lacking(photos[:10], ["a", "b"]) == []


@pytest.mark.parametrize("rule", ["grouped", "shuffled"])
@pytest.mark.parametrize("settings", [[], ["data.folds=5", "data.fold=2"], ["evaluate.test=false"]])
def test_divide__calibration_is_taken_from_train_alone(rule, settings):
    photos = make({"a": 100, "b": 60})
    asked = [f"data.split_rule={rule}", "data.group=none", *settings]
    before = divide(photos, Recipe().with_settings(asked))
    after = divide(photos, Recipe().with_settings([*asked, "data.calibration=0.1"]))
    moved = [(old.split, new.split) for old, new in zip(before, after, strict=True) if old.split != new.split]
    assert set(moved) == {("train", "calibration")}
    # A tenth of all photos, of each class.
    found = sizes(after)
    assert abs(found["a", "calibration"] - 10) <= 1 and abs(found["b", "calibration"] - 6) <= 1
    assert divide(photos, Recipe().with_settings([*asked, "data.calibration=0.0"])) == before
    again = divide(photos[::-1], Recipe().with_settings([*asked, "data.calibration=0.1"]))
    assert sorted(again, key=lambda one: one.name) == sorted(after, key=lambda one: one.name)


def test_divide__calibration_keeps_groups_together_and_given_splits():
    photos = [replace(photo, group=photo.name[:-1]) for photo in make({"a": 100, "b": 100})]
    given = [replace(photo, split="test" if photo.name[-2] == "9" else None) for photo in photos]
    found = divide(given, Recipe().with_settings(["data.calibration=0.2"]))
    splits = defaultdict(set)
    for photo in found:
        splits[photo.group].add(photo.split)
    assert all(len(one) == 1 for one in splits.values())
    assert {photo.name for photo in found if photo.split == "test"} == {
        photo.name for photo in given if photo.split == "test"
    }
    # Photos that calibrate already, as a run that is gone on from has them, are enough.
    known = [replace(photo, split="calibration" if photo.name[-2] == "8" else photo.split) for photo in given]
    again = divide(known, Recipe().with_settings(["data.calibration=0.2"]))
    assert {photo.name for photo in again if photo.split == "calibration"} == {
        photo.name for photo in known if photo.split == "calibration"
    }


def test_divide__calibration_of_several_labels_has_each_of_them():
    sets = [("a",), ("b",), ("a", "b"), ("c",), ()]
    photos = [
        replace(photo, label=";".join(sets[place % 5]), labels=sets[place % 5])
        for place, photo in enumerate(make({"x": 200}))
    ]
    before = divide(photos, Recipe())
    found = divide(photos, Recipe().with_settings(["data.calibration=0.1"]))
    moved = {(old.split, new.split) for old, new in zip(before, found, strict=True) if old.split != new.split}
    assert moved == {("train", "calibration")}
    apart = [photo for photo in found if photo.split == "calibration"]
    assert abs(len(apart) - 20) <= 2
    assert min(Counter(label for photo in apart for label in photo.labels).values()) >= 3


def test_take_calibration__leaves_photos_to_learn_from():
    photos = assign_splits(make({"a": 20, "b": 20}), rule="shuffled")
    with pytest.raises(DataError, match="asks for 40 of the 32 training photos, which leaves none"):
        take_calibration(photos, 40.0)
    with pytest.raises(
        DataError, match="class 'b' has 1 separate photo .* 2 splits need one each: train, cal"
    ):
        take_calibration(make({"a": 9, "b": 1}, split="train"), 2.0)
