"""A real browser for the tests of pages: what it shows, what it complains of, and what it asks the network for."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
PHONE, DESKTOP = (390, 844), (1280, 900)
# As root, as in containers, Chromium runs only without its sandbox; and it must ask nobody for news.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@contextmanager
def start_browser() -> Iterator[Browser]:
    """Skips the test where there is no Chromium."""
    program = os.environ.get("BUDWOOD_CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("no Chromium on the PATH, and BUDWOOD_CHROMIUM names none")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class Opened:
    """A page in the browser."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    """Errors and warnings of the console, and scripts that failed."""
    requests: list[str] = field(default_factory=list)
    """Addresses asked for, beside the file itself and what is embedded in it."""

    def overflows(self) -> list[str]:
        """What sticks out of the page to the right, outside of the boxes that scroll by themselves."""
        return self.page.evaluate(
            """() => [...document.querySelectorAll("body *")]
                .filter((one) => one.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
                .filter((one) => !one.closest(".scroll, .tall, pre, svg"))
                .map((one) => one.outerHTML.slice(0, 120))"""
        )


@contextmanager
def opened(
    browser: Browser,
    path: Path | str,
    *,
    size: tuple[int, int] = DESKTOP,
    javascript: bool = True,
    dark: bool = False,
) -> Iterator[Opened]:
    """A file or an address in a window of so many pixels; what comes from the server of the address is no request."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        java_script_enabled=javascript,
        color_scheme="dark" if dark else "light",
    )
    found = Opened(context.new_page())
    address = path if isinstance(path, str) else path.resolve().as_uri()

    def complain(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            found.complaints.append(message.text)

    def keep_request(request: Request) -> None:
        itself = request.url.partition("#")[0] == address or request.url.startswith("data:")
        of_server = isinstance(path, str) and request.url.startswith((address, f"blob:{address}"))
        if not (itself or of_server):
            found.requests.append(request.url)

    found.page.on("console", complain)
    found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
    found.page.on("request", keep_request)
    found.page.goto(address)
    yield found
    context.close()
