import re

import pytest

from budwood.core.errors import ImageError, RunError, did_you_mean, refuse_bad_share


@pytest.mark.parametrize(("word", "words"), [("flwoers", " Did you mean flowers?"), ("zzz", "")])
def test_did_you_mean(word, words):
    assert did_you_mean(word, iter(["digits", "flowers"])) == words


@pytest.mark.parametrize("share", [1e-9, 0.5, 1.0])
def test_refuse_bad_share__a_share(share):
    refuse_bad_share("precision", share, 0.98)


@pytest.mark.parametrize("share", [0.0, -0.1, 1.01, float("nan")])
@pytest.mark.parametrize(
    ("name", "words"), [("precision", "a precision of"), ("acceptance", "an acceptance of")]
)
def test_refuse_bad_share__no_share(name, words, share):
    with pytest.raises(RunError, match=f"^{words} {share:g} is no share"):
        refuse_bad_share(name, share, 0.98)


@pytest.mark.parametrize("share", ["0.9", None, [0.9]])
def test_refuse_bad_share__no_number(share):
    with pytest.raises(RunError, match=re.escape(f"a precision of {share!r} is no share")):
        refuse_bad_share("precision", share, 0.98)


def test_image_error__names_the_file_where_it_is_known():
    assert str(ImageError("is cut short", "truncated")) == "is cut short"
    error = ImageError("is cut short", "truncated", "a.jpg")
    assert (str(error), error.fault, error.kind) == ("a.jpg: is cut short", "is cut short", "truncated")
