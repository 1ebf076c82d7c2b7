"""What each kind of finding is called, what follows from it, and what can be done."""

from dataclasses import dataclass, replace

from budwood.core.text import count


@dataclass(frozen=True)
class KindWords:
    """The name of a kind of finding, and the sentences that explain it on the page."""

    title: str
    """As a heading."""
    one: str
    """With a number before it."""
    many: str
    what: str
    """A sentence or two: what it is, and what follows."""
    fix: str
    """A sentence that says how a user mends it."""


_DECIDE = "Decide in decisions.csv"
WORDS: dict[str, KindWords] = {
    "conflict": KindWords(
        "One picture under several labels",
        "picture under several labels",
        "pictures under several labels",
        "The same picture stands under more than one label, so at least one of them is wrong. Of equal pictures a "
        "training leaves all out.",
        f"{_DECIDE}: relabel or drop one, or keep the one that is right.",
    ),
    "label_conflict": KindWords(
        "One picture with several sets of labels",
        "picture with several sets of labels",
        "pictures with several sets of labels",
        "The same picture is said to have a label and not to have it, so one of the two is wrong. An unknown label "
        "contradicts nothing. Of equal pictures a training leaves all out.",
        f"{_DECIDE}: relabel or drop one, or keep the one that is right.",
    ),
    "cross_split": KindWords(
        "One picture in several splits",
        "picture in several splits",
        "pictures in several splits",
        "What is learned from is measured on, so the accuracy says too much. Of equal pictures a training leaves out "
        "the copies of the split that comes earlier.",
        f"{_DECIDE}: drop one, or say that they are different. To divide anew: budwood manifest DATA --group "
        "near-duplicates -o photos.csv writes which photos belong together; take its column split out.",
    ),
    "split_group": KindWords(
        "One group in several splits",
        "group in several splits",
        "groups in several splits",
        "Photos that belong together are learned from and measured on, so the accuracy says too much.",
        "Put each group into one split, or give the data without splits.",
    ),
    "unreadable": KindWords(
        "Files that cannot be read",
        "file that cannot be read",
        "files that cannot be read",
        "They cannot be decoded, and a training leaves them out.",
        "Fix or replace the files, or decide in decisions.csv: drop, or keep to hear no more of it.",
    ),
    "wrong_label": KindWords(
        "Likely wrong labels",
        "likely wrong label",
        "likely wrong labels",
        "These photos look like another class, by a head that did not learn from them. That is a suspicion: hard "
        "photos are listed too.",
        "Look at each, and decide in decisions.csv: relabel, drop or keep. None is changed without a decision.",
    ),
    "missing_label": KindWords(
        "Labels that may be missing",
        "label that may be missing",
        "labels that may be missing",
        "These photos look as if they had the label, by a head that did not learn from them: beside it stands how "
        "probable it is. That is a suspicion: hard photos are listed too.",
        "Look at each, and decide in decisions.csv: add, keep, unknown or drop. None is changed without a decision.",
    ),
    "extra_label": KindWords(
        "Labels that may be too much",
        "label that may be too much",
        "labels that may be too much",
        "These photos look as if they did not have the label, by a head that did not learn from them: beside it stands "
        "how probable it is. That is a suspicion: hard photos are listed too.",
        "Look at each, and decide in decisions.csv: remove, keep, unknown or drop. None is changed without a decision.",
    ),
    "outlier": KindWords(
        "Photos unlike all others",
        "photo unlike all others",
        "photos unlike all others",
        "Nothing in the data looks like them: a photo of something else, a drawing, a screenshot, or just a rare view. "
        "Where all photos belong, 1 in 1,000 to 3 in 100 are listed too, and never more than 3 in 100.",
        f"{_DECIDE}: drop or keep.",
    ),
    "group_hint": KindWords(
        "Photos that may belong together",
        "hint at photos that belong together",
        "hints at photos that belong together",
        "Divided photo by photo, a test photo has near twins in training, and the accuracy says too much.",
        "Train with the option that keeps them together, or with --group none if they are independent.",
    ),
    "few_photos": KindWords(
        "Classes with few photos",
        "split in which classes have few photos",
        "splits in which classes have few photos",
        "The figures of such a class say next to nothing.",
        "Add photos, or leave such classes out with --min-photos.",
    ),
    "duplicate": KindWords(
        "Copies under one label",
        "picture that is there more than once",
        "pictures that are there more than once",
        "A training keeps them together in one split; they count for more than other photos do.",
        "--fix leaves out what is equal, but for one. Of those that are only alike decide: same, different or drop.",
    ),
    "alike_classes": KindWords(
        "Classes that look alike",
        "pair of classes that look alike",
        "pairs of classes that look alike",
        "They are often taken for one another by a head that did not learn from the photo.",
        "Look at the examples: the classes may overlap, or their photos be mixed up.",
    ),
    "alike_labels": KindWords(
        "Labels that look alike",
        "pair of labels that look alike",
        "pairs of labels that look alike",
        "Of photos with one of the two alone, some are said to have the other in its place, by a head that did not "
        "learn from the photo.",
        "Look at the examples: the labels may overlap, or often both be right.",
    ),
    "labels_together": KindWords(
        "Labels that hardly stand alone",
        "label that hardly stands alone",
        "labels that hardly stand alone",
        "Hardly any photo has the label without the other one, so a model can learn the one by the other.",
        "Add photos of each without the other, or take the two for one.",
    ),
    "unknown_label": KindWords(
        "Unknown labels that are probably there",
        "unknown label that is probably there",
        "unknown labels that are probably there",
        "Nobody has said whether these photos have the label, and they look as if they had: beside it stands how "
        "probable it is.",
        f"{_DECIDE}: add, remove, or keep for unknown.",
    ),
    "blank": KindWords(
        "Blank pictures",
        "blank picture",
        "blank pictures",
        "Of one colour, or nearly.",
        f"{_DECIDE}: drop or keep.",
    ),
    "dark": KindWords(
        "Dark pictures",
        "dark picture",
        "dark pictures",
        "So dark that little is to be seen.",
        f"{_DECIDE}: drop or keep.",
    ),
    "overexposed": KindWords(
        "Overexposed pictures",
        "overexposed picture",
        "overexposed pictures",
        "So bright that little is to be seen.",
        f"{_DECIDE}: drop or keep.",
    ),
    "blurred": KindWords(
        "Blurred pictures",
        "blurred picture",
        "blurred pictures",
        "Without a sharp edge.",
        f"{_DECIDE}: drop or keep.",
    ),
    "tiny": KindWords(
        "Tiny pictures",
        "tiny picture",
        "tiny pictures",
        "A side of so few pixels that little is to be seen.",
        f"{_DECIDE}: drop or keep.",
    ),
    "imbalance": KindWords(
        "Classes of unequal size",
        "imbalance of the classes",
        "imbalances of the classes",
        "Always answering the largest class would be right so often: read the accuracy beside it.",
        "Weigh the classes: --set loss.class_weights=balanced, or add photos of the small ones.",
    ),
    "label_imbalance": KindWords(
        "Labels of unequal number",
        "imbalance of the labels",
        "imbalances of the labels",
        "A rare label weighs little in what is learned.",
        "Weigh the labels: --set loss.class_weights=balanced, or add photos of the rare ones.",
    ),
    "not_read": KindWords(
        "Files that were not read",
        "kind of files that were not read",
        "kinds of files that were not read",
        "They lie in the data, and were taken for no photos.",
        "Convert what is meant to be read.",
    ),
    "other": KindWords(
        "What else the check found",
        "more problem",
        "more problems",
        "As budwood check names it.",
        "Each says what can be done.",
    ),
}
"""By kind, in the order in which they are shown within a severity."""
_OF_LABELS = {
    "few_photos": KindWords(
        "Labels with few photos",
        "split in which labels have few photos",
        "splits in which labels have few photos",
        "The figures of such a label say next to nothing.",
        "Add photos, or leave such labels out with --min-photos.",
    ),
    "duplicate": replace(
        WORDS["duplicate"],
        title="Copies with the same labels",
    ),
}
"""Those that say something else of photos with several labels."""
_AGREE = {"error": ("error", "errors"), "warning": ("warning", "warnings"), "note": ("note", "notes")}


def words_of(kind: str, several: bool) -> KindWords:
    """Return how a kind of finding is called, of photos with several labels or of one class each."""
    return _OF_LABELS.get(kind, WORDS[kind]) if several else WORDS[kind]


def severity_words(severity: str, number: int) -> str:
    """Return a number of findings of a severity.

    >>> severity_words("warning", 1)
    '1 warning'
    """
    return count(number, *_AGREE[severity])


def counted(kind: str, number: int, several: bool = False) -> str:
    """Return a number of findings of a kind.

    >>> counted("blank", 2), counted("few_photos", 1, several=True)
    ('2 blank pictures', '1 split in which labels have few photos')
    """
    words = words_of(kind, several)
    return count(number, words.one, words.many)
