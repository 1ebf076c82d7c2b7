import pytest

from budwood.core.errors import DataError
from budwood.data.sources.members import GROWTH_FROM, MAX_GROWTH, link_refusal, refuse_growth


@pytest.mark.parametrize(
    ("size", "packed"),
    [(0, 0), (GROWTH_FROM, 0), (GROWTH_FROM + 1, GROWTH_FROM // MAX_GROWTH + 1), (10**12, 10**12)],
)
def test_refuse_growth__what_photos_may_do(size, packed):
    refuse_growth(size, packed, "x.zip")


@pytest.mark.parametrize(
    ("size", "packed"), [(GROWTH_FROM + 1, 0), (GROWTH_FROM + MAX_GROWTH, GROWTH_FROM // MAX_GROWTH)]
)
def test_refuse_growth__a_trap(size, packed):
    with pytest.raises(DataError, match=rf"x\.zip would grow from {packed:,} to {size:,} bytes"):
        refuse_growth(size, packed, "x.zip")


def test_link_refusal__names_both_and_hides_what_a_terminal_would_obey():
    assert "x.zip: 'a\\x1b[2J'" in str(link_refusal("a\x1b[2J", "x.zip")).replace("\\\\", "\\")
