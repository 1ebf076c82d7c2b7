from budwood.data.manifest import Manifest, PassedOver, Photo, Reading


def photo(name, label, split=None, group=None):
    return Photo(name.encode(), name, label, split, group=group)


def test_understood__counts_classes_splits_and_groups():
    photos = (
        photo("1", "a", "train", "p1"),
        photo("2", "a", "train", "p1"),
        photo("3", "a", "test", "p2"),
        photo("4", "b"),
    )
    passed, reading = (PassedOver("format", "a", 1, "a/x.heic"),), Reading("splits")
    found = Manifest(photos, ("b", "a", "none"), passed_over=passed, reading=reading).understood()
    assert list(found.classes.items()) == [("b", {"": 1}), ("a", {"train": 2, "test": 1}), ("none", {})]
    assert (found.groups, found.passed_over, found.reading) == (2, passed, reading)


def test_photo__is_equal_by_what_is_known_of_it_and_not_by_its_picture():
    assert Photo(b"x", "1", "a") == Photo(b"y", "1", "a") != Photo(b"x", "2", "a")
    assert "image" not in repr(Photo(b"x" * 1000, "1", "a"))


def test_repr__is_short():
    assert repr(Manifest((photo("1", "a"),) * 1200, ("a", "b"), name="pets")) == (
        "Manifest('pets', 1,200 photos, 2 classes)"
    )
