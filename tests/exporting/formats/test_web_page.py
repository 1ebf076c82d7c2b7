"""The page for the browser, with ONNX Runtime Web where it is at hand: BUDWOOD_TEST_WEB names its npm package."""

import hashlib
import os

import numpy as np
import pytest
from PIL import Image

from budwood.core.errors import RunError
from budwood.core.files import read_json
from budwood.exporting import web_runtime
from budwood.exporting.formats.web_page import WebPage
from budwood.run import load
from tests import web

pytestmark = pytest.mark.usefixtures("shared_cache", "tiny_backbones")


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    """A stand-in for ONNX Runtime Web, which is expected from here on."""
    folder = tmp_path / "package" / "dist"
    folder.mkdir(parents=True)
    runtime = web.RUNTIME.replace('!== "model"', '=== "model"').replace("DISTANCE = false", "DISTANCE = true")
    for name in web_runtime.FILES:
        (folder / name).write_text(runtime)
    hashes = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in web_runtime.FILES}
    monkeypatch.setattr(web_runtime, "FILES", hashes)
    return folder.parent


@pytest.fixture
def package():
    folder = os.environ.get("BUDWOOD_TEST_WEB")
    if not folder:
        pytest.skip("BUDWOOD_TEST_WEB does not name an unpacked npm package onnxruntime-web")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tiny_run", "tiny_label_run"])
def test_export__a_page_answers_in_a_browser_as_the_run(kind, request, package, browser, tmp_path):
    pytest.importorskip("tf2onnx")
    web.chromium()
    run, data = load(request.getfixturevalue(kind)), request.getfixturevalue("session_colours")
    photos = data if kind == "tiny_run" else request.getfixturevalue("labels_table")
    found = run.export("web", tmp_path / "site", data=photos, runtime=package)
    parity = read_json(tmp_path / "site" / "parity.json")
    assert parity["largest_difference"] <= 1e-3 and parity["same_answers"] == parity["photos"]
    page = parity["page"]
    assert (
        page["browser"].startswith("Chromium") and page["photos"] == parity["photos"] and page["unread"] == 0
    )
    readme = (tmp_path / "site" / "README.md").read_text()
    assert "python -m http.server" in readme and page["browser"] in readme
    assert {"index.html", "page.js", "runtime/ort-wasm-simd-threaded.wasm"} <= found.contract.files.keys()

    # Pixels that no decoder changes: the page says what the run says.
    pixels = np.random.default_rng(1).integers(0, 256, (120, 90, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "noise.png")
    with web.site(browser, tmp_path / "site") as opened:
        opened.page.set_input_files("#choose", [tmp_path / "noise.png"] * 2)
        opened.page.wait_for_selector("tbody tr")
        with opened.page.expect_download() as loaded:
            opened.page.get_by_role("link", name="Download as CSV").click()
        assert opened.complaints == [] and opened.requests == []
        row = loaded.value.path().read_text().splitlines()[1].split(",")
    assert [float(share) for share in row[7:]] == pytest.approx(
        list(run.predict(pixels)[0].probabilities.values()), abs=1e-3
    )


@pytest.mark.slow
def test_export__a_page_that_answers_otherwise_is_refused(made_up, tiny_run, session_colours, tmp_path):
    pytest.importorskip("tf2onnx")
    web.chromium()
    with pytest.raises(RunError, match="the model as a page for the browser does not answer as the run does"):
        load(tiny_run).export("web", tmp_path / "site", data=session_colours, runtime=made_up)
    assert not (tmp_path / "site").exists()


def test_export__without_a_browser_is_checked_in_python_and_says_so(
    made_up, tiny_run, session_colours, tmp_path, monkeypatch, call
):
    pytest.importorskip("tf2onnx")
    monkeypatch.setattr("budwood.exporting.formats.web_page.find_browser", lambda: None)
    arguments = ("--format", "web", "-o", tmp_path / "site", "--photos", session_colours, "-q")
    status, out, _ = call("export", tiny_run, *arguments, "--runtime", made_up)
    assert status == 0 and "the page was opened in no browser" in out
    assert read_json(tmp_path / "site" / "parity.json")["page"] is None
    assert "No browser was at hand" in (tmp_path / "site" / "README.md").read_text()


def test_prepare__other_formats_take_no_runtime(tiny_run, session_colours, tmp_path):
    with pytest.raises(RunError, match="Keras takes no --runtime"):
        load(tiny_run).export("keras", tmp_path / "out", data=session_colours, runtime="npm")
    assert WebPage().kinds == ("int8",)
