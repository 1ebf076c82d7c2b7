"""Several labels of a photo as one text: how tables and the files of a run write them."""

from collections.abc import Collection, Iterable

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


def disputed(sets: Iterable[tuple[Collection[str], Collection[str]]]) -> tuple[str, ...]:
    """Return the labels that some photos have and others have not, sorted.

    Args:
        sets: of each photo the labels that it has, and the unknown ones, which are no contradiction.

    >>> disputed([of_text("sea;sunset"), of_text("sea"), of_text("sea;?trees"), of_text("sea;trees;?sunset")])
    ('sunset', 'trees')
    """
    known = [(set(has), set(has) | set(unknown)) for has, unknown in sets]
    every = {label for has, _ in known for label in has}
    return tuple(sorted(label for label in every if any(label not in told for _, told in known)))


def difference_in_words(text: str, other: str) -> str:
    """Return what another photo's labels have beside a photo's own ones, and what they lack; empty where nothing.

    >>> difference_in_words("sea;trees", "sea;sunset"), difference_in_words("sea", "?sea")
    ('with sunset, without trees', '')
    """
    here, there = set(of_text(text)[0]), set(of_text(other)[0])
    parts = []
    for word, labels in (("with", there - here), ("without", here - there)):
        named = [label for label in disputed([of_text(text), of_text(other)]) if label in labels]
        parts += [f"{word} {', '.join(named)}"] if named else []
    return ", ".join(parts)


def labels_in_words(text: str) -> str:
    """Return the labels of a photo for a reader.

    >>> labels_in_words("sea;trees;?sunset"), labels_in_words(""), labels_in_words("?sea")
    ('sea, trees (unknown: sunset)', 'none of the labels', 'none known (unknown: sea)')
    """
    labels, unknown = of_text(text)
    known = ", ".join(labels) or ("none known" if unknown else "none of the labels")
    return known + (f" (unknown: {', '.join(unknown)})" if unknown else "")
