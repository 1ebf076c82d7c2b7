import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.core import text as words


def test_percent__not_finite():
    assert words.percent(float("nan")) == "–"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines\x1b\0", "two\\nlines\\x1b\\x00"),
        ("caf\udce9", "caf\\udce9"),
        ("\u202eevil", "\\u202eevil"),
        ("日本語 ünï 🌻", "日本語 ünï 🌻"),
    ],
)
def test_shown(text, shown):
    assert words.shown(text) == shown


@pytest.mark.parametrize("length", range(1, 12))
def test_shorten__never_longer(length):
    short = words.shorten("abcdefghij", length)
    assert len(short) <= length
    assert short == "abcdefghij" if length >= 10 else "…" in short


@given(st.text(max_size=20))
def test_class_key__forgets_form_case_and_blanks(name):
    key = words.class_key(name)
    assert words.class_key(key) == key
    assert words.class_key(unicodedata.normalize("NFD", f"  {name}\t")) == key
