"""Taxonomy: a tree of labels, with the classes as its leaves, such as species below genera."""

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

from budwood.core.errors import DataError, did_you_mean
from budwood.core.text import class_key, shown


@dataclass(frozen=True, slots=True)
class Link:
    """A node as a source names it: what it is called, what is above it, and where that stands."""

    label: str
    parent: str
    """Empty for what is above all others."""
    where: str
    """Such as "row 3"."""


@dataclass(frozen=True)
class Taxonomy:
    """A tree of labels. Each node has a name of its own; nodes without children are the classes.

    >>> tree = Taxonomy({"owls": "birds", "barn owl": "owls", "snowy owl": "owls", "wren": "birds"}, "birds")
    >>> tree.path("snowy owl"), tree.path("wren"), tree.num_levels
    (('owls', 'snowy owl'), ('wren',), 2)
    """

    parents: Mapping[str, str]
    """By node, what it lies directly below; the root itself is not among the nodes."""
    root: str = ""
    """What is above all others; empty where that has no name, as of folders."""
    where: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    """Where each node stands in its source."""

    @cached_property
    def children(self) -> dict[str, list[str]]:
        """Return what lies directly below each inner node and the root."""
        found: dict[str, list[str]] = {}
        for node, parent in self.parents.items():
            found.setdefault(parent, []).append(node)
        return found

    @property
    def classes(self) -> list[str]:
        """Return the nodes without children, in the order of the source."""
        return [node for node in self.parents if node not in self.children]

    @cached_property
    def _paths(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for node in self.parents:
            way, at = [], node
            while at != self.root:
                way.append(at)
                at = self.parents[at]
            found[node] = tuple(reversed(way))
        return found

    def path(self, node: str) -> tuple[str, ...]:
        """Return the nodes from the one directly below the root down to this one."""
        return self._paths[node]

    @cached_property
    def num_levels(self) -> int:
        """Return the number of nodes on the longest path; 1 where every class lies directly below the root."""
        return max((len(self.path(node)) for node in self.parents), default=0)

    @property
    def is_flat(self) -> bool:
        """Return whether every class lies directly below the root, so that the tree says nothing."""
        return self.num_levels < 2

    def only(self, classes: Iterable[str]) -> "Taxonomy":
        """Return the part above some of the classes.

        >>> Taxonomy({"owls": "", "barn owl": "owls", "wren": ""}).only(["wren"]).parents
        {'wren': ''}
        """
        kept = {node for label in classes for node in self.path(label)}
        parents = {node: parent for node, parent in self.parents.items() if node in kept}
        tops = [node for node, parent in parents.items() if parent == self.root]
        if not self.root and len(tops) == 1 and len(parents) > 1:
            # What is above all others is the root, as a table says it.
            return Taxonomy({node: parents[node] for node in parents if node != tops[0]}, tops[0], self.where)
        return Taxonomy(parents, self.root, self.where)

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Return each node with its parent, a named root first: what `taxonomy.csv` of a run holds."""
        top = [(self.root, "")] if self.root else []
        return [*top, *self.parents.items()]

    @property
    def sha256(self) -> str:
        """Return what tells this tree from another one."""
        return hashlib.sha256(json.dumps(self.rows, ensure_ascii=False).encode()).hexdigest()


def make_taxonomy(links: Iterable[Link], title: str, *, nameless_root: bool = False) -> Taxonomy:
    """Return the tree that rows of a table name.

    Args:
        links: the rows.
        title: what messages call the table.
        nameless_root: whether several nodes may have no parent, and lie below a root without a name.

    Raises:
        DataError: a label is empty, or is there twice, or differs from another by case or blanks alone; a parent has
            no row; several nodes or none have no parent; nodes are above one another in a circle.
    """
    rows = list(links)
    if not rows:
        raise DataError(f"{title} names no label. Expected a row for each label with its parent")
    where: dict[str, Link] = {}
    alike: dict[str, Link] = {}
    for row in rows:
        if not row.label:
            raise DataError(f"{title}, {row.where}: the label is empty. Name it, or remove the row")
        if before := where.get(row.label):
            raise DataError(_twice(before, row, title))
        if (before := alike.setdefault(class_key(row.label), row)) is not row:
            raise DataError(
                f"{title}, {row.where}: {shown(row.label)!r} and {shown(before.label)!r} ({before.where}) differ by "
                "case or blanks alone. Write them alike where they are one, or give them names that differ"
            )
        where[row.label] = row
    tops = [row for row in rows if not row.parent]
    for row in rows:
        if row.parent and row.parent not in where:
            raise DataError(
                f"{title}, {row.where}: the parent {shown(row.parent)!r} of {shown(row.label)!r} has no row of its "
                f"own.{did_you_mean(row.parent, where)} Each node needs one, with its own parent; that of what is "
                "above all others is empty"
            )
    _refuse_circles(rows, where, title)
    if len(tops) > 1 and not nameless_root:
        one, other = tops[:2]
        more = f", and {len(tops) - 2:,} more have none" if len(tops) > 2 else ""
        raise DataError(
            f"{title} has two roots: {shown(one.label)!r} ({one.where}) and {shown(other.label)!r} ({other.where}) "
            f"have no parent{more}. Add a row for what is above all of them, such as 'everything', with an empty "
            "parent, and name it as theirs"
        )
    root = tops[0].label if len(tops) == 1 and len(rows) > 1 else ""
    parents = {row.label: row.parent for row in rows if row.label != root}
    return Taxonomy(parents, root, {row.label: row.where for row in rows})


def _twice(before: Link, row: Link, title: str) -> str:
    if before.parent == row.parent:
        how = f"is there twice, the first time in {before.where}. Remove one of the rows"
    else:
        how = (
            f"has two parents: {_parent(row)} here and {_parent(before)} in {before.where}. Expected one parent for "
            "each label; two nodes need two names"
        )
    return f"{title}, {row.where}: the label {shown(row.label)!r} {how}"


def _parent(row: Link) -> str:
    return repr(shown(row.parent)) if row.parent else "none"


def _refuse_circles(rows: Sequence[Link], where: Mapping[str, Link], title: str) -> None:
    """Raise DataError where the way up from a node leads back to it; every parent has a row."""
    settled: set[str] = set()
    for row in rows:
        way: dict[str, None] = {}
        node = row.label
        while node and node not in settled:
            if node in way:
                circle = [*list(way)[list(way).index(node) :], node]
                shown_way = " → ".join(shown(one) for one in circle[:8])
                raise DataError(
                    f"{title}, {where[node].where}: the parents form a circle: {shown_way}. Each way up has to end at "
                    "the one row whose parent is empty"
                )
            way[node] = None
            node = where[node].parent
        settled |= way.keys()


def fitted(taxonomy: Taxonomy, classes: Sequence[str], title: str) -> Taxonomy:
    """Return a tree whose classes are those of the photos. Raise DataError where they are not.

    >>> fitted(Taxonomy({"owls": "", "barn owl": "owls", "wren": ""}), ["barn owl", "wren"], "t.csv").num_levels
    2
    """
    where = taxonomy.where
    nodes = {*taxonomy.parents, *([taxonomy.root] if taxonomy.root else [])}
    for label in classes:
        if unicodedata.normalize("NFC", label) not in nodes:
            lacking = sum(unicodedata.normalize("NFC", one) not in nodes for one in classes) - 1
            more = f", nor for {lacking:,} more" if lacking else ""
            raise DataError(
                f"{title} has no row for {shown(label)!r}, a class of the photos{more}."
                f"{_meant(label, nodes, where)} Add a "
                "row with its parent"
            )
        if below := taxonomy.children.get(label):
            child = below[0]
            raise DataError(
                f"{title}, {where.get(child, '')}: {shown(label)!r} is the parent of {shown(child)!r} and a class of "
                "the photos, so an answer could mean either. Give the class another name, such as "
                f"'{shown(label)} (other)', or its photos other classes"
            )
    known = set(classes)
    for label in taxonomy.classes:
        if label not in known:
            raise DataError(
                f"{title}, {where.get(label, '')}: {shown(label)!r} is no class of the photos, and the parent of "
                f"nothing.{_meant(label, known)} Remove the row, or write it as the photos' class is written"
            )
    return taxonomy


def _meant(label: str, known: Iterable[str], where: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return a sentence on the name that was meant, where one is likely, and where it stands."""
    alike = [one for one in known if class_key(one) == class_key(label)]
    if alike:
        place = f" ({where[alike[0]]})" if alike[0] in where else ""
        return f" {shown(alike[0])!r}{place} differs by case or blanks alone."
    return did_you_mean(label, known)
