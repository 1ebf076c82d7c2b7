"""Sample data sets: scikit-learn's digits, which need no network, and the flowers that tutorials use."""

import errno
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from lzma import LZMAError
from pathlib import Path

import numpy as np
from PIL import Image

from budwood.core.cache import cache_dir
from budwood.core.errors import DataError, did_you_mean
from budwood.core.progress.base import SILENT, Progress
from budwood.data.download import download, sha256_of

FLOWERS_URL = "https://storage.googleapis.com/download.tensorflow.org/example_images/flower_photos.tgz"
# As recorded by TensorFlow Datasets for tf_flowers; 228,813,984 bytes.
FLOWERS_SHA256 = "4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c"

_DIGIT_SIDE = 32


def write_sample(
    name: str, folder: str | os.PathLike, *, archive: Path | None = None, progress: Progress = SILENT
) -> None:
    """Write the sample "digits" or "flowers" into a folder; `archive` is for flowers. Raise DataError."""
    if name == "flowers":
        fetch_flowers(folder, archive, progress)
    elif name == "digits":
        write_digits(folder, progress)
    else:
        raise DataError(
            f"no sample `{name}`.{did_you_mean(name, ['digits', 'flowers'])} There are digits and flowers"
        )


def write_digits(folder: str | os.PathLike, progress: Progress = SILENT) -> None:
    """Write scikit-learn's 1,797 handwritten digits as `folder/0/0000.png` to `folder/9/...`.

    The 8 x 8 pictures with values 0 to 16 become 32 x 32 grey PNG files, enlarged by bicubic interpolation so
    that a person can see something.

    Raise DataError where the folder exists and is not empty, or cannot be written.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    pictures = np.round(digits.images * (255 / 16)).astype(np.uint8)
    with _new_folder(Path(folder)) as place, progress.stage("write", len(pictures), "pictures") as stage:
        for index, (picture, digit) in enumerate(zip(pictures, digits.target, strict=True)):
            file = place / str(digit) / f"{index:04d}.png"
            file.parent.mkdir(exist_ok=True)
            size = (_DIGIT_SIDE, _DIGIT_SIDE)
            Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC).save(file)
            stage.advance()


def fetch_flowers(
    folder: str | os.PathLike, archive: Path | None = None, progress: Progress = SILENT
) -> None:
    """Write the 3,670 photos of tf_flowers, in five class folders, into a folder.

    Downloads 229 MB, going on where an earlier attempt stopped, or reads `archive`, a tar file of class folders.

    Raise DataError where the folder exists and is not empty, the download fails, or the archive is none.
    """
    if archive is not None:
        try:
            published = sha256_of(archive) == FLOWERS_SHA256
        except OSError as error:
            raise DataError(
                f"cannot read {archive} ({error.strerror}). Give the file of {FLOWERS_URL}"
            ) from error
        if not published:
            progress.say(
                f"{archive} is not the published flower_photos.tgz (its SHA-256 differs); reading it"
            )
    with _new_folder(Path(folder)) as place:
        if archive is not None:
            _extract(archive, place, progress)
            return
        downloaded = cache_dir() / "flower_photos.tgz"
        try:
            download(FLOWERS_URL, downloaded, sha256=FLOWERS_SHA256, progress=progress)
        except DataError as error:
            raise DataError(f"{error}. Or fetch the file elsewhere and give it with --from FILE") from error
        _extract(downloaded, place, progress)
        downloaded.unlink()


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Give a place to write to that becomes `folder` when all went well, and vanishes when not."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} exists and is not an empty folder. Name another, or empty it")
    place = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        content = place / "content"
        content.mkdir()
        yield content
        if folder.exists():
            folder.rmdir()
        content.replace(folder)
    except OSError as error:
        fix = "Make room" if error.errno == errno.ENOSPC else "Name a place that can be written"
        raise DataError(f"cannot write {folder} ({error.strerror or error}). {fix}") from error
    finally:
        if place is not None:
            shutil.rmtree(place, ignore_errors=True)


def _extract(archive: Path, place: Path, progress: Progress) -> None:
    """Unpack class folders into `place`, without a folder that holds them all."""
    try:
        with tarfile.open(archive) as tar, progress.stage("unpack", unit="files") as stage:
            for member in tar:
                tar.extract(member, place, filter="data")
                stage.advance()
    except tarfile.FilterError as error:
        raise DataError(f"{archive} would write outside its folder ({error}); nothing was kept") from error
    except (tarfile.TarError, EOFError, zlib.error, LZMAError) as error:
        fault = str(error).partition("\n")[0].rstrip(":")
        raise DataError(
            f"{archive} is not a complete tar archive ({fault}). Expected flower_photos.tgz"
        ) from error
    except OSError as error:
        if error.errno is not None:
            raise
        # gzip and bzip2 report damaged data as an OSError without a number.
        raise DataError(f"{archive} is damaged ({error}). Expected flower_photos.tgz") from error
    inside = list(place.iterdir())
    if len(inside) == 1 and inside[0].is_dir():
        outer = inside[0].rename(place / "..unpacked")
        for path in outer.iterdir():
            path.rename(place / path.name)
        outer.rmdir()
    if sum(path.is_dir() for path in place.iterdir()) < 2:
        raise DataError(f"{archive} holds no class folders. Expected flower_photos.tgz")
