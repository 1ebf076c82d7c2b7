"""The report as a browser shows it."""

import re

import numpy as np
import pytest

from budwood.core import files
from budwood.data.taxonomy import Taxonomy
from budwood.report.page import write_report
from tests.browser import DESKTOP, PHONE

FLOWERS_TREE = Taxonomy(
    {
        **{"composites": "flowers", "bulbs": "flowers", "roses": "flowers", "tulips": "bulbs"},
        **dict.fromkeys(("daisy", "dandelion", "sunflowers"), "composites"),
    },
    "flowers",
)
CONTRASTS = """() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = (colour) => {
    const [r, g, b] = channels(colour).slice(0, 3).map((part) => part / 255)
      .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (one) => {
    for (let node = one; node; node = node.parentElement) {
      const colour = getComputedStyle(node).backgroundColor;
      if (channels(colour)[3] !== 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const found = [];
  for (const one of document.querySelectorAll("body *")) {
    const text = [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    const style = getComputedStyle(one);
    const seen = style.visibility !== "hidden" && one.getClientRects().length;
    if (!text || !seen || one.closest("script, style")) continue;
    const behind = luminance(ground(one));
    const before = luminance(one.closest("svg") ? style.fill : style.color);
    const ratio = (Math.max(before, behind) + 0.05) / (Math.min(before, behind) + 0.05);
    if (ratio < 4.5) found.push([one.outerHTML.slice(0, 100), ratio]);
  }
  return found;
}"""
"""Texts on the page whose contrast against what lies behind them is too small."""


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(
    "options",
    [{"taxonomy": FLOWERS_TREE}, {"fit": "gradient", "finetuned": True}],
    ids=["head, tree of labels", "finetuned"],
)
def test_report__opens_without_complaint_or_network(make_run, open_page, size, dark, options):
    run = make_run(**options)
    opened = open_page(write_report(run.folder, run.photos), size=size, dark=dark)
    assert opened.page.locator("h1").inner_text().startswith("On 20 test photos")
    assert opened.complaints == [] and opened.requests == []
    assert opened.overflows() == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("view", ["matrix-counts", pytest.param("matrix-log", marks=pytest.mark.slow)])
def test_report__texts_can_be_told_from_their_ground(make_run, open_page, dark, view):
    run = make_run(per_class=100, fit="gradient", finetuned=True, skill=1.0)
    page = open_page(write_report(run.folder, run.photos), dark=dark).page
    page.locator(f"#{view}").check()
    assert page.evaluate(CONTRASTS) == []


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


@pytest.mark.parametrize("javascript", [True, False], ids=["script", "no script"])
def test_report__a_cell_leads_to_its_photos(make_run, open_page, javascript):
    run = make_run(per_class=100)
    page = open_page(write_report(run.folder, run.photos), javascript=javascript).page
    link = page.locator(".matrix td.w1 a, .matrix td.w2 a, .matrix td.w3 a").first
    anchor = link.get_attribute("href")
    link.click()
    cell = page.locator(anchor)
    page.wait_for_url(f"**{anchor}")
    assert "taken for" in cell.inner_text() and re.search(r"\d\d?\.\d\s%", cell.inner_text())
    pictures = cell.locator(".thumb")
    assert pictures.count() == int(link.locator(".n").text_content())
    box = pictures.first.bounding_box()
    assert 0 <= box["y"] < DESKTOP[1] and box["width"] > 80


@pytest.mark.parametrize(
    "size", [PHONE, pytest.param(DESKTOP, marks=pytest.mark.slow)], ids=["phone", "desktop"]
)
def test_report__a_cell_of_many_classes_leads_to_its_photos(make_run, open_page, size):
    run = make_run([f"species {i:03}" for i in range(120)], per_class=40, skill=2.5)
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    names = [row["name"] for row in files.read_csv(run.folder / "split.csv")]
    opened = open_page(write_report(run.folder, dict.fromkeys(names, noise)), size=size)
    page = opened.page
    links = page.locator(".heat a")
    # Of links that overlap the last one is the uppermost.
    links.last.locator("rect").click()
    anchor = page.url.partition("#")[2]
    assert anchor == links.last.get_attribute("href").removeprefix("#")
    page.wait_for_function(
        """(anchor) => {
          const box = document.getElementById(anchor).getBoundingClientRect();
          return box.top >= 0 && box.top < innerHeight && box.height > 80;
        }""",
        arg=anchor,
    )
    assert opened.complaints == [] and opened.overflows() == []


def test_report__the_matrix_is_switched_without_a_script(make_run, open_page):
    run = make_run(per_class=100)
    page = open_page(write_report(run.folder, run.photos), javascript=False).page
    cell = page.locator(".matrix td.r4, .matrix td.r3").first
    size = "(one) => getComputedStyle(one).fontSize"
    assert cell.locator(".n").evaluate(size) > cell.locator(".rate").evaluate(size)
    page.locator("#matrix-counts").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#matrix-shares").is_checked()
    assert cell.locator(".n").evaluate(size) < cell.locator(".rate").evaluate(size)
    page.keyboard.press("ArrowRight")
    assert page.locator("#matrix-log").is_checked()
    assert not cell.locator(".rate").is_visible()
    # Print shows it as it stands when the page opens.
    page.emulate_media(media="print")
    assert cell.locator(".rate").is_visible() and not page.locator(".switch").is_visible()


def test_report__the_picture_of_many_classes_is_switched_too(make_run, open_page):
    run = make_run([f"class {i}" for i in range(40)], per_class=20)
    page = open_page(write_report(run.folder), javascript=False).page
    visible = "(one) => getComputedStyle(one).visibility"
    assert [page.locator(f".heat .{view}").evaluate(visible) for view in ("log", "shares")] == [
        "visible",
        "hidden",
    ]
    page.locator("#matrix-shares").check()
    assert [page.locator(f".heat .{view}").evaluate(visible) for view in ("log", "shares")] == [
        "hidden",
        "visible",
    ]


def test_report__everything_is_there_without_a_script(make_run, open_page):
    run = make_run(per_class=100, fit="gradient", finetuned=True)
    path = write_report(run.folder, run.photos)
    pages = [open_page(path, javascript=javascript).page for javascript in (True, False)]
    with_script, without = (
        [section.inner_text() for section in page.locator("section").all()] for page in pages
    )
    assert without == with_script
    assert pages[1].locator("thead button").count() == 0


def test_report__prints_what_is_folded_away(make_run, open_page):
    run = make_run(fit="gradient", finetuned=True)
    page = open_page(write_report(run.folder, run.photos)).page
    layers = page.locator("#phases .layers")
    assert not layers.is_visible()
    page.emulate_media(media="print")
    assert layers.is_visible() and not page.locator("nav").is_visible()
    assert page.locator("#cells .thumb").first.is_visible()
    printed = page.pdf()
    assert printed.startswith(b"%PDF") and len(printed) > 50_000


def test_report__the_keyboard_reaches_the_figures_and_the_cells(make_run, open_page):
    run = make_run()
    page = open_page(write_report(run.folder, run.photos)).page
    page.keyboard.press("Tab")
    skip = page.locator(".skip")
    assert skip.evaluate("(one) => one === document.activeElement && one.getBoundingClientRect().left >= 0")
    page.keyboard.press("Enter")
    page.wait_for_url("**#main")
    link = page.locator(".matrix a").first
    link.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{link.get_attribute('href')}")


def test_report__nasty_names_run_nothing(make_run, open_page):
    names = ["<script>document.title='gone'</script>", '"><img src=x onerror=alert(1)>', "plain"]
    photos = {name: [f"{name}/{i}<b>.jpg" for i in range(60)] for name in names}
    run = make_run(names, names=photos, skill=0.5)
    noise = np.zeros((20, 20, 3), np.uint8)
    pictures = {photo: noise for own in photos.values() for photo in own}
    opened = open_page(write_report(run.folder, pictures))
    assert opened.complaints == [] and opened.requests == []
    assert "Budwood report" in opened.page.title()
    assert opened.page.locator("main b", has_text="<b>").count() == 0
    assert opened.page.locator("#labels").inner_text().count("document.title='gone'") > 0
