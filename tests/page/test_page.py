"""The page in a real browser, with answers that a test knows beforehand."""

import base64
import csv
import io

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.browser import DESKTOP, PHONE
from tests.report.test_page_in_browser import CONTRASTS
from tests.web import site, write_site

PASTE = """async (name) => {
  const canvas = new OffscreenCanvas(9, 9);
  const context = canvas.getContext("2d");
  context.fillStyle = "#00ff00";
  context.fillRect(0, 0, 9, 9);
  const data = new DataTransfer();
  data.items.add(new File([await canvas.convertToBlob()], "pasted.png", { type: "image/png" }));
  const event = name === "paste"
    ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true })
    : new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
  document.body.dispatchEvent(event);
}"""


def _file(name, colour, size=(30, 20)):
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, "PNG")
    return {"name": name, "mimeType": "image/png", "buffer": stream.getvalue()}


TEXT = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"not a picture"}


@pytest.fixture
def page(browser, tmp_path):
    with site(browser, write_site(tmp_path / "site")) as found:
        yield found.page
        assert found.complaints == [] and found.requests == []


def test_page__says_what_a_picture_shows_and_to_who_hears_it(page):
    page.set_input_files("#choose", _file("a.png", (51, 204, 102)))
    answer = page.locator(".answer")
    answer.wait_for()
    assert answer.locator("h2").inner_text().replace("\xa0", " ") == "green 80.0 %"
    assert answer.locator(".bars li").all_inner_texts()[0].split() == ["green", "80.0", "%"]
    assert answer.locator(".chosen").count() == 1 and "a.png" in answer.inner_text()
    assert page.get_by_role("status").inner_text().replace("\xa0", " ") == "green 80.0 %"
    assert page.evaluate("document.activeElement.tagName") == "H2"


def test_page__a_file_that_is_no_picture_is_an_error(page):
    page.set_input_files("#choose", TEXT)
    page.get_by_role("alert").get_by_text("notes.txt: no picture that this browser can read").wait_for()
    assert page.locator(".answer").count() == 0
    page.set_input_files("#choose", _file("a.png", (0, 255, 0)))
    page.wait_for_selector(".answer")
    assert page.get_by_role("alert").inner_text() == ""


def test_page__many_are_a_table_with_csv_and_each_can_be_looked_at(page):
    files = [_file("=r.png", (255, 0, 0)), _file("b.png", (0, 51, 204)), TEXT]
    page.set_input_files("#choose", files)
    rows = page.locator("tbody tr")
    rows.nth(2).wait_for()
    assert rows.nth(1).inner_text().split() == ["b.png", "blue", "80.0", "%"]
    assert "no picture that this browser can read" in rows.nth(2).inner_text()
    with page.expect_download() as loaded:
        page.get_by_role("link", name="Download as CSV").click()
    assert loaded.value.suggested_filename == "predictions.csv"
    found = list(csv.DictReader(loaded.value.path().read_text().splitlines()))
    assert [row["name"] for row in found] == ["./=r.png", "b.png", "notes.txt"]
    assert found[1]["predicted"] == "blue" and float(found[1]["p:green"]) == pytest.approx(0.2, abs=1e-4)
    assert found[2]["error"] and found[2]["predicted"] == ""
    page.get_by_role("button", name="b.png").click()
    assert page.locator("h2").inner_text().startswith("blue")
    page.get_by_role("button", name="Back to all 3 pictures").click()
    assert rows.count() == 3


@pytest.mark.parametrize("way", ["paste", "drop"])
def test_page__takes_what_is_pasted_and_dropped(page, way):
    page.evaluate(PASTE, way)
    page.wait_for_selector(".answer")
    assert page.locator("h2").inner_text().startswith("green")


def _press_for_files(page):
    """What opens for the space bar on the focused input; pressed again where a busy browser missed the key."""
    for wait in (5_000, 10_000, 30_000):
        try:
            with page.expect_file_chooser(timeout=wait) as chooser:
                page.keyboard.press("Space")
            return chooser.value
        except PlaywrightTimeout:
            missed = wait
    pytest.fail(f"the space bar opened nothing, not even in {missed / 1000:.0f} s")


def test_page__is_used_by_the_keyboard_alone(page):
    # The browser is told early that the test answers its dialogs: told together with the key, it may be late.
    page.on("filechooser", lambda chooser: None)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "choose"
    _press_for_files(page).set_files([_file("a.png", (255, 0, 0)), _file("b.png", (0, 0, 255))])
    page.wait_for_selector("tbody tr")
    page.locator("#choose").focus()
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "b.png":
            break
    page.keyboard.press("Enter")
    assert page.locator("h2").inner_text().startswith("blue")


def test_page__names_are_text_and_never_html(browser, tmp_path):
    bad = "<img src=x onerror=\"document.title='gone'\">"
    folder = write_site(tmp_path / "site", (bad, "../../etc", "blue"))
    with site(browser, folder) as found:
        found.page.set_input_files("#choose", _file(f"{bad.replace('/', '')}.png", (255, 0, 0)))
        found.page.wait_for_selector(".answer")
        assert found.page.locator("h2").inner_text().startswith(bad)
        assert "gone" not in found.page.title() and found.complaints == []


def test_page__of_several_labels_shows_where_each_begins(browser, tmp_path):
    folder = write_site(tmp_path / "site", thresholds=[0.9, 0.3, 0.1], resize="pad")
    with site(browser, folder) as found:
        found.page.set_input_files("#choose", _file("a.png", (153, 102, 51), size=(20, 20)))
        found.page.wait_for_selector(".answer")
        assert found.page.locator("h2").inner_text() == "green, blue"
        assert found.page.locator(".chosen").count() == 2 and found.page.locator(".track u").count() == 3
        assert "grey at the sides" in found.page.locator("figcaption").inner_text()
        found.page.set_input_files("#choose", _file("a.png", (0, 0, 0), size=(20, 20)))
        found.page.get_by_text("None of the labels").wait_for()


def test_page__says_that_a_picture_is_none_of_these(browser, tmp_path):
    with site(browser, write_site(tmp_path / "site", farthest=0.5)) as found:
        found.page.set_input_files("#choose", [_file("a.png", (204, 255, 0)), _file("b.png", (51, 255, 0))])
        rows = found.page.locator("tbody tr")
        rows.nth(1).wait_for()
        assert "None of these" in rows.nth(0).inner_text() and "green" in rows.nth(1).inner_text()


@pytest.mark.parametrize(
    ("size", "dark"), [(PHONE, True), (DESKTOP, False)], ids=["phone, dark", "desktop, light"]
)
def test_page__can_be_read_on_every_screen(browser, tmp_path, size, dark):
    with site(browser, write_site(tmp_path / "site"), size, dark) as found:
        found.page.set_input_files(
            "#choose", _file("a-rather-long-name-of-a-photo-without-blanks.png", (9, 99, 9))
        )
        found.page.wait_for_selector(".answer")
        assert found.overflows() == [] and found.page.evaluate(CONTRASTS) == []
        found.page.set_input_files("#choose", [_file("a.png", (1, 2, 3)), TEXT])
        found.page.wait_for_selector("tbody tr")
        assert found.overflows() == [] and found.page.evaluate(CONTRASTS) == []


def test_page__shows_what_speaks_for_a_class(page):
    pixels = np.full((60, 60, 3), (60, 60, 60), np.uint8)
    pixels[:20, :20] = 255, 0, 0
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    page.set_input_files("#choose", {"name": "c.png", "mimeType": "image/png", "buffer": stream.getvalue()})
    page.get_by_label("What speaks for").select_option("red")
    page.get_by_role("button", name="Show on the picture").click()
    page.locator(".why").get_by_text("Where it is orange, red becomes less probable").wait_for()
    url = page.evaluate('document.querySelector(".seen canvas").toDataURL()')
    heat = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    shown, elsewhere = heat.getpixel((20, 20)), heat.getpixel((220, 220))
    assert shown[0] > shown[2] and shown[3] > elsewhere[3]


def test_page__offers_the_camera_of_a_phone(browser, tmp_path, page):
    assert page.get_by_label("Take a photo").get_attribute("capture") == "environment"
    assert page.get_by_text("Take a photo").is_hidden()
    context = browser.new_context(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    phone = context.new_page()
    phone.goto(page.url)
    phone.get_by_text("Take a photo").wait_for()
    context.close()


def test_page__opened_as_a_file_says_how_to_serve_it(browser, tmp_path):
    context = browser.new_context()
    page = context.new_page()
    page.goto((write_site(tmp_path / "site") / "index.html").as_uri())
    page.get_by_text("run python -m http.server").wait_for()
    context.close()


def test_page__without_its_model_says_what_is_missing(browser, tmp_path):
    folder = write_site(tmp_path / "site")
    (folder / "model.onnx").unlink()
    from tests.browser import opened
    from tests.web import served

    with served(folder) as address, opened(browser, address) as found:
        said = found.page.get_by_role("alert")
        said.get_by_text("model.onnx is not beside the page (404)").wait_for()


def test_page__a_picture_of_several_sides_is_the_square_that_the_model_sees(page):
    # Red at both ends, which a crop leaves out.
    pixels = np.zeros((10, 40, 3), np.uint8)
    pixels[:, :15, 0] = pixels[:, 25:, 0] = 255
    pixels[:, 15:25, 2] = 255
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    page.set_input_files("#choose", {"name": "w.png", "mimeType": "image/png", "buffer": stream.getvalue()})
    page.wait_for_selector(".answer")
    assert page.locator("h2").inner_text().startswith("blue")
