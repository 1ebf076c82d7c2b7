"""Numbers, names and lists as a person reads them."""

import math
import unicodedata
from collections.abc import Sequence

NO_BREAK = "\u00a0"
_BIDI = {chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F)}


def percent(share: float, digits: int = 1) -> str:
    """Return a share in [0, 1] as a percentage.

    >>> percent(0.918).replace("\\u00a0", " ")
    '91.8 %'
    """
    return "–" if not math.isfinite(share) else f"{100 * share:.{digits}f}{NO_BREAK}%"


def whole_percent(share: float) -> str:
    """Return a share as a percentage, without the decimal that is 0.

    >>> whole_percent(0.9).replace("\\u00a0", " "), whole_percent(0.912).replace("\\u00a0", " ")
    ('90 %', '91.2 %')
    """
    return percent(share, 0 if abs(100 * share - round(100 * share)) < 0.05 else 1)


def count(n: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun.

    >>> count(1, "photo"), count(3670, "photo"), count(2, "class", "classes")
    ('1 photo', '3,670 photos', '2 classes')
    """
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """Return seconds as a person says them.

    >>> duration(0.42), duration(41.3), duration(200.0), duration(7300.0)
    ('0.4 s', '41 s', '3 min 20 s', '2 h 1 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def strength(value: float) -> str:
    """Return an L2 strength, short.

    >>> strength(0.0031622776), strength(1e-05), strength(10.0)
    ('0.0032', '1e-05', '10')
    """
    return f"{value:.2g}"


def class_key(name: str) -> str:
    """Return what two spellings of one class have in common: all but Unicode form, case and blanks.

    >>> class_key("Golden  Retriever ") == class_key("golden retriever")
    True
    """
    folded = unicodedata.normalize("NFC", name).casefold()
    return " ".join(unicodedata.normalize("NFC", folded).split())


def listing(parts: Sequence[str]) -> str:
    """Several things in one sentence.

    >>> listing(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def sentences(*parts: str) -> str:
    """Return sentences one after another, without the empty ones."""
    return " ".join(filter(None, parts))


def as_sentence(note: str) -> str:
    """Return a note, which begins small and has no full stop, as a sentence.

    >>> as_sentence("the disk is full")
    'The disk is full.'
    """
    return note[:1].upper() + note[1:] + ("" if note.endswith(".") else ".")


def shown(text: object) -> str:
    """Text that can be shown on one line: control, direction and surrogate characters are spelled out.

    >>> shown("two\\nlines")
    'two\\\\nlines'
    """
    return "".join(
        char.encode("unicode_escape", "backslashreplace").decode("ascii")
        if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") or char in _BIDI
        else char
        for char in str(text)
    )


def shorten(text: str, length: int = 40) -> str:
    """Text of at most `length` characters, the middle left out.

    >>> shorten("a_class_name_without_end", 12)
    'a_clas…t_end'
    """
    if len(text) <= length:
        return text
    tail = (length - 1) // 2
    return f"{text[: length - 1 - tail]}…{text[len(text) - tail :]}"


def name(text: object, length: int = 40) -> str:
    """Return a class name or file name inside a sentence.

    >>> name("roses")
    '“roses”'
    """
    return f"“{shorten(shown(text), length)}”"
