"""Download one file of known SHA-256, going on where an earlier attempt stopped.

By hand because of that: neither pooch nor `keras.utils.get_file` resumes, and 229 MB over a poor line need it.
"""

import hashlib
import http.client
import urllib.error
import urllib.request
from pathlib import Path

from budwood.core.errors import DataError
from budwood.core.progress.base import SILENT, Progress

_ATTEMPTS = 5
_TIMEOUT = 30.0
_CHUNK = 1 << 18


class _CutShortError(Exception):
    """The connection ended before the file did."""


def download(url: str, file: Path, *, sha256: str, progress: Progress = SILENT) -> None:
    """Bring `url` to `file`, complete and verified; what has arrived so far waits in `file` + ".part".

    Raises:
        DataError: the server cannot be reached, refuses, keeps cutting the connection, or sends something else.
    """
    if file.is_file() and sha256_of(file) == sha256:
        return
    part = file.with_name(file.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(_ATTEMPTS):
        try:
            _receive(url, part, progress)
            break
        except urllib.error.HTTPError as error:
            raise DataError(
                f"cannot download {url}: the server answers {error.code} {error.reason}"
            ) from error
        except (_CutShortError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            if attempt == _ATTEMPTS - 1:
                arrived = f"{_size(part):,} bytes have arrived"
                raise DataError(
                    f"the download of {url} was cut short; {arrived}. Run the command again to go on from there"
                ) from error
        except urllib.error.URLError as error:
            raise DataError(f"cannot download {url} ({error.reason}). Check the network") from error
        except OSError as error:
            raise DataError(f"cannot write {part} ({error.strerror or error})") from error
    found = sha256_of(part)
    if found != sha256:
        part.unlink()
        raise DataError(
            f"{url} sent something else than expected (SHA-256 {found}, not {sha256}); it was removed"
        )
    part.replace(file)


def sha256_of(file: Path) -> str:
    """Return SHA-256 of a file as 64 hex digits."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _receive(url: str, part: Path, progress: Progress) -> None:
    have = _size(part)
    request = urllib.request.Request(url, headers={"User-Agent": "budwood"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        # Everything has arrived already, or the rest of another file has: the checksum tells.
        error.close()
        return
    with response:
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:
            have = 0
        length = response.headers.get("Content-Length")
        total = None if length is None else have + int(length)
        with (
            part.open("ab" if have else "wb") as file,
            progress.stage("download", total, unit="bytes") as stage,
        ):
            stage.advance(have)
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                have += len(chunk)
                stage.advance(len(chunk))
            if total is not None and have < total:
                raise _CutShortError


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
