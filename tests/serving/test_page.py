"""The page of a server in a real browser."""

import csv

import pytest

from budwood.run import load
from budwood.serving.limits import Limits
from budwood.serving.safety import LOOPBACK, Access
from tests.browser import DESKTOP, PHONE, opened
from tests.report.test_page_in_browser import CONTRASTS
from tests.serving.running import running

pytestmark = pytest.mark.usefixtures("shared_cache")
TEXT = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"not a picture"}


@pytest.fixture(scope="module")
def server(tiny_run, tiny_label_run):
    with running({"colours": tiny_run, "several": tiny_label_run}, show_training_photos=True) as found:
        yield found


@pytest.fixture(scope="module")
def photos(session_colours):
    return {label: session_colours / label / f"{label} 00.jpg" for label in ("red", "green", "blue")}


@pytest.fixture
def seen(browser, server):
    with _page(browser, server) as found:
        yield found
        assert found.requests == []


def _page(browser, server, **options):
    return opened(browser, f"http://127.0.0.1:{server.port}/", **options)


def _give(page, *files):
    page.wait_for_selector("#choose:enabled")
    read = [
        one
        if isinstance(one, dict)
        else {"name": one.name, "mimeType": "image/jpeg", "buffer": one.read_bytes()}
        for one in files
    ]
    page.set_input_files("#choose", read)


def test_page__says_what_a_photo_shows_and_why(seen, photos, server):
    page = seen.page
    _give(page, photos["red"])
    page.locator(".answer h2").wait_for()
    assert page.locator(".answer h2").inner_text().startswith("red")
    said = server.post("/v1/predict", photos["red"].read_bytes()).json["predictions"][0]
    first = page.locator(".bars li").first.inner_text().replace("\xa0", " ")
    assert f"{100 * said['probability']:.1f} %" in first or ">" in first
    page.get_by_role("button", name="Show on the picture").click()
    page.locator(".why").wait_for()
    assert page.locator(".seen canvas").count() == 1 and page.locator(".similar img").count() > 0
    page.get_by_label("What speaks for").select_option("blue")
    page.get_by_role("button", name="Show on the picture").click()
    page.locator(".why").get_by_text("Where it is orange, blue becomes less probable").wait_for()
    assert page.locator(".seen canvas").count() == 1 and seen.complaints == []


def test_page__a_text_file_is_an_error(seen):
    _give(seen.page, TEXT)
    seen.page.get_by_role("alert").get_by_text("notes.txt: this picture cannot be read").wait_for()
    assert seen.page.locator(".answer").count() == 0


def test_page__many_are_a_table(seen, photos):
    page = seen.page
    _give(page, *photos.values(), TEXT)
    page.locator("tbody tr").nth(3).wait_for()
    with page.expect_download() as loaded:
        page.get_by_role("link", name="Download as CSV").click()
    found = list(csv.DictReader(loaded.value.path().read_text().splitlines()))
    assert [row["predicted"] for row in found] == ["red", "green", "blue", ""]
    assert float(found[0]["distance"]) >= 0 and found[0]["none_of_these"] in "01" and found[3]["error"]


def test_page__of_a_real_photo_says_what_the_run_says(seen, test_data, tiny_run):
    page, photos = seen.page, sorted(test_data.glob("datasets/flower_photos/tulips/*.jpg"))[:2]
    _give(page, *photos)
    page.locator("tbody tr").nth(1).wait_for()
    with page.expect_download() as loaded:
        page.get_by_role("link", name="Download as CSV").click()
    rows = list(csv.DictReader(loaded.value.path().read_text().splitlines()))
    for row, own in zip(rows, load(tiny_run).predict(photos), strict=True):
        assert row["predicted"] == own.label and bool(int(row["none_of_these"])) == own.out_of_distribution
        shares = [float(row[f"p:{label}"]) for label in own.probabilities]
        assert shares == pytest.approx(list(own.probabilities.values()), rel=1e-4, abs=1e-6)


def test_page__asks_the_model_that_is_chosen(seen, photos):
    page = seen.page
    _give(page, photos["red"])
    page.locator(".answer").wait_for()
    page.get_by_label("Model").select_option("several")
    page.locator(".track u").first.wait_for()
    assert page.locator(".bars li").count() == 4
    assert "The model knows 4 labels" in page.inner_text("footer")


def test_page__answers_with_a_set_or_says_that_it_cannot(seen, photos, server):
    page = seen.page
    _give(page, photos["red"])
    page.locator(".answer").wait_for()
    page.get_by_label("Answer with").select_option("0.99")
    # So few photos promise no such thing.
    said = server.post("/v1/predict?coverage=0.99", photos["red"].read_bytes()).json["error"]["message"]
    page.get_by_role("alert").get_by_text(said).wait_for()

    answer = server.post("/v1/predict", photos["red"].read_bytes()).json
    answer["predictions"][0]["prediction_set"] = ["red", "blue"]
    page.route("**/v1/predict?*", lambda route: route.fulfill(json=answer))
    page.get_by_label("Answer with").select_option("0.9")
    page.get_by_text("such a set holds the right class").wait_for()
    assert page.locator(".answer h2").inner_text() == "red, blue" and page.locator(".chosen").count() == 2


def test_page__none_of_these_and_a_tree_of_labels(seen, photos, server):
    page = seen.page
    answer = server.post("/v1/predict", photos["red"].read_bytes()).json
    one = answer["predictions"][0]
    one["path"] = [{"label": "warm", "probability": 0.9}, {"label": "red", "probability": 0.8}]
    page.route("**/v1/predict?*", lambda route: route.fulfill(json=answer))
    _give(page, photos["red"])
    page.get_by_text("warm 90.0\xa0% › red 80.0\xa0%").wait_for()
    one |= {"none_of_these": True, "prediction_set": ["red"]}
    _give(page, photos["red"])
    page.get_by_role("heading", name="None of these").wait_for()
    # A set that is not shown is promised nothing of.
    assert page.get_by_text("so none is given").count() == 1 and page.get_by_text("such a set").count() == 0
    assert page.locator(".chosen").count() == 0
    assert page.get_by_role("status").inner_text().startswith("None of these (nearest: red")


@pytest.mark.parametrize(
    ("size", "dark"), [(PHONE, True), (DESKTOP, False)], ids=["phone, dark", "desktop, light"]
)
def test_page__can_be_read_on_every_screen(browser, server, photos, size, dark):
    with _page(browser, server, size=size, dark=dark) as found:
        _give(found.page, photos["green"])
        found.page.get_by_role("button", name="Show on the picture").click()
        found.page.locator(".why").wait_for()
        assert found.overflows() == [] and found.page.evaluate(CONTRASTS) == []


def test_page__waits_where_the_server_asks_for_it(browser, tiny_run, photos):
    with (
        running({"colours": tiny_run}, Limits(rate=4.0)) as server,
        _page(browser, server) as found,
    ):
        _give(found.page, *[photos["red"]] * 9)
        found.page.locator("tbody tr").nth(8).wait_for()
        assert found.page.locator(".refused").count() == 0


def test_page__asks_for_the_key_of_a_server(browser, tiny_run, photos):
    access = Access("open sesame", LOOPBACK)
    with (
        running({"colours": tiny_run}, access=access, show_training_photos=True) as server,
        _page(browser, server) as found,
    ):
        page = found.page
        page.get_by_label("This server asks for a key").fill("wrong")
        page.keyboard.press("Enter")
        page.get_by_role("alert").get_by_text("This is not the key of this server").wait_for()
        page.get_by_label("This server asks for a key").fill("open sesame")
        page.get_by_role("button", name="Enter").click()
        _give(page, photos["blue"])
        page.locator(".answer").wait_for()
        assert page.locator(".answer h2").inner_text().startswith("blue")
        assert page.locator("#key").is_hidden() and page.locator("#report").is_hidden()
        assert server.get("/report/colours").status == 404


def test_report__is_shown_with_its_own_policy_and_only_where_photos_are(browser, server, tiny_run):
    answer = server.get("/report/colours")
    assert answer.status == 200 and "sandbox allow-scripts" in answer.headers["content-security-policy"]
    assert server.get("/report/none").status == server.get("/report/..%2Fcolours").status == 404
    with _page(browser, server) as found:
        found.page.get_by_role("link", name="How the model was trained and tested").click()
        found.page.locator("h1").get_by_text("test photos").wait_for()
        assert found.complaints == [] and found.requests == []
    with running({"colours": tiny_run}) as private, _page(browser, private) as found:
        found.page.wait_for_selector("#choose:enabled")
        assert private.get("/report/colours").status == 404 and found.page.locator("#report").is_hidden()


def test_page__files_have_their_types(server):
    kinds = {
        "/": "text/html",
        "/page.css": "text/css",
        "/page.js": "text/javascript",
        "/server.js": "text/javascript",
    }
    for path, kind in kinds.items():
        answer = server.get(path)
        assert answer.status == 200 and answer.headers["content-type"] == f"{kind}; charset=utf-8"
    assert server.get("/onnx.js").status == 404
