import io
import stat

import numpy as np
import pytest
from PIL import Image

from budwood.core.errors import RunError
from budwood.exporting import chromium
from budwood.exporting.chromium import find_browser, opened
from tests.web import chromium as program
from tests.web import write_site


def test_opened__runs_squares_and_files_in_a_browser(tmp_path):
    rng = np.random.default_rng(0)
    squares = rng.integers(0, 256, (3, 8, 8, 3)).astype(np.float32)
    stream = io.BytesIO()
    Image.new("RGB", (30, 20), (51, 102, 204)).save(stream, "PNG")
    with opened(write_site(tmp_path / "site", size=8), program()) as browser:
        assert browser.name.startswith("Chromium ")
        means = squares.mean(axis=(1, 2)) / 255
        assert browser.squares(squares).probabilities == pytest.approx(means, abs=1e-4)
        assert browser.squares(squares[:1]).probabilities.shape == (1, 3)
        padded = (np.array([[51, 102, 204]]) * 5 + 127 * 3) / 8 / 255
        assert browser.picture(stream.getvalue(), 8, "pad").probabilities == pytest.approx(padded, abs=1e-4)
        assert browser.picture(b"no picture", 8, "crop") is None
        found = browser.picture(stream.getvalue(), 8, "crop")
        assert found.distances is None
        assert found.probabilities == pytest.approx(np.array([[0.2, 0.4, 0.8]]), abs=1e-4)


def test_opened__gives_distances_where_the_model_has_them(tmp_path):
    squares = np.full((2, 8, 8, 3), [51, 102, 204], np.float32)
    with opened(write_site(tmp_path / "site", size=8, farthest=0.5), program()) as browser:
        found = browser.squares(squares)
    assert found.distances == pytest.approx(np.full(2, 0.2), abs=1e-4)
    assert found.probabilities.shape == (2, 3)


def test_opened__a_page_that_fails_says_why(tmp_path):
    folder = write_site(tmp_path / "site")
    (folder / "model.onnx").write_text("another")
    with pytest.raises(RunError, match="in the browser: no model"), opened(folder, program()):
        pass


def test_opened__a_program_that_is_no_browser(tmp_path):
    (tmp_path / "program").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "program").chmod(stat.S_IRWXU)
    with (
        pytest.raises(
            RunError,
            match="does not run the page: .*ended by itself, with exit status 3. Set BUDWOOD_CHROMIUM",
        ),
        opened(tmp_path, str(tmp_path / "program")),
    ):
        pass


def test_opened__a_browser_that_says_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(chromium, "_PATIENCE", 0.1)
    (tmp_path / "program").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "program").chmod(stat.S_IRWXU)
    with pytest.raises(RunError, match="did not answer within"), opened(tmp_path, str(tmp_path / "program")):
        pass


def test_find_browser__by_its_setting(tmp_path, monkeypatch):
    monkeypatch.setenv("BUDWOOD_CHROMIUM", str(tmp_path / "none"))
    with pytest.raises(RunError, match="BUDWOOD_CHROMIUM names .*none, which is no program"):
        find_browser()
    (tmp_path / "own").touch(0o755)
    monkeypatch.setenv("BUDWOOD_CHROMIUM", str(tmp_path / "own"))
    assert find_browser() == str(tmp_path / "own")
    monkeypatch.setenv("BUDWOOD_CHROMIUM", "none")
    assert find_browser() is None
    monkeypatch.delenv("BUDWOOD_CHROMIUM")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(chromium, "_PLACES", ())
    assert find_browser() is None
    (tmp_path / "google-chrome").touch(0o755)
    assert find_browser() == str(tmp_path / "google-chrome")
