"""The site is built with warnings as errors, holds together, and needs no network."""

import http.server
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest

import budwood
from budwood.config.recipe import Recipe
from tests.browser import PHONE
from tests.docs.blocks import ROOT
from tools.docs.build import build, run_zensical, write_config
from tools.docs.docstrings import for_mkdocstrings
from tools.docs.modules import FOLDER, PACKAGES, modules_by_package
from tools.docs.python_reference import python_page
from tools.docs.recipe_keys import documented, takes_in_words
from tools.docs.stage import FROM_CODE, whole_names

WITHOUT_NETWORK = ["unshare", "--map-root-user", "--net"]
ELSEWHERE = {"https", "http", "mailto"}
LOOKED_AT = [
    "index.html",
    "reference/python.html",
    "reference/recipe-keys.html",
    "experiments/flowers-study.html",
    "guide/fine-tuning.html",
]


def no_network() -> list[str]:
    """What a command is run by so that it has no network; nothing where the system does not let us."""
    if shutil.which(WITHOUT_NETWORK[0]) is None:
        return []
    return (
        WITHOUT_NETWORK
        if subprocess.run([*WITHOUT_NETWORK, "true"], capture_output=True).returncode == 0
        else []
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The whole site, built without a network."""
    work = tmp_path_factory.mktemp("pages")
    assert build(work, prefix=no_network()) == []
    return work / "site"


class Page(HTMLParser):
    """What a page of the site names, and what it asks for."""

    def __init__(self, file: Path):
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.parts: list[str] = []
        """Pictures, scripts and styles: what a browser fetches by itself."""
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        given = {name: value for name, value in attrs if value}
        self.ids |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in ("img", "script", "source", "iframe") and "src" in given:
            self.parts.append(given["src"])
        if tag == "link" and given.get("rel") in ("stylesheet", "icon", "preload", "preconnect"):
            self.parts.append(given["href"])


def read_pages(site: Path) -> dict[Path, Page]:
    """All pages of a site."""
    return {file: Page(file) for file in site.rglob("*.html")}


@pytest.fixture(scope="module")
def pages(site) -> dict[Path, Page]:
    return read_pages(site)


def faults_of(site: Path, pages: dict[Path, Page]) -> list[str]:
    """Links within the site that lead nowhere, and parts of its pages that are missing or come from elsewhere."""
    faults = []
    for file, page in pages.items():
        if file.name == "404.html":
            continue
        where = file.relative_to(site)
        for address in page.links:
            path, anchor = urldefrag(address)
            if urlsplit(path).scheme in ELSEWHERE:
                continue
            target = (file.parent / unquote(path)).resolve() if path else file
            if not target.is_file():
                faults.append(f"{where}: no {address}")
            elif anchor and target in pages and unquote(anchor) not in pages[target].ids:
                faults.append(f"{where}: no anchor {address}")
        for address in page.parts:
            if urlsplit(address).scheme in ELSEWHERE or address.startswith("//"):
                faults.append(f"{where}: {address} comes from elsewhere")
            elif (
                not address.startswith("data:")
                and not (file.parent / unquote(urlsplit(address).path)).is_file()
            ):
                faults.append(f"{where}: no {address}")
    return faults


@pytest.mark.slow
def test_site__links_anchors_and_pictures_are_there(site, pages):
    assert len(pages) > 50
    assert faults_of(site, pages) == []


def test_faults_of__finds_each_kind(tmp_path):
    (tmp_path / "a.html").write_text(
        '<h1 id="top">A</h1><a href="#top">.</a><a href="b.html">.</a><a href="a.html#down">.</a>'
        '<img src="c.png"><script src="https://example.org/d.js"></script><a href="https://example.org">.</a>'
    )
    assert faults_of(tmp_path, read_pages(tmp_path)) == [
        "a.html: no b.html",
        "a.html: no anchor a.html#down",
        "a.html: no c.png",
        "a.html: https://example.org/d.js comes from elsewhere",
    ]


def test_site__every_page_can_be_reached(site, pages):
    found, todo = set(), [site / "index.html"]
    while todo:
        file = todo.pop()
        if file not in found:
            found.add(file)
            addresses = [urldefrag(link)[0] for link in pages[file].links]
            todo += [
                (file.parent / one).resolve()
                for one in addresses
                if one and urlsplit(one).scheme not in ELSEWHERE
            ]
    assert set(pages) - found == {site / "404.html"}


def test_site__pictures_are_small(site):
    large = [file.name for file in (ROOT / "docs").rglob("*.png") if file.stat().st_size > 300_000]
    assert not large


def test_build__a_broken_link_or_anchor_is_an_error(tmp_path):
    (tmp_path / "docs").mkdir()
    write_config(tmp_path)
    page = tmp_path / "docs" / "index.md"
    page.write_text("# A page\n\n[itself](index.md#a-page)\n")
    assert run_zensical(tmp_path) == []
    page.write_text("# A page\n\n[gone](gone.md)\n")
    assert any("page does not exist" in line for line in run_zensical(tmp_path))
    page.write_text("# A page\n\n[gone](index.md#gone)\n")
    assert any("anchor does not exist" in line for line in run_zensical(tmp_path))


@pytest.mark.parametrize("name", FROM_CODE)
def test_from_code__pages_are_up_to_date(name):
    written = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert written == FROM_CODE[name](), (
        f"docs/{name} is not what the code says now. `make docs` writes it anew"
    )


def test_recipe_keys__each_is_documented():
    sections = [
        field.annotation for field in Recipe.model_fields.values() if isinstance(field.annotation, type)
    ]
    sections = [Recipe, *(section for section in sections if hasattr(section, "model_fields"))]
    assert len(sections) > 8
    undocumented = [
        f"{section.__name__}.{key}"
        for section in sections
        for key, field in section.model_fields.items()
        if key not in documented(section) and not hasattr(field.annotation, "model_fields")
    ]
    assert not undocumented


def test_takes_in_words__of_a_schema():
    whole = {"type": "integer", "minimum": 2, "maximum": 20_000}
    assert takes_in_words(whole, {}) == "a whole number from 2 to 20,000"
    assert takes_in_words({"anyOf": [{"const": "auto"}, whole]}, {}).startswith('`"auto"` or a whole number')
    assert takes_in_words({"type": "array", "items": whole, "minItems": 1}, {}).startswith(
        "a list of at least one, each"
    )


def test_whole_names__marks_short_names_with_hyphens_outside_of_blocks():
    text = "`--set` `set` `a-b c`\n```shell\n`--set`\n```\n<!-- `--set` -->\n[`x-y`](z.md)\n"
    assert whole_names(text) == text.replace("`--set` `set`", "`--set`{.whole} `set`").replace(
        "[`x-y`]", "[`x-y`{.whole}]"
    )
    assert whole_names(f"`{'a-' * 20}`") == f"`{'a-' * 20}`"


def test_for_mkdocstrings__examples_are_code():
    text = "One.\n\n>>> a = 1    # doctest: +SKIP\n>>> a\n1\n\nMore."
    assert for_mkdocstrings(text) == "One.\n\n```pycon\n>>> a = 1\n>>> a\n1\n```\n\nMore."


def test_for_mkdocstrings__arguments_that_share_a_line():
    text = "One.\n\nArgs:\n    a, b: what both\n        are.\n    c: else."
    assert for_mkdocstrings(text) == (
        "One.\n\nArgs:\n    a: what both\n        are.\n    b: what both\n        are.\n    c: else."
    )


def test_python__every_public_name_is_on_the_page(site, pages):
    ids = pages[site / "reference" / "python.html"].ids
    assert {"budwood.train", "budwood.Run", "budwood.Run.predict"} <= ids
    assert {f"budwood.{name}" for name in budwood.__all__ if not name.startswith("_")} <= ids


def test_python_page__reads_in_a_clone():
    page = python_page()
    assert ":::" not in page
    for wanted in ("\n    data: ", "| `recipe` |", "Returns: ", "| Raises | |"):
        assert wanted in page


def test_modules__each_has_its_place(site, pages):
    packages = modules_by_package()
    assert {"training", "backbones"} <= set(packages)
    for package, modules in packages.items():
        assert set(modules) <= pages[site / FOLDER / f"{package}.html"].ids
    assert {name for name, modules in packages.items() if len(modules) > 1} <= set(PACKAGES)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "dark"), [*((name, False) for name in LOOKED_AT), (LOOKED_AT[0], True)])
def test_site__asks_for_nothing_beyond_its_own_files(site, open_page, name, dark):
    found = open_page(site / name, dark=dark)
    found.page.wait_for_load_state("networkidle")
    outside = [address for address in found.requests if not address.startswith(site.as_uri())]
    assert (outside, found.complaints) == ([], [])


@pytest.mark.slow
@pytest.mark.parametrize("name", LOOKED_AT)
def test_site__fits_a_phone(site, open_page, name):
    page = open_page(site / name, size=PHONE).page
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(params=["from a folder", "served"])
def home(site, request) -> Iterator[str]:
    """Where the site is."""
    if request.param == "from a folder":
        yield site.as_uri()
        return
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=site)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.slow
def test_site__search_finds_a_section(home, browser):
    context = browser.new_context()
    page = context.new_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(f"{home}/index.html")
    page.wait_for_load_state("networkidle")
    page.get_by_role("button", name="Search").first.click()
    # Character by character, as it looks anew after each.
    page.get_by_placeholder("Search").press_sequentially("batchnorm trap", delay=20)
    page.get_by_text("The BatchNorm trap").first.click()
    page.wait_for_url("**/guide/fine-tuning.html?*#the-batchnorm-trap")
    assert [address for address in requests if not address.startswith((home, "blob:", "data:"))] == []
    context.close()
