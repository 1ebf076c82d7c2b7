"""What names of folders and files say: splits, classes spelled in two ways, litter, labels in file names."""

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


SPLIT_NAMES = {
    "train": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
}
"""What other sources call a split, in lower case, and which one it is."""

SplitRole = Literal["train", "validation", "test", "held_out"]
"""A split that a folder's name says; "held_out" is either validation or test: the name does not say which."""

_ROLES: dict[str, SplitRole] = {
    **dict.fromkeys(("train", "training", "trainset", "trainingset", "traindata", "trainingdata"), "train"),
    **dict.fromkeys(("trainval", "trn"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "validate", "validating"), "validation"),
    **dict.fromkeys(("validationset", "validset", "valset", "validationdata", "valdata"), "validation"),
    **dict.fromkeys(("dev", "devset", "devel", "development"), "validation"),
    **dict.fromkeys(("test", "testing", "tests", "tst", "testset", "testingset", "testdata"), "test"),
    **dict.fromkeys(("testingdata", "holdout", "heldout", "holdoutset"), "test"),
    **dict.fromkeys(("eval", "evaluation", "evalset", "evaluationset", "evaluate"), "held_out"),
}
_NEUTRAL = _set(
    "set sets data dataset datasets image images img imgs photo photos picture pictures pic pics folder dir split "
    "splits seg the my new raw final jpg jpeg png files full"
)
"""Words that say nothing beside the name of a split."""
WRAPPERS = _set("images image imgs img jpegimages photos photo pictures pics jpg jpeg png rgb")
"""Names of folders that hold the pictures beside what was drawn on them."""
ANNOTATIONS = _set(
    "annotations annotation annots annot labels label masks mask segmentation segmentations segmentationclass "
    "segmentationobject groundtruth gt trimaps trimap xml xmls bboxes bbox boxes imagesets csv meta metadata"
)
"""Names of folders that hold what was drawn on the pictures that lie beside them."""
_MASKS = _set(
    "annotations masks mask segmentation segmentations segmentationclass segmentationobject groundtruth trimaps trimap"
)
_UNLABELLED = _set(
    "pred predict prediction predictions unlabeled unlabelled inference sample samples submission demo"
)
_PREVIEWS = _set("thumb thumbs thumbnail thumbnails preview previews small resized")
_NUMBERED = _set(
    "batch session series part folder dir day week month year visit case patient pat person subject subj sub id study "
    "scene video clip frame frames seq sequence cam camera shot set group p s c f v dcim canon nikon olymp msdcf "
    "apple images image img imgs photos pictures data raw jpg"
)
"""Words beside a number that make no class of a folder, such as batch 3 or patient_012."""
_CAMERAS = _set(
    "img image imgp dsc dscn dscf dscs pxl mvi mvimg gopr dji sam cimg imag photo pic picture screenshot screen shot "
    "whatsapp scan frame file page copy crop download unnamed untitled signal vid video snap wp pano burst gp "
    "p pa r s i n x thumb jpeg jpg png tmp new"
)
"""What a camera or program puts before a number."""

_NO_CLASSES = _set(
    "unsorted tosort unlabeled unlabelled newfolder untitledfolder thumbnails thumbnail thumbs trash deleted "
    "duplicates backup todo temp tmp"
)
"""Names of folders that are hardly meant as classes."""

_LITTER = frozenset(
    [
        *("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "picasa.ini", "icon\r"),
        *("zbthumbnail.info", "sync.ffs_db", "__macosx", "__pycache__", "lost+found", "found.000"),
        *("@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "@tmp", "@sharebin"),
        *(
            "$recycle.bin",
            "recycler",
            "recycled",
            "system volume information",
            "network trash folder",
            "_gsdata_",
        ),
        *("temporary items", "lightroom previews"),
    ]
)
_LITTER_ENDINGS = (".lrdata", ".lrcat", ".lrcat-data", ".lrprev", ".cocatalog", ".cosessiondb")
_LITTER_STARTS = (".", "synofile_thumb", "~$")
_WORDS = re.compile(r"[^\W\d_]+|\d+")
_LABELLED = re.compile(r"(?P<label>[^\W\d_](?:.*?[^\W\d_])?)(?:[\s._-]*\(?\d+\)?)+")
_DATE = re.compile(r"(19|20)\d\d([-_. ]?\d\d([-_. ]?\d\d)?)?")


def words_of(name: str) -> list[str]:
    """Return the words and numbers of a name, in small letters.

    >>> words_of("seg_train-2")
    ['seg', 'train', '2']
    """
    return _WORDS.findall(unicodedata.normalize("NFC", name).casefold())


def split_roles(names: Iterable[str]) -> dict[str, SplitRole]:
    """Return those of the names of neighbouring folders that name a split, each with its split.

    What all have in common beside may be anything, so that flowers_train and flowers_test are splits.

    >>> split_roles(["Training", "seg_test", "cats"])
    {'Training': 'train', 'seg_test': 'test'}
    """
    found: dict[str, SplitRole] = {}
    alike: dict[tuple[str, ...], dict[str, SplitRole]] = defaultdict(dict)
    for name in names:
        role, rest = _role(name)
        if role is None:
            continue
        if rest:
            alike[rest][name] = role
        else:
            found[name] = role
    for same in alike.values():
        if "train" in same.values() and len(set(same.values())) > 1:
            found |= same
    return found


def _role(name: str) -> tuple[SplitRole | None, tuple[str, ...]]:
    """Return the split that a name says, and what else it says."""
    words = [word for word in words_of(name) if not word.isdigit() and word not in _NEUTRAL]
    if (whole := "".join(words)) in _ROLES:
        return _ROLES[whole], ()
    roles = [word for word in words if word in _ROLES]
    if len(roles) != 1:
        return None, ()
    return _ROLES[roles[0]], tuple(word for word in words if word not in roles)


def settle_held_out(roles: Mapping[str, SplitRole]) -> dict[str, SplitRole]:
    """Return the roles, a folder that is either validation or test being the one that no other folder is.

    >>> settle_held_out({"train": "train", "dev": "validation", "eval": "held_out"})["eval"]
    'test'
    """
    there = set(roles.values())
    if "held_out" not in there or ("validation" in there) == ("test" in there):
        return dict(roles)
    settled: SplitRole = "test" if "validation" in there else "validation"
    return {name: settled if role == "held_out" else role for name, role in roles.items()}


def is_wrapper(name: str) -> bool:
    """Return whether a folder of that name holds pictures beside annotations."""
    return "".join(words_of(name)) in WRAPPERS


def is_of_annotations(name: str) -> bool:
    """Return whether a folder of that name holds what was drawn on pictures.

    >>> is_of_annotations("ground_truth"), is_of_annotations("with_mask")
    (True, False)
    """
    return "".join(words_of(name)) in ANNOTATIONS


def is_of_masks(name: str) -> bool:
    """Return whether a folder of that name holds pictures drawn on others, whatever these are called.

    >>> is_of_masks("Ground Truth"), is_of_masks("labels")
    (True, False)
    """
    return "".join(words_of(name)) in _MASKS


def is_of_unlabelled(name: str) -> bool:
    """Return whether a folder of that name holds photos that wait for a prediction.

    >>> is_of_unlabelled("seg_pred"), is_of_unlabelled("images to test")
    (True, True)
    """
    words = words_of(name)
    return bool(_UNLABELLED & set(words)) or "to test" in " ".join(words) or "to predict" in " ".join(words)


def is_hardly_a_class(name: str) -> bool:
    """Return whether a folder among those of classes may be something else.

    >>> is_hardly_a_class("Unsorted"), is_hardly_a_class("New Folder 2"), is_hardly_a_class("unknown")
    (True, True, False)
    """
    return "".join(word for word in words_of(name) if not word.isdigit()) in _NO_CLASSES


def is_of_previews(name: str) -> bool:
    """Return whether a folder of that name may hold small copies of the photos beside it."""
    return any(word in _PREVIEWS for word in words_of(name))


def is_litter(name: str) -> bool:
    """Return whether a file or folder is what operating systems, NAS and photo managers leave, or hidden.

    >>> [is_litter(name) for name in ("@eaDir", "Thumbs.db", ".picasa.ini", "trash")]
    [True, True, True, False]
    """
    low = name.casefold()
    return low in _LITTER or low.startswith(_LITTER_STARTS) or low.endswith(_LITTER_ENDINGS)


def is_numbered(name: str) -> bool:
    """Return whether a folder's name is a date, a number or the number of something, and so hardly a class.

    >>> [is_numbered(name) for name in ("2024-05-01", "patient_012", "100CANON", "persian")]
    [True, True, True, False]
    """
    return all(word.isdigit() or word in _NUMBERED for word in words_of(name))


def is_date(name: str) -> bool:
    """Return whether a folder is named after a year, a month or a day."""
    return _DATE.fullmatch(name.strip()) is not None


def label_in(file: str) -> str | None:
    """Return the class that stands before the number in a file's name, None where there is none.

    >>> [label_in(name) for name in ("a/cat.1.jpg", "saint_bernard_12.jpg", "dog (3).png", "IMG_0001.jpg", "7.jpg")]
    ['cat', 'saint_bernard', 'dog', None, None]
    """
    stem = os.path.splitext(file.rpartition("/")[2])[0]
    found = _LABELLED.fullmatch(stem)
    if found is None or all(word in _CAMERAS or word.isdigit() for word in words_of(found["label"])):
        return None
    return found["label"]


def are_labelled(files: Sequence[str]) -> bool:
    """Return whether every file's name says its class: two classes or more, each of two files or more."""
    counts = Counter(map(label_in, files))
    return None not in counts and len(counts) > 1 and min(counts.values()) > 1
