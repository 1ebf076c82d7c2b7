import pytest

from budwood.core.errors import DataError
from budwood.data.sources.columns import choose_columns, fits


@pytest.mark.parametrize(
    ("header", "asked", "chosen", "others"),
    [
        (["label", "path"], {}, {"path": "path", "label": "label"}, ()),
        (["Image-Path", "Class Name"], {}, {"path": "Image-Path", "label": "Class Name"}, ()),
        (["a", "b", "c"], {"label": "b", "path": "c"}, {"path": "c", "label": "b"}, ("a",)),
        (["file", "path", "label"], {"path": "file"}, {"path": "file", "label": "label"}, ("path",)),
        (["path", "label", "set", "x", "group_id"], {}, {"split": "set", "group": "group_id"}, ("x",)),
        # As Budwood writes it, where metadata may have any name.
        (["path", "label", "image", "class"], {}, {"path": "path", "label": "label"}, ("image", "class")),
        (["file_name", "label", "path"], {}, {"path": "file_name"}, ("path",)),
    ],
)
def test_choose_columns__by_name_or_as_asked(header, asked, chosen, others):
    found = choose_columns(header, asked, "x.csv")
    assert found.others == others
    assert {role: found.get(role) for role in chosen} == chosen
    assert found.get("weight") is None


@pytest.mark.parametrize(
    ("header", "asked", "message"),
    [
        (["path", "label"], {"label": "lable"}, r"no column 'lable', .*for the label\. Did you mean label\?"),
        (["x", "file", "img", "label"], {}, "'file' and 'img' could each be the path.*--columns path=file"),
        (
            ["x"],
            {},
            "no column for the path of the picture and the label.*--columns path=COLUMN,label=COLUMN",
        ),
        (["a/1.JPG", "cat"], {}, "are values and no names of columns"),
        ([], {}, "It has none"),
        ([f"c{number}" for number in range(15)], {}, "c0, .*c11 and 3 more"),
    ],
)
def test_choose_columns__what_is_wrong_is_said(header, asked, message):
    with pytest.raises(DataError, match=f"x.csv.*{message}"):
        choose_columns(header, asked, "x.csv")


@pytest.mark.parametrize(
    ("header", "asked", "answer"),
    [
        (["path", "label"], {}, True),
        (["file", "img", "label"], {}, True),
        (["path"], {}, False),
        (["path", "art"], {"label": "art"}, True),
    ],
)
def test_fits__two_that_could_be_meant_are_columns_too(header, asked, answer):
    assert fits(header, asked) is answer
