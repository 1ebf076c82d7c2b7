"""What the configurations of a study are called on its page: their rank, and what tells them from one another."""

from budwood.core import text as words
from budwood.studies.results import Results


def numbers(results: Results) -> dict[str, str]:
    """Of each configuration that was measured its rank by validation loss, by which charts and tables name it."""
    measured = [one.name for one in results.summaries if one.complete]
    return {name: str(rank) for rank, name in enumerate(measured, 1)}


def short_names(results: Results) -> dict[str, str]:
    """Of each configuration what tells it from the others: without what is in every name, and `section.` of its keys.

    A name of which nothing would be left stays as it is.
    """
    parts = {one.name: _parts(one.name) for one in results.summaries}
    common = set.intersection(*map(set, parts.values())) if len(parts) > 1 else set()
    keys = {part.partition("=")[0] for some in parts.values() for part in some if "=" in part}
    last = [key.rpartition(".")[2] for key in keys]
    bare = {key: key.rpartition(".")[2] for key in keys if last.count(key.rpartition(".")[2]) == 1}
    short = {}
    for name, some in parts.items():
        left = [part for part in some if part not in common]
        texts = [(part.partition("=")[0], part) for part in left]
        short[name] = ", ".join(bare.get(key, key) + part[len(key) :] for key, part in texts) or name
    return short if len(set(short.values())) == len(short) else {name: name for name in parts}


def common_words(results: Results) -> str:
    """What `short_names` leaves out of every name."""
    name, *others = [one.name for one in results.summaries]
    if not others or short_names(results)[name] == name:
        return ""
    return ", ".join(part for part in _parts(name) if all(part in _parts(other) for other in others))


def _parts(name: str) -> list[str]:
    """What a study joined by commas, a list among it kept whole."""
    parts: list[str] = []
    for part in name.split(", "):
        if parts and parts[-1].count("[") + parts[-1].count("{") > parts[-1].count("]") + parts[-1].count(
            "}"
        ):
            parts[-1] += f", {part}"
        else:
            parts.append(part)
    return parts


def readable(name: str) -> str:
    """A name as a sentence or a title can hold it."""
    return words.shorten(words.shown(name), 120)
