"""A study's page as a browser shows it."""

import pytest

from budwood.studies.report.page import write_study_report
from tests.browser import DESKTOP, PHONE
from tests.studies.made import fill, fill_search

LONG = "recipe_without_a_blank_" * 20


@pytest.fixture
def page(made):
    fill(made, {"good": 0.9, "bad, with a much longer name than others": 0.6, LONG: 0.7}, replicates=3)
    made.add("good", "split 7", [], error="no_space_" * 80)
    return write_study_report(made.folder)


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_page__opens_without_complaint_or_network(page, open_page, size, dark):
    opened = open_page(page, size=size, dark=dark)
    opened.page.evaluate("document.querySelectorAll('details').forEach((one) => one.open = true)")
    assert opened.complaints == [] and opened.requests == []
    assert opened.overflows() == []
    # In the chart too the text has the size that it has beside it.
    sizes = opened.page.locator(".interval.foot text").first.evaluate(
        "(one) => one.getBoundingClientRect().height"
    )
    assert sizes >= 12


@pytest.mark.parametrize(
    "size", [PHONE, pytest.param(DESKTOP, marks=pytest.mark.slow)], ids=["phone", "desktop"]
)
def test_page__of_a_search(made, open_page, size):
    made.has_test = False
    fill_search(made)
    opened = open_page(write_study_report(made.folder), size=size)
    assert opened.complaints == [] and opened.requests == [] and opened.overflows() == []


def test_page__marks_lie_where_the_axis_says(page, open_page):
    shown = open_page(page).page
    row = shown.locator("#models .interval").first
    label = row.locator("svg[role=img]").get_attribute("aria-label")
    value = float(label.split("\u00a0")[0])
    ticks = {
        float(text.text_content().split("\u00a0")[0]): text.evaluate(
            "(one) => { const box = one.getBoundingClientRect(); return box.x + box.width / 2 }"
        )
        for text in shown.locator("#models .foot text").all()
    }
    low, high = min(ticks), max(ticks)
    expected = ticks[low] + (value - low) / (high - low) * (ticks[high] - ticks[low])
    at = row.locator("circle.full, circle.hollow").evaluate(
        "(one) => { const box = one.getBoundingClientRect(); return box.x + box.width / 2 }"
    )
    assert at == pytest.approx(expected, abs=1.5)


def test_page__tables_are_sorted_by_a_click_and_by_keys(page, open_page):
    shown = open_page(page).page
    table = shown.locator("#configurations table")
    button = table.get_by_role("button", name="loss", exact=True)
    button.focus()
    shown.keyboard.press("Enter")
    shown.keyboard.press("Enter")
    losses = [float(cell.inner_text()) for cell in table.locator("tbody td:nth-child(4)").all()]
    assert losses == sorted(losses, reverse=True) and len(losses) == 3
    assert table.locator('th[aria-sort="descending"]').inner_text() == "loss"


def test_page__is_whole_without_javascript(page, open_page):
    shown = open_page(page, javascript=False).page
    assert (
        "has the lowest validation loss" in shown.locator("h1").inner_text()
        or shown.locator("h1").is_visible()
    )
    assert shown.locator("#configurations tbody tr").count() == 3
    assert shown.locator("#models svg[role=img]").first.is_visible()
    assert shown.get_by_role("button").count() == 0


@pytest.mark.slow
def test_page__printed(page, open_page):
    opened = open_page(page, size=(794, 1123))
    opened.page.emulate_media(media="print")
    assert not opened.page.locator("nav").is_visible()
    assert opened.page.locator("#models svg[role=img]").first.is_visible()
    assert opened.overflows() == []
