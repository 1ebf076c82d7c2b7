"""What the fields of a table say of each photo: its one class, or several labels in a field or in columns of 0 and 1.

Which of these it is, the data say where it is certain; where two readings are possible the error shows both, and
`data.task` chooses.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from budwood.config.data import Data
from budwood.core.errors import DataError
from budwood.core.label_text import UNKNOWN, as_text
from budwood.core.text import class_key, count, listing, shown
from budwood.data.label_sets import refuse_bad_names
from budwood.data.sources.labels import Labels

PLURAL = ("labels", "classes", "tags")
"""Names of a column that holds several labels; of another one it has to show."""
_NUMBERS = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}
_MOSTLY = 0.5
"""Share of a column's values that are 0 or 1, from which another value in it is a mistake."""
CHOOSE = "--set data.task=multi-label for several labels a photo, --set data.task=single-label for one class"


@dataclass(frozen=True)
class LabelForm:
    """How the recipe's [data] asks for labels to be read."""

    task: Literal["auto", "single-label", "multi-label"] = "auto"
    separator: str = ";"
    columns: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: Data) -> "LabelForm":
        """Return what the settings ask for."""
        return cls(settings.task, settings.label_separator, tuple(settings.label_columns))


AS_FOUND = LabelForm()


@dataclass(frozen=True)
class LabelOf:
    """What is known of one photo."""

    text: str
    """Its class, or its labels as one text."""
    labels: tuple[str, ...] | None = None
    """Its labels, where photos have several."""
    unknown: tuple[str, ...] = ()


def read_fields(
    title: str,
    values: Sequence[object],
    rows: Sequence[str],
    form: LabelForm,
    *,
    column: str = "label",
    names: Sequence[str] | None = None,
) -> list[LabelOf]:
    """Return what a field says of each photo.

    Args:
        title: what messages call the table.
        values: of the field, photo by photo: a class name or number, several in one text, or a list.
        rows: where each stands, for messages.
        form: how they are to be read.
        column: name of the field.
        names: of classes that are written as their numbers.

    Of several labels in a field, those after a "?" are unknown: nobody knows whether the photo has them.

    Raise DataError for what is no label, for labels that are the same but for spelling, or where the fields can be read
    in two ways.
    """
    labels = Labels(title, names)
    if not _several(title, values, rows, form, column):
        found = [LabelOf(labels.read(value, where)) for value, where in zip(values, rows, strict=True)]
        labels.judge(one_each=form.task != "single-label")
        return found
    found = []
    for value, where in zip(values, rows, strict=True):
        sets: tuple[set[str], set[str]] = set(), set()
        for part in _parts(value, form.separator):
            free = isinstance(part, str) and part.startswith(UNKNOWN) and part != UNKNOWN
            sets[free].add(labels.read(str(part)[1:] if free else part, where))
        _refuse_both(title, where, sets[0] & sets[1])
        own, unknown = (tuple(sorted(one)) for one in sets)
        found.append(LabelOf(as_text(own, unknown), own, unknown))
    labels.judge(one_each=False)
    refuse_bad_names(sorted({label for one in found for label in (one.labels or ()) + one.unknown}), title)
    return found


def read_indicators(
    title: str,
    values: Sequence[Mapping[str, object]],
    rows: Sequence[str],
    form: LabelForm,
    columns: Sequence[str],
) -> tuple[list[LabelOf], tuple[str, ...]] | None:
    """Return what columns of 0, 1 and nothing say of each photo, and which columns these are; None where there are
    none.

    Args:
        title: what messages call the table.
        values: by column, photo by photo.
        rows: where each stands, for messages.
        form: how they are to be read; without columns named there, those of such values are taken.
        columns: those that may be meant.

    Raise DataError for another value, for a column that is empty or 0 everywhere, and where the columns can be read in
    two ways.
    """
    named = bool(form.columns)
    said = {name: [_yes_or_no(row.get(name)) for row in values] for name in columns}
    taken = [name for name in columns if named or _may_be_label(said[name])]
    if len(taken) < 2 and not named:
        return None
    if not named:
        _refuse_empty(title, [name for name in columns if all(one is None for one in said[name])], taken)
    hint = "" if named else f". If it is no label, name those that are: --set '{_as_setting(taken)}'"
    for name in taken:
        _refuse_bad_column(title, name, said[name], values, rows, hint)
    _refuse_alike(title, taken)
    refuse_bad_names(taken, title)
    sets = [tuple(sorted(name for name in taken if said[name][at])) for at in range(len(values))]
    unknown = [tuple(sorted(name for name in taken if said[name][at] is None)) for at in range(len(values))]
    one_each = all(len(one) == 1 for one in sets) and not any(unknown)
    if form.task == "single-label":
        _refuse_not_one(title, sets, unknown, rows)
        return [LabelOf(one[0]) for one in sets], tuple(taken)
    if form.task == "auto" and one_each:
        raise DataError(
            f"{title} can be read in two ways: each photo has a 1 in exactly one of {count(len(taken), 'column')} "
            f"({_some(taken)}), as where each has one class, or where several labels happen to meet nowhere. Give "
            f"{CHOOSE}"
        )
    found = [LabelOf(as_text(one, free), one, free) for one, free in zip(sets, unknown, strict=True)]
    return found, tuple(taken)


def _several(title: str, values: Sequence[object], rows: Sequence[str], form: LabelForm, column: str) -> bool:
    """Return whether the fields hold several labels each. Raise DataError where that is not certain."""
    if form.task != "auto":
        return form.task == "multi-label"
    lists = [value for value in values if isinstance(value, list | tuple | set)]
    if any(isinstance(part, str) for value in lists for part in value):
        return True
    texts = {value: where for value, where in zip(values, rows, strict=True) if isinstance(value, str)}
    joined = [text for text in texts if form.separator in text]
    if not joined:
        return False
    if re.sub(r"[\s-]+", "_", column.strip().lower()) in PLURAL:
        return True
    seen: dict[str, set[str]] = {}
    for text in texts:
        for part in _parts(text, form.separator):
            seen.setdefault(str(part), set()).add(text)
    if all(len(seen[str(part)]) > 1 for text in joined for part in _parts(text, form.separator)):
        return True
    raise DataError(
        f"{title} can be read in two ways: {shown(joined[0][:60])!r} in {texts[joined[0]]} is several labels, between "
        f"them {form.separator!r}, or the name of one class. Give {CHOOSE}"
    )


def _parts(value: object, separator: str) -> list[object]:
    """Return the labels in a field, none where it is empty."""
    if value is None or value != value:
        return []
    if isinstance(value, list | tuple | set):
        return list(value)
    if not isinstance(value, str):
        return [value]
    return [part.strip() for part in value.split(separator) if part.strip()]


def _refuse_both(title: str, where: str, labels: set[str]) -> None:
    if labels:
        label = min(labels)
        raise DataError(
            f"{title}, {where}: it has the label {label!r}, and {UNKNOWN + label!r} says that this is unknown. Leave "
            "out one of the two"
        )


def _yes_or_no(value: object) -> bool | str | None:
    """Return what a field of 0 and 1 says: None where it is empty, its text where it is neither."""
    if value is None or value != value:
        return None
    text = str(value).strip().lower()
    return _NUMBERS.get(text, str(value)) if text else None


def _may_be_label(said: Sequence[bool | str | None]) -> bool:
    given = [one for one in said if one is not None]
    return bool(given) and sum(isinstance(one, bool) for one in given) > _MOSTLY * len(given)


def _refuse_bad_column(
    title: str,
    name: str,
    said: Sequence[bool | str | None],
    values: Sequence[Mapping[str, object]],
    rows: Sequence[str],
    hint: str,
) -> None:
    for at, one in enumerate(said):
        if isinstance(one, str):
            raise DataError(
                f"{title}, {rows[at]}: {name!r} is {shown(one[:60])!r}. Expected 1 where the photo has the label, 0 "
                f"where it has not, or nothing where that is unknown{hint}"
            )
    if all(one is None for one in said):
        raise DataError(
            f"{title}: the column {name!r} is empty, so nothing is known of that label. Leave it out{hint}"
        )
    if not any(said):
        raise DataError(
            f"{title}: the column {name!r} is 1 for no photo, so there is nothing to learn that label from. Leave it "
            f"out{hint}"
        )


def _refuse_empty(title: str, empty: Sequence[str], taken: Sequence[str]) -> None:
    """Raise DataError where a column beside those of 0 and 1 is empty: nobody can tell whether it is a label."""
    if empty:
        raise DataError(
            f"{title} can be read in two ways: the column {empty[0]!r} is empty in every row, as a label of which "
            f"nothing is known, or as what is no label beside {_some(taken)}. Leave the column out, fill it, or name "
            f"the labels: --set '{_as_setting(taken)}'"
        )


def _refuse_alike(title: str, names: Sequence[str]) -> None:
    """Raise DataError where two columns are one label but for spelling."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(class_key(name), name)
        if other != name:
            raise DataError(
                f"{title}: the columns {other!r} and {name!r} differ by case or blanks alone. Give them names that "
                "differ, or make one of them"
            )


def _as_setting(names: Sequence[str]) -> str:
    """Return the setting that names some label columns, as a shell takes it between single quotes."""
    return f"data.label_columns={json.dumps(list(names), ensure_ascii=False)}"


def _refuse_not_one(
    title: str, sets: Sequence[Sequence[str]], unknown: Sequence[Sequence[str]], rows: Sequence[str]
) -> None:
    for labels, free, where in zip(sets, unknown, rows, strict=True):
        if len(labels) != 1 or free:
            said = f"the labels {listing(list(labels))}" if labels else "no label"
            raise DataError(
                f'{title}, {where}: it has {said}, and data.task = "single-label" expects exactly one 1 in each row. '
                "Give --set data.task=multi-label"
            )


def _some(names: Sequence[str], most: int = 4) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(repr(name) for name in names[:most]) + more
