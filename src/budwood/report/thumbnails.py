"""The photos that a report shows: each decoded once, on all cores, and embedded once."""

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from types import MappingProxyType

from markupsafe import Markup

from budwood.core import text as words
from budwood.core.system import num_cores
from budwood.data.images import ImageLike, ValueRange
from budwood.report.pictures import thumbnail

LARGE, SMALL = 160, 104
"""Sides of the thumbnails in pixels: where a photo is shown by itself, and in a gallery of many."""


class Thumbnails:
    """Thumbnails of a page.

    What the sections `want` is decoded by `decode`, and `show` gives the element that shows it. A photo that is
    wanted in several places is embedded in the first of them, and the others refer to it.

    Args:
        photos: where the photos are, by name; none for a report without pictures.
        resize: the recipe's `data.resize`, "crop", "stretch" or "pad".
        levels: the values that are black and white in pictures of more than 8 bits.
        kept: thumbnails of an earlier report, for photos that are not there any more.
    """

    def __init__(
        self,
        photos: Mapping[str, ImageLike],
        resize: str = "crop",
        kept: Mapping[str, str] = MappingProxyType({}),
        levels: ValueRange | None = None,
    ):
        self.resize, self.levels = resize, levels
        self._photos = photos
        self._kept = kept
        self._sides: dict[str, int] = {}
        self._uses: Counter[str] = Counter()
        self._decoded: dict[str, str | None] = {}
        self._names: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self._photos or self._kept)

    def image(self, name: str) -> ImageLike | None:
        """Return where a photo is."""
        return self._photos.get(name)

    def earlier(self, name: str) -> str | None:
        """Return what an earlier report showed under a name."""
        return self._kept.get(name)

    def want(self, name: str, side: int = SMALL) -> None:
        """Ask for a photo, once for each place that will show it; the largest side that was asked for is
        made."""
        self._sides[name] = max(side, self._sides.get(name, 0))
        self._uses[name] += 1

    def decode(self) -> None:
        """Make the thumbnails of all photos that are wanted, on all cores."""
        if not self:
            return
        wanted = [name for name in self._sides if name not in self._decoded]
        with ThreadPoolExecutor(num_cores()) as pool:
            self._decoded.update(zip(wanted, pool.map(self._make, wanted), strict=True))

    def _make(self, name: str) -> str | None:
        made = thumbnail(self._photos.get(name), self.resize, self._sides[name], self.levels)
        return made or self._kept.get(name)

    @property
    def lost(self) -> int:
        """How many of the photos that are wanted could not be read."""
        return sum(uri is None for uri in self._decoded.values())

    @property
    def wanted(self) -> int:
        return len(self._sides)

    def show(self, name: str, alt: str) -> Markup:
        """Return the element that shows a photo which is wanted: a placeholder where it cannot be read."""
        uri = self._decoded.get(name)
        if uri is None:
            return gone(name)
        if self._uses[name] == 1:
            return picture(uri, alt, self._sides[name], name)
        head = Markup('<svg class="thumb" viewBox="0 0 1 1" role="img" aria-label="{}">').format(
            words.shown(alt)
        )
        if name in self._names:
            return head + Markup('<use href="#{}"/></svg>').format(self._names[name])
        self._names[name] = f"photo-{len(self._names)}"
        return head + Markup('<image data-photo="{}" id="{}" width="1" height="1" href="{}"/></svg>').format(
            name, self._names[name], uri
        )


def picture(uri: str, alt: str, side: int, name: str = "") -> Markup:
    """Return an image element; `name` is that of the photo, where it is the photo itself that is shown."""
    attribute = Markup(' data-photo="{}"').format(name) if name else ""
    return Markup(
        '<img class="thumb"{} src="{}" alt="{}" width="{}" height="{}" loading="lazy" decoding="async">'
    ).format(attribute, uri, words.shown(alt), side, side)


class _Pictures(HTMLParser):
    """The embedded photos of a page, by the name in `data-photo` of their `<img>` or `<image>`."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        name, uri = attributes.get("data-photo"), attributes.get("src") or attributes.get("href")
        if tag in ("img", "image") and name and uri and uri.startswith("data:image/jpeg;base64,"):
            self.found[name] = uri


def read_pictures(report: Path) -> dict[str, str]:
    """Return the thumbnails in a report that was written before, by the photo's name; none where there is no
    report.

    The page is their one home: a file of their own would double what a run takes on disk, for they are most of it.
    """
    try:
        text = report.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    parser = _Pictures()
    parser.feed(text)
    return parser.found


def gone(name: str) -> Markup:
    """Return what stands in the place of a photo that is not there or cannot be read."""
    return Markup(
        '<div class="thumb gone" role="img" aria-label="picture not available: {}">no picture<br>{}</div>'
    ).format(words.shown(name), words.shorten(words.shown(name), 48))
