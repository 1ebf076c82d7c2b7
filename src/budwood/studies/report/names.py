"""What the configurations of a study are called on its page: their rank, and what tells them from one another."""

from collections.abc import Iterable

from budwood.core import text as words
from budwood.studies.results import Results


def numbers(results: Results) -> dict[str, str]:
    """Return the rank by validation loss of each configuration measured, by which charts and tables name it."""
    measured = [one.name for one in results.summaries if one.complete]
    return {name: str(rank) for rank, name in enumerate(measured, 1)}


def short_names(results: Results) -> dict[str, str]:
    """Return for each configuration what tells it from the others: without what is in every name, and
    `section.` of its keys.

    A name of which nothing would be left stays as it is.
    """
    parts = {one.name: _parts(results, one.name) for one in results.summaries}
    common = set.intersection(*map(set, parts.values())) if len(parts) > 1 else set()
    keys = {key for some in parts.values() for key, _ in some if key}
    last = [key.rpartition(".")[2] for key in keys]
    bare = {key: key.rpartition(".")[2] for key in keys if last.count(key.rpartition(".")[2]) == 1}
    short = {}
    for name, some in parts.items():
        left = [(bare.get(key, key), value) for key, value in some if (key, value) not in common]
        short[name] = _joined(left) or name
    return short if len(set(short.values())) == len(short) else {name: name for name in parts}


def common_words(results: Results) -> str:
    """Return what `short_names` leaves out of every name."""
    name, *others = [one.name for one in results.summaries]
    if not others or short_names(results)[name] == name:
        return ""
    parts = [_parts(results, other) for other in others]
    return _joined(part for part in _parts(results, name) if all(part in some for some in parts))


def _parts(results: Results, name: str) -> list[tuple[str, str]]:
    """Return what a name consists of: of each setting its key and value, of everything else "" and the words."""
    found = results.configurations.get(name)
    if found is None:
        return [("", name)]
    parts = [("", found.recipe), *([("", found.backbone)] if found.backbone else []), *found.settings.items()]
    return [*parts, *([("", f"{found.photos} photos")] if found.photos else [])]


def _joined(parts: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{key}={value}" if key else value for key, value in parts)


def readable(name: str) -> str:
    """Return a name as a sentence or a title can hold it."""
    return words.shorten(words.shown(name), 120)
