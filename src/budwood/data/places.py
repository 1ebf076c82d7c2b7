"""Where the photos of a run were on this machine, for a run directory itself knows no paths."""

from pathlib import Path

from budwood.core.cache import cache_dir
from budwood.core.errors import StoreError
from budwood.core.files import write_text

FOLDER = "places"


def keep_place(split: str, source: str) -> None:
    """Keep where the photos of a run are, by the SHA-256 of its split.csv; where nothing can be written, do without."""
    try:
        file = _file(split)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, source)
    except (OSError, StoreError, UnicodeError):
        pass


def find_place(split: str) -> str | None:
    """Return where the photos of a run were when it was trained on this machine, else None."""
    try:
        return _file(split).read_text(encoding="utf-8")
    except (OSError, StoreError, UnicodeError):
        return None


def _file(split: str) -> Path:
    return cache_dir() / FOLDER / f"{split}.txt"
