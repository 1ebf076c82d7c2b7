"""Picture the first page of a run's report, for README.md and the guide, with the Chromium that the system has.

    budwood train flower_photos -o flowers --split-seed 1
    python -m tools.docs.picture flowers

Take a run of the default recipe whose result is near the mean of its splits. Of split seeds 0 to 4, 1 is nearest.
"""

import sys
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser

from tests.browser import start_browser
from tools.docs.stage import ROOT

SIZE = (1080, 727)
FILE = ROOT / "docs" / "images" / "report.png"


def picture(report: Path, file: Path, browser: Browser) -> None:
    """Write the top of a report as a PNG of 256 colours."""
    page = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]}, color_scheme="light")
    page.goto(report.absolute().as_uri())
    shot = Image.open(BytesIO(page.screenshot()))
    page.close()
    shot.convert("RGB").quantize(256).save(file, optimize=True)


if __name__ == "__main__":
    with start_browser() as browser:
        picture(Path(sys.argv[1]) / "report.html", FILE, browser)
    print(FILE)
