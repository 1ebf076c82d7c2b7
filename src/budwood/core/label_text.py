"""Several labels of a photo as one text: how tables and the files of a run write them."""

from collections.abc import Iterable

SEPARATOR = ";"
"""Between the labels of a photo, in every file that Budwood writes."""
UNKNOWN = "?"
"""Before a label of which it is unknown whether the photo has it."""


def as_text(labels: Iterable[str], unknown: Iterable[str] = ()) -> str:
    """Return the labels of a photo as one text, sorted; an empty one for a photo without labels.

    >>> as_text(["trees", "sea"], unknown=["sunset"])
    'sea;trees;?sunset'
    """
    return SEPARATOR.join([*sorted(labels), *(f"{UNKNOWN}{label}" for label in sorted(unknown))])


def of_text(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the labels of a photo, and those of which it is unknown, from their text.

    >>> of_text("sea;trees;?sunset")
    (('sea', 'trees'), ('sunset',))
    """
    parts = [part for part in text.split(SEPARATOR) if part]
    labels = tuple(part for part in parts if not part.startswith(UNKNOWN))
    return labels, tuple(part.removeprefix(UNKNOWN) for part in parts if part.startswith(UNKNOWN))


def labels_in_words(text: str) -> str:
    """Return the labels of a photo for a reader.

    >>> labels_in_words("sea;trees;?sunset"), labels_in_words("")
    ('sea, trees (unknown: sunset)', 'none of the labels')
    """
    labels, unknown = of_text(text)
    known = ", ".join(labels) or "none of the labels"
    return known + (f" (unknown: {', '.join(unknown)})" if unknown else "")
