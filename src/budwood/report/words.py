"""The report's figures as words."""

import math
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from budwood.evaluation.abstention import Answered
    from budwood.evaluation.out_of_distribution import Told

NO_BREAK = "\u00a0"
_SCORES = {
    "accuracy": "accuracy",
    "top5_accuracy": "top-5 accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "weighted_precision": "weighted precision",
    "weighted_recall": "weighted recall",
    "weighted_f1": "weighted F1",
    "ece": "calibration error",
    "loss": "loss",
}
_BIDI = {chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F)}


def percent(share: float, digits: int = 1) -> str:
    """A share in [0, 1] as a percentage.

    >>> percent(0.918).replace("\\u00a0", " ")
    '91.8 %'
    """
    return "–" if not math.isfinite(share) else f"{100 * share:.{digits}f}{NO_BREAK}%"


def whole_percent(share: float) -> str:
    """A share as a percentage, without the decimal that is 0.

    >>> whole_percent(0.9).replace("\\u00a0", " "), whole_percent(0.912).replace("\\u00a0", " ")
    ('90 %', '91.2 %')
    """
    return percent(share, 0 if abs(100 * share - round(100 * share)) < 0.05 else 1)


def count(n: int, noun: str, plural: str = "") -> str:
    """A number with its noun.

    >>> count(1, "photo"), count(3670, "photo"), count(2, "class", "classes")
    ('1 photo', '3,670 photos', '2 classes')
    """
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """Seconds as a person says them.

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
    """An L2 strength, short.

    >>> strength(0.0031622776), strength(1e-05), strength(10.0)
    ('0.0032', '1e-05', '10')
    """
    return f"{value:.2g}"


def listing(parts: Sequence[str]) -> str:
    """Several things in one sentence.

    >>> listing(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def sentences(*parts: str) -> str:
    """Sentences one after another, without the empty ones."""
    return " ".join(filter(None, parts))


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
    """A class name or file name inside a sentence.

    >>> name("roses")
    '“roses”'
    """
    return f"“{shorten(shown(text), length)}”"


def verdict(scores: dict, split: str) -> str:
    """The one sentence at the top of the report.

    >>> verdict({"n": 367, "accuracy": 0.918, "accuracy_ci95": [0.886, 0.942]}, "test").replace("\\u00a0", " ")
    'On 367 test photos never used for training, 91.8 % are classified correctly (95 % interval 88.6 % to 94.2 %).'
    """
    low, high = scores["accuracy_ci95"]
    n = scores["n"]
    where = f"On {count(n, 'photo' if split == 'all' else f'{split} photo')}"
    where += "" if split in ("train", "all") else " never used for training"
    return (
        f"{where}, {percent(scores['accuracy'])} {'is' if n == 1 else 'are'} classified correctly "
        f"(95{NO_BREAK}% interval {percent(low)} to {percent(high)})."
    )


def scores_as_text(scores: dict, split: str) -> str:
    """One split's part of `metrics.json` for a terminal: the verdict, the scores, a line for each class."""
    classes = [entry["class"] for entry in scores["per_class"]]
    lines = [verdict(scores, split), ""]
    for key, title in _SCORES.items():
        if scores.get(key) is not None:
            low, high = scores[f"{key}_ci95"]
            write = "{:.3f}".format if key == "loss" else percent
            lines.append(f"{title:<20}{write(scores[key]):>8}   {write(low)} to {write(high)}")
    lines += ["", f"{'class':<30}{'photos':>7}{'precision':>11}{'recall':>9}{'F1':>9}"]
    lines += [
        f"{shorten(shown(entry['class']), 29):<30}{entry['support']:>7,}{percent(entry['precision']):>11}"
        f"{percent(entry['recall']):>9}{percent(entry['f1']):>9}"
        for entry in scores["per_class"]
    ]
    pairs = confusions(scores["confusion"])[:3]
    lines += ["", "Most frequent mistakes:"] if pairs else []
    lines += [f"  {confusion_words(pair, classes)}" for pair in pairs]
    return "\n".join(lines).replace(NO_BREAK, " ")


def remarks(scores: dict, split: str, classes: Sequence[str]) -> list[str]:
    """What else a reader should know before trusting the figure, most important first.

    `scores` is one split's part of `metrics.json`; its `confusion` has one row for each true class.
    """
    lines = []
    if split == "validation":
        lines.append(
            "No test was asked for (--no-test). These are validation photos, which were also used for choices made "
            "during training, so the figure may be too high. Train without --no-test for one to rely on."
        )
    low, high = scores["accuracy_ci95"]
    if high - low > 0.1:
        lines.append(
            f"The interval is wide because {count(scores['n'], f'{split} photo')} "
            f"{'is' if scores['n'] == 1 else 'are'} few; more photos make it narrower."
        )
    support = [sum(row) for row in scores["confusion"]]
    most = max(range(len(classes)), key=support.__getitem__)
    guess = support[most] / max(sum(support), 1)
    lines.append(
        f"Always answering {name(classes[most])}, the most frequent class, would be right for {percent(guess)}."
        + (
            " The interval reaches down to that: it is not shown that the model does better."
            if low <= guess
            else ""
        )
    )
    pairs = confusions(scores["confusion"])
    if len(pairs) > 1 and pairs[0][2] == 1:
        lines.append(f"{len(pairs):,} photos are misclassified, no two of them in the same way.")
    elif pairs:
        lines.append(f"Most frequent mistake: {confusion_words(pairs[0], classes)}")
    else:
        lines.append(f"No {split} photo is misclassified.")
    return lines


def confusions(matrix: Sequence[Sequence[int]]) -> list[tuple[int, int, int, int]]:
    """The mistakes (true class, predicted class, times, photos of the true class), most frequent first."""
    found = [
        (true, predicted, times, sum(row))
        for true, row in enumerate(matrix)
        for predicted, times in enumerate(row)
        if times and true != predicted
    ]
    return sorted(found, key=lambda pair: (-pair[2], -pair[2] / pair[3], pair[0], pair[1]))


def confusion_words(pair: tuple[int, int, int, int], classes: Sequence[str]) -> str:
    """One kind of mistake as a sentence."""
    true, predicted, times, total = pair
    return (
        f"{name(classes[true])} taken for {name(classes[predicted])} "
        f"{'once' if times == 1 else f'{times:,} times'}, "
        f"{percent(times / total)} of its {count(total, 'photo')}."
    )


def strangers_as_text(told: "Mapping[str, Told]", recall: float, default: str) -> str:
    """How well pictures of none of the classes are told from photos of them, a line for each method.

    `default` is the one by which `budwood predict` goes.

    >>> from budwood.evaluation.out_of_distribution import Told
    >>> print(strangers_as_text({"knn": Told(0.998, 300, 400, 0.95, 0.02)}, 0.95, "knn"))
    300 known photos, 400 pictures of something else; at the distance that 95 % of the validation photos do not exceed:
      knn (predict) AUROC 0.998, 95.0 % of the known photos kept, 2.0 % of the others taken for one of the classes
    """
    first = next(iter(told.values()))
    lines = [
        f"{count(first.known, 'known photo')}, {count(first.strangers, 'picture')} of something else; at the distance "
        f"that {whole_percent(recall)} of the validation photos do not exceed:"
    ]
    for method, found in told.items():
        name_here = f"{method} (predict)" if method == default else method
        lines.append(
            f"  {name_here:<13} AUROC {found.auroc:.3f}, {percent(found.known_kept)} of the known photos kept, "
            f"{percent(found.strangers_kept)} of the others taken for one of the classes"
        )
    return "\n".join(lines).replace(NO_BREAK, " ")


def abstention_as_text(precision: float, threshold: float, splits: "Mapping[str, Answered]") -> str:
    """From which probability on a run answers, and what that does to photos that it did not learn from."""
    lines = [
        f"unsure below a probability of {percent(threshold)}, above which at least {whole_percent(precision)} were "
        "right on the validation photos"
    ]
    for split, found in splits.items():
        low, high = found.precision_interval
        lines.append(
            f"  {split}: {percent(found.precision)} of the answers right (95 % interval {percent(low)} to "
            f"{percent(high)}), {percent(found.coverage)} of {found.photos:,} photos answered"
            + (" (they chose the probability)" if split == "validation" else "")
        )
    return "\n".join(lines).replace(NO_BREAK, " ")
