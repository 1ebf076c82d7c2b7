import io

import numpy as np
import pytest
from PIL import Image

from budwood.core.errors import RunError
from budwood.evaluation.task import SINGLE_LABEL
from budwood.exporting import page_check
from budwood.exporting.chromium import Chromium
from budwood.exporting.page_check import check_page
from budwood.exporting.parity import Answered
from budwood.inference.predictor import InputContract

CLASSES = ("dark", "light")


class Browser(Chromium):
    """Answers by the first pixel of a file; what is not a PNG it cannot read."""

    def __init__(self, wrong=()):
        super().__init__("Chromium 1")
        self.wrong, self.asked = wrong, 0

    def picture(self, content, size, resize):
        assert (size, resize) == (8, "crop")
        self.asked += 1
        if not content.startswith(b"\x89PNG"):
            return None
        light = Image.open(io.BytesIO(content)).getpixel((0, 0))[0] / 255
        if self.asked in self.wrong:
            light = 1 - light
        return Answered(np.float32([[1 - light, light]]))


def _check(browser, pictures, shades):
    own = np.float32([[1 - shade / 255, shade / 255] for shade in shades])
    return check_page(
        browser,
        pictures,
        own.argmax(axis=1),
        own,
        task=SINGLE_LABEL,
        classes=CLASSES,
        input=InputContract(8, "crop"),
    )


def _pictures(shades):
    return [np.full((4, 6, 3), shade, np.uint8) for shade in shades]


def test_check_page__compares_files_and_counts_what_a_browser_does_not_read():
    shades = [10, 200, 90, 250]
    stream = io.BytesIO()
    Image.fromarray(_pictures([250])[0]).save(stream, "TIFF")
    found = _check(Browser(), [*_pictures(shades[:3]), stream.getvalue()], shades)
    assert (found.photos, found.unread, found.same_answers) == (3, 1, 3)
    assert found.largest_difference < 1e-6 and found.page_correct == found.run_correct == 1.0


def test_check_page__tries_photos_from_first_to_last(monkeypatch):
    monkeypatch.setattr(page_check, "MOST", 3)
    browser = Browser()
    assert _check(browser, _pictures(range(0, 250, 10)), range(0, 250, 10)).photos == browser.asked == 3


def test_check_page__that_loses_too_many_answers_is_refused():
    shades = [10, 200, 90, 250]
    assert _check(Browser(wrong=[2]), _pictures(shades), shades).same_answers == 3
    with pytest.raises(RunError, match="answers 50.0 % of 4 photos rightly, where the run answers 100.0 %"):
        _check(Browser(wrong=[2, 3]), _pictures(shades), shades)


def test_check_page__where_the_browser_reads_none():
    with pytest.raises(RunError, match="can read none of the 1 photos that were tried"):
        _check(Browser(), [b"BM"], [10])
