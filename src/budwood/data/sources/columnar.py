"""Tables in columns, with pictures inside or named: what Parquet files and the Arrow files of data sets have in common.

Needs pyarrow.
"""

import importlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from budwood.config.data import Data
from budwood.core.errors import DataError
from budwood.data.manifest import Manifest
from budwood.data.sources.columns import choose_columns
from budwood.data.sources.delimited import finder_of
from budwood.data.sources.find import Finder
from budwood.data.sources.label_values import LabelForm
from budwood.data.sources.table import Row, Table, read_table, split_names, split_words
from budwood.data.sources.tree import DiskTree, Tree

_SPLIT = "split"


@dataclass(frozen=True)
class Shard:
    """One file of a table in columns."""

    path: str
    split: str | None
    """What its name, or that of its folder, begins with."""


def manifest_of(
    title: str,
    kind: str,
    shards: Sequence[Shard],
    schema: Any,
    rows_of: Callable[[Shard, str | None, Sequence[str]], Iterator[tuple[dict, Any]]],
    settings: Data,
    features: Mapping[str, Any],
    beside: tuple[Tree, str] | None = None,
) -> Manifest:
    header = list(schema.names)
    if len(set(header)) < len(header):
        raise DataError(f"{title} has two columns of one name. Give each column a name of its own")
    inside = [name for name in header if holds_pictures(schema.field(name).type)]
    asked: dict[Any, str] = dict(settings.columns)
    if "path" not in asked and len(inside) == 1:
        asked["path"] = inside[0]
    columns = choose_columns(header, asked, title, label_columns=settings.label_columns)
    _refuse_wrong_types(schema, columns.chosen, inside, title)
    picture = columns.chosen["path"] if columns.chosen["path"] in inside else None
    taken = [
        name for name in header if name in columns.chosen.values() or _can_be_kept(schema.field(name).type)
    ]
    known = split_words((shard.split for shard in shards if shard.split), split_names(settings.split_folders))
    splits = bool(known) and "split" not in columns.chosen
    if splits:
        chosen = {**columns.chosen, "split": _SPLIT}
        columns = replace(columns, chosen=chosen)
    tree, base = beside or (DiskTree(os.path.dirname(os.path.abspath(shards[0].path))), "")
    finder = finder_of(tree, base, title, settings)

    top = os.path.commonpath([os.path.dirname(os.path.abspath(shard.path)) for shard in shards])

    def rows() -> Iterator[Row]:
        for shard in shards:
            part = os.path.relpath(shard.path, top).replace(os.sep, "/")
            where = f"{part}, row" if len(shards) > 1 else "row"
            for number, (values, content) in enumerate(rows_of(shard, picture, taken), 1):
                if splits:
                    values = {**values, _SPLIT: shard.split}
                name = f"{os.path.splitext(part)[0]}/{number:06d}"
                yield _row(f"{where} {number}", values, content, picture, name, finder, title)

    label = columns.get("label")
    return read_table(
        Table(
            title,
            kind,
            replace(columns, others=tuple(name for name in columns.others if name in taken)),
            rows(),
            finder,
            class_names=_class_names(features.get(label), schema.field(label).type) if label else None,
            form=LabelForm.of(settings),
            split_names=split_names(settings.split_folders),
        )
    )


def _row(
    where: str, values: dict, content: Any, picture: str | None, name: str, finder: Finder, title: str
) -> Row:
    if picture is None:
        return Row(where, values)
    if isinstance(content, str):
        found = finder.find(content, where)
        return Row(where, values, found.image, found.name)
    if content is None:
        raise DataError(f"{title}, {where}: it has no picture ({picture!r} is empty). Remove the row")
    return Row(where, values, content, name)


def features_of(schema: Any) -> dict[str, Any]:
    """Return what Hugging Face writes of each column beside the table."""
    try:
        metadata = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = metadata["info"]["features"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return features if isinstance(features, dict) else {}


def _class_names(feature: Any, kind: Any) -> list[str] | None:
    names = feature.get("names") if isinstance(feature, dict) else None
    import pyarrow as pa

    if not pa.types.is_integer(kind) or not isinstance(names, list):
        return None
    return names if all(isinstance(name, str) for name in names) else None


def refuse_other_schema(schema: Any, other: Any, one: str, path: str) -> None:
    if schema.names != other.names or schema.types != other.types:
        raise DataError(
            f"{os.path.basename(path)} has other columns than {os.path.basename(one)}: {', '.join(other.names)[:200]}. "
            "Parts of one table have the same columns"
        )


def _refuse_wrong_types(schema: Any, chosen: Mapping[str, str], inside: Sequence[str], title: str) -> None:
    import pyarrow as pa

    path = schema.field(chosen["path"]).type
    if chosen["path"] not in inside and not is_text(path):
        raise DataError(
            f"{title}: the column {chosen['path']!r} is of type {path}. Expected paths as text, or pictures as bytes"
        )
    if "label" not in chosen:
        # Columns of 0 and 1 a label: their values are looked at.
        return
    label = schema.field(chosen["label"]).type
    several = (pa.types.is_list(label) or pa.types.is_large_list(label)) and is_text(label.value_type)
    if not (is_text(label) or pa.types.is_integer(label) or several):
        raise DataError(
            f"{title}: the column {chosen['label']!r} is of type {label}. Expected class names, or their numbers; "
            "lists of names where a photo has several labels"
        )


def is_text(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_struct(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_struct(kind))


def holds_pictures(kind: Any) -> bool:
    import pyarrow as pa

    if is_struct(kind):
        names = [kind.field(index).name for index in range(kind.num_fields)]
        return "bytes" in names and holds_pictures(kind.field("bytes").type)
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
        or pa.types.is_binary_view(kind)
    )


def _can_be_kept(kind: Any) -> bool:
    """Return whether a column goes into the metadata: a single value that can be written."""
    import pyarrow as pa

    return not (pa.types.is_nested(kind) or holds_pictures(kind))


def need_pyarrow(title: str, module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DataError(
            f"{title} needs pyarrow, which is not installed: pip install 'budwood[parquet]'"
        ) from error


@contextmanager
def readable(path: str) -> Iterator[None]:
    """Turn what pyarrow raises of a damaged file into a DataError that names it."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, OverflowError, ValueError, MemoryError) as error:
        words = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise DataError(
            f"{path} is damaged, or not what its ending says ({words}). Make it, or copy it, again"
        ) from error
