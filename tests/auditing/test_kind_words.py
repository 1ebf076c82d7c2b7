import pytest

from budwood.auditing import findings as kinds
from budwood.auditing.kind_words import WORDS, counted, severity_words


def test_words__there_are_some_of_every_kind():
    assert set(WORDS) == set(kinds.KINDS)
    for kind in WORDS:
        assert counted(kind, 1).startswith("1 ") and counted(kind, 1_200).startswith("1,200 ")
        assert counted(kind, 1)[2:] != counted(kind, 2)[2:] or kind == "not_read"


@pytest.mark.parametrize("severity", kinds.SEVERITIES)
def test_severity_words__agree_with_the_number(severity):
    assert severity_words(severity, 1) == f"1 {severity}"
    assert severity_words(severity, 2) == f"2 {severity}s"
