"""The report as a browser shows it."""

import pytest

from budwood.report.page import write_report
from tests.browser import DESKTOP, PHONE


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_report__opens_without_complaint_or_network(make_run, open_page, size, dark):
    run = make_run()
    opened = open_page(write_report(run.folder, run.photos), size=size, dark=dark)
    assert opened.page.locator("h1").inner_text().startswith("On 20 test photos")
    assert opened.complaints == [] and opened.requests == []
    assert opened.overflows() == []


def test_report__tables_are_sorted_by_a_click(make_run, open_page):
    run = make_run()
    page = open_page(write_report(run.folder, run.photos)).page
    table = page.locator("#classes table")
    table.get_by_role("button", name="recall", exact=True).click()
    recalls = [
        float(cell.get_attribute("data-value")) for cell in table.locator("tbody td:nth-child(5)").all()
    ]
    assert recalls == sorted(recalls) and len(recalls) == 5
    assert table.locator('th[aria-sort="ascending"]').inner_text() == "recall"
