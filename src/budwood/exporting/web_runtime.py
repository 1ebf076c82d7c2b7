"""The files of ONNX Runtime Web that a page brings along: one version, known by its hashes, and no part of Budwood.

They come from an unpacked npm package, from its archive, from an address of the archive or from `npm` itself, and stay
in the cache for the next export.
"""

import shutil
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from budwood.core.cache import WEB, cache_dir
from budwood.core.errors import RunError
from budwood.core.files import sha256_of, whole_file
from budwood.core.progress.base import SILENT, Progress
from budwood.data.download import download

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
ARCHIVE_SHA256 = "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71"
FILES: Mapping[str, str] = {
    "ort.wasm.bundle.min.mjs": "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
"""What the page needs of the folder `dist` of the package, with SHA-256; 14 MB."""
NPM = "npm"
"""Asks for a download by the program `npm`, from the registry that it is set up for."""
_WAYS = (
    f"Give --runtime npm to have it fetched by npm, or --runtime FOLDER, FILE.tgz or URL with the npm package "
    f"{PACKAGE} {VERSION}; on a machine without a network bring the file that `npm pack {PACKAGE}@{VERSION}` makes "
    "elsewhere"
)


def runtime_files(given: str | Path | None, progress: Progress = SILENT) -> dict[str, Path]:
    """Return where the files of ONNX Runtime Web are, by their names, each with the hash that is expected.

    Args:
        given: a folder, an archive, an https address of the archive, or "npm"; by default what the cache has.
        progress: told of a download.

    Raises:
        RunError: they are nowhere, or of another version.
        DataError: a download fails, or brings something else.
    """
    kept = cache_dir() / WEB / f"{PACKAGE}-{VERSION}"
    if given is None:
        found = {name: kept / name for name in FILES}
        if any(not file.is_file() or sha256_of(file) != FILES[name] for name, file in found.items()):
            raise RunError(
                f"a page for the browser needs {PACKAGE} {VERSION}, which is not in the cache. {_WAYS}"
            )
        return found
    text = str(given)
    if text == NPM:
        with tempfile.TemporaryDirectory() as folder:
            return _keep(_extract(_packed_by_npm(Path(folder)), Path(folder)), kept)
    if text.startswith(("https://", "http://")):
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder) / "package.tgz"
            download(text, archive, sha256=ARCHIVE_SHA256, progress=progress)
            return _keep(_extract(archive, Path(folder)), kept)
    place = Path(text).expanduser()
    if place.is_file():
        with tempfile.TemporaryDirectory() as folder:
            return _keep(_extract(place, Path(folder)), kept)
    if not place.is_dir():
        raise RunError(f"there is no {place}, in which {PACKAGE} {VERSION} was to be. {_WAYS}")
    return _keep(_in_folder(place), kept)


def _in_folder(place: Path) -> dict[str, Path]:
    """Return the files in an unpacked package: itself, its `dist`, or a folder of packages with it."""
    for folder in (place / "dist", place, place / "package" / "dist", place / PACKAGE / "dist"):
        found = {name: folder / name for name in FILES}
        if all(file.is_file() for file in found.values()):
            return _checked(found, place)
    raise RunError(f"{place} has no {' and no '.join(FILES)}. {_WAYS}")


def _extract(archive: Path, folder: Path) -> dict[str, Path]:
    """Write the files of an archive into a folder; nothing else of it is read."""
    found: dict[str, Path] = {}
    try:
        with tarfile.open(archive) as opened:
            for name in FILES:
                member = opened.extractfile(f"package/dist/{name}")
                if member is not None:
                    found[name] = folder / name
                    with member, found[name].open("wb") as file:
                        shutil.copyfileobj(member, file)
    except (tarfile.TarError, KeyError, EOFError, zlib.error) as error:
        raise RunError(f"{archive} is no archive of {PACKAGE}. {_WAYS}") from error
    return _checked(found, archive)


def _checked(found: Mapping[str, Path], where: Path) -> dict[str, Path]:
    wrong = [name for name, sha256 in FILES.items() if name not in found or sha256_of(found[name]) != sha256]
    if wrong:
        raise RunError(
            f"{where} is not {PACKAGE} {VERSION}: the SHA-256 of {' and '.join(wrong)} is another one. {_WAYS}"
        )
    return dict(found)


def place_files(found: Mapping[str, Path], folder: Path) -> None:
    """Copy the files into a folder, each whole."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, file in found.items():
        with whole_file(folder / name) as aside:
            shutil.copyfile(file, aside)


def _keep(found: Mapping[str, Path], kept: Path) -> dict[str, Path]:
    place_files(found, kept)
    return {name: kept / name for name in FILES}


def _packed_by_npm(folder: Path) -> Path:
    program = shutil.which("npm")
    if program is None:
        raise RunError(f"there is no npm on the PATH. {_WAYS}")
    command = [program, "pack", "--silent", "--ignore-scripts", f"{PACKAGE}@{VERSION}"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, encoding="utf-8", errors="replace"
    )
    packed = next(folder.glob("*.tgz"), None)
    if done.returncode or packed is None:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["it says nothing"]
        raise RunError(f"npm did not fetch {PACKAGE} {VERSION}: {lines[0].strip()}. {_WAYS}")
    return packed
