"""The field's words: what a user reads has none of those that stood there before."""

import re
from pathlib import Path

import pytest

import budwood

ROOT = Path(__file__).parents[2]
SOURCE = Path(budwood.__file__).parent
HISTORY = {"log.md"}
"""Pages that keep the words of their day."""
INSTEAD = {
    r"\btrunks?\b": "backbone with pooling",
    r"\bfrozen parts?\b": "feature extractor",
    r"\bplain (drawn )?views?\b": "original view",
    r"\bdrawn views?\b": "augmented view",
    r"\bfeeds?\b": "batches",
    r"\blinear fits?\b": "linear probe",
    r"\bgradient fits?\b": "trained head",
    r"\blight trials?\b": "linear trial",
    r"\bfull trials?\b": "training trial",
    r"\b(backbones?|networks?|models?|joins?|stands?)\b[^.|]{0,30}\bside by side": "ensemble of backbones",
    r"\bshel(f|ves)\b": "feature table",
    r"\bgates?\b": "store lock",
    r"\bremarks?\b": "warnings",
    r"\bremembered\b": "fingerprint cache",
    r"\b(strangers?|foreign)\b": "out-of-distribution",
    r"--recall\b": "--acceptance",
    r"\bjudged\b": "evaluated",
    r"\b(unsure|abstention)\b": "selective prediction: confident, abstain",
    r"\bcliffs?\b": "loss spike",
    r"\bvaried\b": "augmented, or replicate",
    r"\b(the|their|its|with) spread\b": "standard deviation",
    r"\blooks at (the )?test\b": "test-set evaluations",
    r"\bgiven up early\b": "pruned",
    r"\bevaluate\.mirror\b": "horizontal-flip test-time augmentation",
    r"\balbums?\b": "thumbnails",
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\b(house|rooms|floors?)\b": "package, modules, layers",
    r"\bsweet spot\b": "best for",
    r"\bbad\b": "unreadable",
}
"""What is said today, by a pattern of what was said before."""
ANY = re.compile("|".join(INSTEAD), re.IGNORECASE)


def old_words(text: str) -> list[str]:
    """Return each line that has an old word, with what to say instead."""
    return [
        f"{line.strip()[:120]!r}: {instead}"
        for line in text.splitlines()
        if ANY.search(line)
        for pattern, instead in INSTEAD.items()
        if re.search(pattern, line, re.IGNORECASE)
    ]


def test_words__of_templates():
    found = {file.name: old_words(file.read_text("utf-8")) for file in SOURCE.rglob("*.jinja")}
    assert len(found) > 10 and {name: lines for name, lines in found.items() if lines} == {}


def test_words__of_pages():
    # docs/reference/ has the help of every command, recipes and keys; other tests hold it to the code.
    pages = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    found = {page.name: old_words(page.read_text("utf-8")) for page in pages if page.name not in HISTORY}
    assert len(found) > 20 and {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "text",
    ["Several backbones side by side", "A bad file is reported", "a linear fit", "Drawn views", "mended"],
)
def test_old_words__finds_them(text):
    assert old_words(text)


@pytest.mark.parametrize("text", ["pairs side by side", "spread evenly over all classes", "development"])
def test_old_words__passes_over_what_is_meant_otherwise(text):
    assert not old_words(text)
