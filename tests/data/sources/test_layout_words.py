"""What is said where a folder can be read in several ways, or in none."""

import pytest

from budwood.config.data import Data
from budwood.core.errors import DataError
from budwood.data.sources.layout import choose_reading
from budwood.data.sources.layout_words import ambiguity, no_such_folder, option, refusal
from budwood.data.sources.listing import Candidate, Placed
from tests.data.sources.listings import in_each, listed

REFUSED = {
    "a level too many": (in_each("flowers/a", "flowers/b"), "Give DATA/flowers$"),
    "two levels too many": (in_each("x/flowers/a", "x/flowers/b"), "Give DATA/x/flowers$"),
    "splits one level deeper": (in_each("x/train/a", "x/test/a"), "Give DATA/x$"),
    "file names one level deeper": ([f"x/{c}_{n}.jpg" for c in "ab" for n in range(2)], "Give DATA/x$"),
    "one class": (in_each("a/deep"), "one class only, 'a'"),
    "no train": (in_each("validation/a", "test/a", "test/b"), "no 'train' to learn from"),
    "splits without labels": (in_each("train", "test"), "no class folders in them.*--layout classes"),
    "inside itself": (in_each("a", "b", "x/a", "x/b"), "'x' in DATA holds folders of the same names"),
    "a camera's names": (
        [f"IMG_{n}.jpg" for n in range(3)] + [f"DSC_{n}.jpg" for n in range(3)],
        "lie loose",
    ),
}


@pytest.mark.parametrize(("names", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_choose_reading__refused_with_the_way_out(names, words):
    with pytest.raises(DataError, match=words):
        choose_reading(listed(names), Data(), "DATA")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"split_folders": {"train": "Trian"}}, "no folder 'Trian'.*Did you mean Train?"),
        ({"split_folders": {"train": "Train", "test": "Train/a"}}, "in two splits"),
        ({"layout": "flat"}, "no class when it is read as --layout flat asks.*such as cat.1.jpg"),
        ({"layout": "classes"}, "one class, 'Train', when it is read as --layout classes asks"),
        ({"layout": "nested", "split_folders": {"train": "Train/a"}}, "no class"),
    ],
)
def test_choose_reading__asked_for_what_is_not_there(settings, words):
    with pytest.raises(DataError, match=words):
        choose_reading(listed(in_each("Train/a", "Train/b")), Data(**settings), "DATA")


def candidate(layout, labels, **more):
    photos = tuple(Placed(f"{place}.jpg", label, None, "") for place, label in enumerate(labels))
    return Candidate(layout, photos, **more)


def test_ambiguity__a_line_for_each_reading():
    found = [
        candidate("classes", "bbacdef"),
        candidate("nested", "ab", above=tuple("nopqrs")),
        candidate("splits", "a", splits={"train": ("Learn",)}, split_folders={"train": ("Learn now",)}),
    ]
    assert ambiguity("DATA", found).splitlines() == [
        "DATA can be read in three ways, and nothing says which one is meant:",
        "  --layout classes                   6 classes: a 1, b 2, c 1, d 1 and 2 more photos",
        "  --layout nested                    2 classes: a 1, b 1 photos; in 'n', 'o', 'p', 'q' and 2 more",
        "  --split-folders 'train=Learn now'  1 class: a 1 photos; train 'Learn'",
        "Where the folders are a tree of labels, such as species in genera: --set data.tree=true",
        "Give the option of the one that is (in a recipe, data.layout or data.split_folders)",
    ]
    assert not any("data.tree" in line for line in ambiguity("DATA", [found[0], found[2]]).splitlines())


@pytest.mark.parametrize(
    ("folders", "text"),
    [
        ({"train": ("a", "b"), "test": ("c",)}, "--split-folders train=a,train=b,test=c"),
        ({"train": ("it's",)}, """--split-folders 'train=it'"'"'s'"""),
    ],
)
def test_option__is_a_word_of_the_shell(folders, text):
    assert option(candidate("splits", "ab", split_folders=folders)) == text


def test_no_such_folder__names_what_there_is():
    top = listed(in_each("learn", "b", "c", "d", "e", "f"))
    text = no_such_folder(top, "DATA", "lern")
    assert "Did you mean" in text
    assert text.endswith("It has: 'b', 'c', 'd', 'e' and 2 more")
    assert no_such_folder(listed(["1.jpg"]), "DATA", "x").endswith("It has: no folders")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], r"holds no photos \(\.jpg"),
        (["a/"], "holds no photos"),
        (["x/y/a/1.jpg", "x/y/b/2.jpg"], r"seem to lie deeper \(a 1, b 1\)\. Give DATA/x/y$"),
        ([f"x/{label}/1.jpg" for label in "abcdef"], r"\(a 1, b 1, c 1, d 1 and 2 more\)"),
        (["a/1.jpg"], "photos of one class only, 'a'"),
        (["a/1.jpg", "b/2.jpg", "3.jpg"], "nothing says what the photos in DATA show"),
    ],
)
def test_refusal__of_a_listing_without_a_reading(names, words):
    import re

    assert re.search(words, refusal(listed(names), "DATA/" if "Give" in words else "DATA", None))
