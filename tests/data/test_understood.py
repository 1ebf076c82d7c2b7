from budwood.data.understood import Reading, Understood


def understood(**classes):
    return Understood(classes=classes)


def test_splits__in_their_order_those_without_one_last():
    assert understood(a={"": 1, "test": 2}, b={"train": 1}).splits == ["train", "test", ""]
    assert understood(a={}, b={}).splits == []


def test_lacking__classes_of_which_a_given_split_has_none():
    assert understood(a={"train": 3, "test": 1}, b={"train": 2}, c={"test": 0, "train": 1}).lacking == {
        "test": ["b", "c"]
    }
    assert understood(a={"": 3}, b={"": 1}).lacking == {}
    assert understood(a={"train": 3}, b={"train": 1, "": 1}).lacking == {}
    assert understood(a={"train": 3, "": 1}, b={"": 1}).lacking == {"train": ["b"]}


def test_reading__can_be_a_key():
    one, other = Reading("csv", splits={"train": ("a",)}), Reading("csv", splits={"train": ("b",)})
    assert hash(one) == hash(other) and one != other
