"""Several labels of a photo as one text."""

from hypothesis import given
from hypothesis import strategies as st

from budwood.core.label_text import as_text, labels_in_words, of_text

NAMES = st.text("abcdefgh é_-", min_size=1, max_size=6).filter(lambda name: name == name.strip())


@given(st.sets(NAMES), st.sets(NAMES))
def test_text__says_the_labels_and_the_unknown_ones(labels, unknown):
    assert of_text(as_text(labels, unknown)) == (tuple(sorted(labels)), tuple(sorted(unknown)))


def test_text__of_a_photo_without_labels_is_empty():
    assert as_text([]) == "" and of_text("") == ((), ())


def test_labels_in_words():
    assert labels_in_words("sea;trees") == "sea, trees" and labels_in_words("") == "none of the labels"
