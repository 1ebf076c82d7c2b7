import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.report.cells import RIGHT, gather_cells, share_out
from budwood.report.summary import read_contents
from budwood.report.thumbnails import Thumbnails


def test_gather_cells__all_mistakes_and_a_few_of_the_others(make_run):
    contents = read_contents(make_run(per_class=200).folder)
    thumbnails = Thumbnails({"x": b""})
    found = gather_cells(contents, thumbnails)
    test = [one for one in contents.predictions if one.split == "test"]
    wrong = [one for one in test if one.true != one.predicted]
    cells = [cell for group in found.by_class for cell in group.cells]
    assert sum(len(cell.photos) for cell in cells) == len(test)
    assert found.num_mistakes == found.num_mistakes_shown == len(wrong) > 10
    assert sum(cell.num_shown for cell in cells if not cell.is_right) == len(wrong)
    assert [cell.num_shown for cell in cells if cell.is_right] == [RIGHT] * 5
    assert thumbnails.wanted == found.num_shown
    for cell in cells:
        stated = [one.probability for one in cell.shown]
        assert stated == sorted(stated, reverse=not cell.is_right)
        assert {(one.true, one.predicted) for one in cell.photos} == {
            (found.classes[cell.true], found.classes[cell.predicted])
        }


def test_gather_cells__a_small_budget_reaches_every_cell_first(make_run):
    contents = read_contents(make_run(per_class=200).folder)
    all_cells = len(gather_cells(contents, Thumbnails({})).anchors())
    found = gather_cells(contents, Thumbnails({}), budget=all_cells + 3)
    assert len(found.anchors()) == all_cells
    assert found.num_shown == all_cells + 3 and found.num_left_out == 0


def test_gather_cells__beyond_the_budget_the_rarest_cells_have_none(make_run):
    contents = read_contents(make_run(per_class=200).folder)
    found = gather_cells(contents, Thumbnails({}), budget=4)
    assert found.num_shown == 4 and found.num_left_out > 0
    kept = [len(cell.photos) for group in found.by_class for cell in group.cells]
    wrong = gather_cells(contents, Thumbnails({}))
    sizes = [len(cell.photos) for group in wrong.by_class for cell in group.cells if not cell.is_right]
    assert sorted(kept, reverse=True) == sorted(sizes, reverse=True)[:4]


def test_gather_cells__a_class_without_a_test_photo_has_no_place(make_run):
    names = {"daisy": [f"daisy/{i}.jpg" for i in range(8)], "roses": [f"roses/{i}.jpg" for i in range(40)]}
    found = gather_cells(read_contents(make_run(list(names), names=names).folder), Thumbnails({}))
    assert list(found.class_anchors()) == ["roses"]


@given(st.lists(st.integers(0, 30), max_size=20), st.integers(0, 200))
def test_share_out__is_fair(wants, budget):
    given_ = share_out(wants, budget)
    assert sum(given_) == min(sum(wants), budget)
    assert all(0 <= got <= want for got, want in zip(given_, wants, strict=True))
    short = [got for got, want in zip(given_, wants, strict=True) if got < want]
    # Who lacks something has at most one fewer than anybody.
    assert not short or min(short) >= max(given_) - 1


@pytest.mark.parametrize("budget", [0, 3])
def test_share_out__nobody_wants_anything(budget):
    assert share_out([0, 0], budget) == [0, 0] and share_out([], budget) == []
