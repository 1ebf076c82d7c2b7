import pytest

from budwood.config.group_rule import GroupRule
from budwood.config.recipe import Recipe
from budwood.core.errors import RecipeError


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("auto", GroupRule("auto")),
        ("near-duplicates", GroupRule("near-duplicates")),
        ("column:patient:id", GroupRule("column", "patient:id")),
        (r"pattern:(?P<a>\d+):", GroupRule("pattern", r"(?P<a>\d+):")),
        ("burst:90", GroupRule("burst", "90", 90.0)),
        ("burst:1.5min", GroupRule("burst", "1.5min", 90.0)),
        ("burst:2 h", GroupRule("burst", "2 h", 7200.0)),
        ("burst:30s", GroupRule("burst", "30s", 30.0)),
        ("burst:3m", GroupRule("burst", "3m", 180.0)),
    ],
)
def test_read__every_kind(text, rule):
    assert GroupRule.read(text) == rule


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "'' is no way to group photos"),
        ("auto:", "is no way to group"),
        ("parents", "is no way to group"),
        ("column", "is no way to group"),
        ("column:", "is no way to group"),
        ("pattern:", "is no way to group"),
        ("pattern:(", r"'\(' is not a regular expression"),
        ("burst", "names no time"),
        ("burst:0", "names no time"),
        ("burst:-3s", "names no time"),
        ("burst:3d", "names no time"),
        ("burst:3 s ", "names no time"),
    ],
)
def test_read__what_is_none(text, words):
    with pytest.raises(ValueError, match=words):
        GroupRule.read(text)


@pytest.mark.parametrize(
    "text", ["columns:x", "column:", "pattern:", "pattern:(", "burst:", "burst:0s", "auto:x", ""]
)
def test_group_rule__refused(text):
    with pytest.raises(RecipeError, match="group"):
        Recipe.from_dict({"data": {"group": text}})
