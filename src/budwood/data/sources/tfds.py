"""A data set of TensorFlow Datasets (TFDS) by name: `tfds:stanford_dogs`, `tfds:cifar10:3.0.2`, `tfds:NAME/CONFIG`.

Its pictures are unpacked into the cache once, encoded as they are, so that neither their number nor TFDS's way of
storing them matters afterwards.
"""

import hashlib
import io
import json
import logging
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from budwood.core.cache import DATA, cache_dir
from budwood.core.errors import DataError, did_you_mean
from budwood.core.files import read_json, write_text
from budwood.core.locks import FileLock
from budwood.core.progress.base import SILENT, Progress
from budwood.data.image_ref import ImageFile
from budwood.data.manifest import Manifest, Photo, Problem
from budwood.data.sources.names import SPLIT_NAMES

_DATASET = re.compile(r"(\w+)(/[^:/]+)?(:\d+\.\d+\.\d+)?")
_FORM = (
    "Expected `tfds:cifar10`, with a version `tfds:cifar10:3.0.2`, with a configuration `tfds:NAME/CONFIG`"
)
_WORDNET_ID = re.compile(r"n\d{8}-")
_ENDINGS = {b"\xff\xd8": ".jpg", b"\x89P": ".png", b"GI": ".gif", b"BM": ".bmp"}
_INDEX = "index.json"


def read_tfds(
    dataset: str, data_dir: str | os.PathLike | None = None, *, progress: Progress = SILENT
) -> Manifest:
    """Return the manifest of a TFDS data set, which TFDS downloads and prepares where that has not been done.

    Splits and the order of the classes are its own; class names lose a WordNet number in front
    ("n02085620-chihuahua" becomes "chihuahua").

    Args:
        dataset: "stanford_dogs"; with a version "cifar10:3.0.2"; with a configuration "NAME/CONFIG".
        data_dir: folder of prepared data sets; by default `TFDS_DATA_DIR`, else `~/tensorflow_datasets`.
        progress: what to tell meanwhile.

    Raises:
        DataError: TFDS is not installed, does not know the data set or cannot get it; or it is no set of pictures
            with one class each; or the cache cannot be written.

    >>> read_tfds("cifar10").classes[:3]                                  # doctest: +SKIP
    ('airplane', 'automobile', 'bird')
    """
    if not _DATASET.fullmatch(dataset):
        raise DataError(f"`tfds:{dataset}` is not the name of a data set. {_FORM}")
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise DataError(
            f"`tfds:{dataset}` needs TensorFlow Datasets, which is not installed: pip install 'budwood[tfds]'"
        ) from error
    folder = Path(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()
    with _kept_quiet(tfds, progress):
        builder = _prepared(tfds, dataset, folder, progress)
        place = _unpacked(tfds, builder, progress)
    index = read_json(place / _INDEX)
    classes = tuple(index["classes"])
    photos = [
        Photo(image=ImageFile(place / name), name=name, label=classes[number], split=split)
        for name, number, split in index["photos"]
    ]
    return Manifest(tuple(photos), classes, tuple(Problem(*problem) for problem in index["problems"]))


def display_names(names: Sequence[str]) -> list[str]:
    """Return class names without their WordNet numbers, unless two would then be the same.

    >>> display_names(["n02085620-chihuahua", "n02098105-soft-coated_wheaten_terrier"])
    ['chihuahua', 'soft-coated_wheaten_terrier']
    """
    short = [name[match.end() :] if (match := _WORDNET_ID.match(name)) else name for name in names]
    return short if len(set(short)) == len(short) else list(names)


@contextmanager
def _kept_quiet(tfds: Any, progress: Progress) -> Iterator[None]:
    """Keep TFDS off standard output, which belongs to the command's result; its own bars follow `--quiet`."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    tfds.display_progress_bar(progress is not SILENT)
    try:
        with redirect_stdout(sys.stderr if progress is not SILENT else io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
        tfds.display_progress_bar(True)


def _prepared(tfds: Any, dataset: str, folder: Path, progress: Progress) -> Any:
    """Return the builder of the data set, with its files in `folder`."""
    try:
        builder = tfds.builder(dataset, data_dir=folder)
    except Exception as error:  # TFDS raises ValueError, AssertionError and more for names and versions
        name = dataset.partition("/")[0].partition(":")[0]
        known = tfds.list_builders(with_community_datasets=False)
        hint = "" if name in known else did_you_mean(name, known)
        raise DataError(
            f"TensorFlow Datasets cannot give `{dataset}` ({_first_line(error)}).{hint} Looked in {folder} too; "
            "TFDS_DATA_DIR names another folder"
        ) from error
    if builder.is_prepared():
        return builder
    progress.say(
        f"{builder.info.full_name} is not in {folder} yet; TensorFlow Datasets downloads and prepares it "
        "(without a network it gives up after a few minutes)"
    )
    try:
        builder.download_and_prepare()
    except Exception as error:  # what each data set's own script may raise has no end
        raise DataError(
            f"TensorFlow Datasets could not prepare {builder.info.full_name} in {folder} ({_first_line(error)}). "
            "Prepare it elsewhere and name its folder with TFDS_DATA_DIR"
        ) from error
    return builder


def _unpacked(tfds: Any, builder: Any, progress: Progress) -> Path:
    """Return the folder in the cache that holds the pictures and, written last, their index."""
    files = [(file.name, file.stat()) for file in Path(os.fspath(builder.data_path)).iterdir()]
    stamp = repr(sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in files))
    identity = f"{builder.info.full_name.replace('/', '-')}-{hashlib.sha256(stamp.encode()).hexdigest()[:12]}"
    place = cache_dir().absolute() / DATA / identity
    try:
        place.parent.mkdir(exist_ok=True)
        with FileLock(place.with_name(f"{place.name}.lock")):
            if not (place / _INDEX).is_file():
                shutil.rmtree(place, ignore_errors=True)
                _unpack(tfds, builder, place, progress)
    except OSError as error:
        shutil.rmtree(place, ignore_errors=True)
        raise DataError(
            f"cannot unpack {builder.info.full_name} into the cache {place} ({error.strerror or error}). "
            "Make room, or set BUDWOOD_CACHE to another folder"
        ) from error
    return place


def _unpack(tfds: Any, builder: Any, place: Path, progress: Progress) -> None:
    info = builder.info
    image, label = _keys(tfds, info)
    classes = display_names(info.features[label].names)
    splits = _given_splits(info)
    aside = "ignored: a split beside train, validation and test"
    problems = [(split, "ignored", aside) for split in info.splits if split not in splits]
    photos = []
    for split, given in splits.items():
        folders = [place / split / _folder_name(name) for name in classes]
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        unlabelled = 0
        with progress.stage(f"unpack {split}", info.splits[split].num_examples, "pictures") as stage:
            for number, (of_class, content) in enumerate(_examples(tfds, builder, split, image, label)):
                if of_class < 0:  # -1 is TFDS's way to say that nobody knows
                    unlabelled += 1
                else:
                    file = folders[of_class] / f"{number:06d}{_ENDINGS.get(content[:2], '.img')}"
                    file.write_bytes(content)
                    photos.append((file.relative_to(place).as_posix(), of_class, given))
                stage.advance()
        if unlabelled:
            problems.append((split, "ignored", f"ignored: {unlabelled:,} pictures without a class"))
    index = {"classes": classes, "photos": photos, "problems": problems}
    write_text(place / _INDEX, json.dumps(index, ensure_ascii=False))


def _examples(tfds: Any, builder: Any, split: str, image: str, label: str) -> Iterator[tuple[int, bytes]]:
    """Return class and encoded picture of every example, always in the same order."""
    import tensorflow as tf

    decoders = tfds.decode.PartialDecoding(
        {image: True, label: True}, decoders={image: tfds.decode.SkipDecoding()}
    )
    config = tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False)
    try:
        examples = builder.as_dataset(split=split, decoders=decoders, read_config=config, shuffle_files=False)
        for example in tfds.as_numpy(examples):
            yield int(example[label]), example[image]
    except tf.errors.OpError as error:
        raise DataError(
            f"the files of {builder.info.full_name} in {builder.data_path} are damaged ({_first_line(error)}). "
            "Remove the folder, and TensorFlow Datasets prepares it again"
        ) from error


def _keys(tfds: Any, info: Any) -> tuple[str, str]:
    """Return the names of the picture and of its class among the features."""
    features = dict(info.features.items())
    pictures = [name for name, feature in features.items() if isinstance(feature, tfds.features.Image)]
    labels = [name for name, feature in features.items() if isinstance(feature, tfds.features.ClassLabel)]
    if info.supervised_keys and len(info.supervised_keys) == 2:
        image, label = info.supervised_keys
        if image in pictures and label in labels:
            return image, label
    if len(pictures) == len(labels) == 1:
        return pictures[0], labels[0]
    raise DataError(
        f"{info.full_name} is no set of pictures with one class each: its features are {', '.join(features)}. "
        "Expected one picture and one class label"
    )


def _given_splits(info: Any) -> dict[str, str | None]:
    """Split of TFDS to ours; None for the one that holds everything."""
    names = list(info.splits)
    known = {name: SPLIT_NAMES[name.lower()] for name in names if name.lower() in SPLIT_NAMES}
    if len(set(known.values())) > 1 and "train" in known.values():
        return dict(known)
    everything = [name for name, split in known.items() if split == "train"] or names
    if len(everything) == 1:
        return {everything[0]: None}
    raise DataError(f"{info.full_name} has the splits {', '.join(names)} but no `train` to learn from")


def _folder_name(label: str) -> str:
    """Return the class name as a folder that every system takes; two classes may share one, photos are
    numbered."""
    return re.sub(r"[^\w ()+,.-]", "_", label).strip(" .") or "_"


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
