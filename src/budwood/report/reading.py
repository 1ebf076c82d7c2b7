"""What was understood of a source, in words: printed before a training computes anything, and part of its report."""

import unicodedata
from collections.abc import Iterable, Sequence

from budwood.core.text import count, listing, shorten, shown
from budwood.data.images import lacking
from budwood.data.manifest import PassedOver, Reading
from budwood.data.understood import Understood

AT_MOST = 20
"""Classes that are listed one by one."""
_LISTED = 8
_LAYOUTS = {
    "classes": "a folder for each class",
    "splits": "a folder for each split",
    "nested": "folders of classes below others",
    "flat": "the class in the name of each file",
    "tree": "a tree of folders, the innermost ones the classes",
}
_PHONES = (".heic", ".heif", ".hif", ".avif")
_RAW = (
    ".cr2",
    ".cr3",
    ".crw",
    ".nef",
    ".nrw",
    ".arw",
    ".srf",
    ".sr2",
    ".dng",
    ".orf",
    ".rw2",
    ".raf",
    ".pef",
    ".srw",
)
_VIDEOS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".3gp", ".mts")
_ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".7z", ".rar")
_ADVICE = {
    **dict.fromkeys(_RAW, "a camera's raw format; convert them to JPEG"),
    **dict.fromkeys(_VIDEOS, "videos; take frames out of them"),
    **dict.fromkeys(_ARCHIVES, "archives; unpack them, or give one in place of the folder"),
    **dict.fromkeys((".dcm", ".dicom"), "DICOM; convert them to PNG or TIFF"),
    **dict.fromkeys(
        (".psd", ".xcf", ".svg", ".pdf", ".eps", ".ai", ".fits", ".nii"), "convert them to PNG or TIFF"
    ),
    "": "what they hold is no picture that can be read",
}
"""By the ending of files that may well be photos, how to have them read."""
_KINDS = {
    "partial": ("unfinished download", "not to be read; fetch {them} again"),
    "broken_link": ("link", "to something that does not exist"),
    "link_loop": ("link", "that leads back to itself"),
    "unreadable": ("entry", "that cannot be looked at"),
    "other": ("entry", "neither a file nor a folder"),
    "beside": ("photo", "not in the folder of a class"),
    "unlabelled": ("photo", "nothing says what is to be seen"),
    "annotations": ("picture", "drawn on the photos beside"),
    "copy": ("photo", "the same as those beside"),
    "preview": ("picture", "small copies of the photos beside"),
    "no_label": ("photo", "the file's name does not begin with a class and a number"),
}


def understood_as_lines(found: Understood) -> list[str]:
    """Return what was understood: how it was read, the classes with their photos, and what was not read."""
    return [*reading_as_lines(found), *_table(found), *passed_over_as_lines(found.passed_over)]


def reading_as_lines(found: Understood) -> list[str]:
    """Return how a source was read, and what follows for its classes, splits and groups."""
    reading = found.reading
    lines = [f"read as {_layout(reading)}"] if reading.layout else []
    if found.multi_label:
        lines += _several(found)
    for label, others in reading.joined.items():
        lines.append(_joined(label, others))
    for label in reading.doubtful:
        lines.append(f"{_quoted(label)} is read as a class; if it is none, move it out of the folder")
    if reading.inner:
        several = len(reading.inner) > 1
        lines.append(
            f"{_some(reading.inner)} {'have the names' if several else 'has the name'} of another class, and "
            f"{'their' if several else 'its'} photos count as of the class in whose folder they lie"
        )
    for split, labels in found.lacking.items():
        lines.append(f"no photos in {split} of {_some(labels)}")
    if found.groups:
        lines.append(f"{count(found.groups, 'group')}, each of which stays in one split")
    return lines


def _several(found: Understood) -> list[str]:
    """Return what is said of photos with several labels, in a line each."""
    lines = ["several labels a photo: each is counted under every one of its labels"]
    if found.unlabelled:
        have, taken = ("has", "counts") if found.unlabelled == 1 else ("have", "count")
        lines.append(
            f"{count(found.unlabelled, 'photo')} {have} none of the labels, and {taken} as not having any"
        )
    if found.unknown:
        lines.append(
            f"of {count(found.unknown, 'photo')} some labels are unknown; these are left out of what is learned and "
            "measured"
        )
    return lines


def _layout(reading: Reading) -> str:
    if reading.layout == "splits" and not reading.splits:
        return f"what lies in {_some(reading.above)}, still to be divided" + (
            ", as asked" if reading.asked else ""
        )
    text = _LAYOUTS.get(reading.layout, reading.layout)
    if reading.splits:
        parts = [f"{split} {_some(names)}" for split, names in reading.splits.items()]
        text += f": {', '.join(parts)}"
    if reading.above:
        text += f"; in {_some(reading.above)}"
    if reading.columns:
        parts = [f"{role} from {_quoted(column)}" for role, column in reading.columns.items()]
        text += f": {', '.join(parts)}"
    if reading.label_columns:
        text += f", labels from the columns {_some(reading.label_columns, 8)}"
    return text + (", as asked" if reading.asked else "")


def _joined(label: str, others: Sequence[str]) -> str:
    forms = {unicodedata.normalize("NFC", other) for other in others}
    if forms == {label}:
        return f"{_quoted(label)} is written in two Unicode forms, and is one class"
    names = [_quoted(name) for name in sorted(forms | {label})]
    return f"{listing(names)} are one class, {_quoted(label)}: the names differ by case or blanks alone"


def _table(found: Understood) -> list[str]:
    """Return a row for each class, or of many classes the smallest and the largest."""
    splits = found.splits
    totals = {label: sum(counts.values()) for label, counts in found.classes.items()}
    num = sum(found.photos.values()) if found.multi_label else sum(totals.values())
    noun = ("label", "labels") if found.multi_label else ("class", "classes")
    if len(found.classes) > AT_MOST:
        few, many = min(totals, key=lambda one: totals[one]), max(totals, key=lambda one: totals[one])
        lines = [
            f"{count(len(totals), *noun)}, {count(num, 'photo')}: from {totals[few]:,} "
            f"({_quoted(few)}) to {totals[many]:,} ({_quoted(many)}) each"
        ]
        if splits != [""]:
            sums = {split: _photos(found, split) for split in splits}
            lines.append(", ".join(f"{split or 'without a split'} {n:,}" for split, n in sums.items()))
        return lines
    header = f"{noun[0]:<30}" + "".join(f"{split or 'photos':>12}" for split in splits)
    rows = [
        f"{shorten(shown(label), 29):<30}" + "".join(f"{counts.get(split, 0):>12,}" for split in splits)
        for label, counts in found.classes.items()
    ]
    every = [_photos(found, split) for split in splits]
    return [header, *rows, f"{'all':<30}" + "".join(f"{n:>12,}" for n in every)]


def _photos(found: Understood, split: str) -> int:
    if found.multi_label:
        return found.photos.get(split, 0)
    return sum(counts.get(split, 0) for counts in found.classes.values())


def passed_over_as_lines(passed_over: Sequence[PassedOver]) -> list[str]:
    """Return what was not read, by kind and place, what may be photos first."""
    telling = [one for one in passed_over if _is_telling(one)]
    lines = [_in_words(one) for one in telling[:_LISTED]]
    if len(telling) > _LISTED:
        rest = sum(one.count for one in telling[_LISTED:])
        lines.append(f"not read: {count(rest, 'more file')} of other kinds or in other places")
    if others := _others(one for one in passed_over if not _is_telling(one)):
        lines.append(f"passed over: {others}")
    return lines


def _is_telling(one: PassedOver) -> bool:
    """Return whether what was passed over may have been meant as photos."""
    return one.kind in _KINDS or (one.kind == "format" and one.ending in (*_ADVICE, *_PHONES))


def _in_words(one: PassedOver) -> str:
    place = "" if one.place == "." else f" in {_quoted(one.place)}"
    them = "it" if one.count == 1 else "them"
    if one.kind == "format":
        what = f"{one.ending} file" if one.ending else "file without an ending"
        what = count(one.count, what, f"{one.ending} files" if one.ending else "files without an ending")
        advice = _heif() if one.ending in _PHONES else _ADVICE[one.ending]
        return f"not read: {what}{place}, such as {_quoted(one.example)}: {advice}"
    noun, why = _KINDS[one.kind]
    what = count(one.count, noun, "entries" if noun == "entry" else "")
    return f"not read: {what}{place}, such as {_quoted(one.example)}: {why.format(them=them)}"


def _heif() -> str:
    if lacking("HEIC") is None:
        return "what they hold is no picture that can be read; convert them"
    return "install budwood[heif], or convert them"


def _others(rest: Iterable[PassedOver]) -> str:
    counts: dict[str, int] = {}
    for one in rest:
        kind = one.ending if one.kind == "format" else one.kind
        counts[kind] = counts.get(kind, 0) + one.count
    words = {
        "litter": ("hidden file or litter", "hidden files or litter"),
        "run": ("folder of runs of Budwood", "folders of runs of Budwood"),
    }
    parts = [
        count(n, *words.get(kind, (f"{kind} file", f"{kind} files")))
        for kind, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    return listing(
        parts[:_LISTED] + ([f"{count(len(parts) - _LISTED, 'more kind')}"] if len(parts) > _LISTED else [])
    )


def _some(names: Sequence[str], most: int = 4) -> str:
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(_quoted(name) for name in names[:most]) + more


def _quoted(name: str) -> str:
    return f"'{shorten(shown(name))}'"
