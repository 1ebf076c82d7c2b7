"""Places of object storage, by their addresses: `s3://bucket/prefix`, `gs://...`, `az://...`, `file:///folder`."""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from budwood.core.errors import StorageError

SETTING = "BUDWOOD_STORE"
SCHEMES = ("s3", "gs", "az", "file", "memory")
"""`memory` lasts as long as the process, for tests."""
_ALIASES = {"s3a": "s3", "gcs": "gs", "abfs": "az", "abfss": "az"}
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(/{1,2})(.*)", re.DOTALL)
# Of an address that went through pathlib, one slash is left.
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")


@dataclass(frozen=True)
class Place:
    """A prefix of a bucket, or a folder; or one object below it."""

    scheme: str
    bucket: str
    """Empty for folders on disk."""
    key: str
    """Below the bucket, or an absolute path; without a slash at its end."""

    def __str__(self) -> str:
        if self.scheme == "file":
            return self.key
        return f"{self.scheme}://{self.bucket}/{self.key}".rstrip("/")

    @property
    def root(self) -> "Place":
        """Return the whole bucket, or the folder itself."""
        return self if self.scheme == "file" else replace(self, key="")

    @property
    def base(self) -> str:
        """Return the last part of its name.

        >>> read_place("s3://bucket/photos/flowers/").base
        'flowers'
        """
        return self.key.rpartition("/")[2] or self.bucket

    @property
    def above(self) -> "Place":
        """Return the place in which it lies.

        >>> str(read_place("s3://bucket/photos/labels.csv").above)
        's3://bucket/photos'
        """
        return replace(self, key=self.key.rpartition("/")[0])

    def below(self, name: str) -> "Place":
        """Return the place of that name below this one.

        >>> str(read_place("s3://bucket/photos/").below("cats/1.jpg"))
        's3://bucket/photos/cats/1.jpg'
        """
        name = name.strip("/")
        return replace(self, key=f"{self.key}/{name}" if self.key else name) if name else self

    def relative(self, other: "Place") -> str | None:
        """Return the name of another place below this one, None where it does not lie below.

        >>> read_place("s3://bucket/a").relative(read_place("s3://bucket/a/b/c")), read_place(
        ...     "s3://bucket/a"
        ... ).relative(read_place("s3://bucket/ab"))
        ('b/c', None)
        """
        if (self.scheme, self.bucket) != (other.scheme, other.bucket):
            return None
        prefix = f"{self.key}/" if self.key else ""
        return other.key.removeprefix(prefix) if other.key.startswith(prefix) else None


def is_address(text: str) -> bool:
    """Return whether a text names a place of object storage, and not a path.

    >>> is_address("s3://bucket/photos"), is_address("photos"), is_address("tfds:cifar10")
    (True, False, False)
    """
    found = _ADDRESS.fullmatch(text)
    return found is not None and (found[1].lower() in SCHEMES or found[1].lower() in _ALIASES)


def read_place(text: str | os.PathLike) -> Place:
    """Return the place that an address, or the path of a folder, names.

    Raises:
        StorageError: it has credentials or a query in it, or is no address of a kind that is known.
    """
    text = os.fspath(text)
    found = _ADDRESS.fullmatch(text)
    # One letter is a drive of Windows.
    if found is None:
        return Place("file", "", str(Path(text).expanduser().absolute()))
    scheme = _ALIASES.get(found[1].lower(), found[1].lower())
    if scheme not in SCHEMES:
        known = ", ".join(f"{one}://" for one in SCHEMES[:-1])
        raise StorageError(
            f"an address that begins with {found[1]}: cannot be used here. Give one of {known}, or a folder",
            "setting",
        )
    rest = found[3]
    if scheme == "file":
        if ".." in rest.split("/"):
            raise StorageError("a file:// address has '..' in it. Give the path itself", "name")
        return Place("file", "", "/" + rest.strip("/"))
    bucket, _, key = rest.partition("/")
    # What stands there may be a secret, and errors are kept in logs: it is not repeated.
    if "@" in bucket or ":" in bucket:
        raise StorageError(
            f"the {scheme}:// address has credentials in it, or what looks like some. Take them out: they come from "
            "the environment (such as AWS_ACCESS_KEY_ID) or the standard files alone. If it was written to a log, "
            "replace them",
            "setting",
        )
    if "?" in rest or "#" in rest:
        raise StorageError(
            f"the {scheme}:// address has a query ('?' or '#'), which may hold a secret. Give bucket and prefix alone; "
            "settings come from the environment",
            "setting",
        )
    if not _BUCKET.fullmatch(bucket):
        raise StorageError(
            f"{scheme}:// needs the name of a bucket, such as {scheme}://bucket/prefix", "setting"
        )
    parts = key.rstrip("/").split("/") if key.rstrip("/") else []
    if any(part in ("", ".", "..") or not part.isprintable() for part in parts):
        raise StorageError(
            f"the key of {scheme}://{bucket}/... has an empty part, '.', '..' or a control character in it. Such "
            "objects cannot be read",
            "name",
        )
    return Place(scheme, bucket, "/".join(parts))


def without_secrets(text: str) -> str:
    """Return an address without what may be a secret in it: a name before `@`, and what follows `?` or `#`.

    >>> without_secrets("https://KEY:SECRET@host/x.jpg?sig=SECRET"), without_secrets("a?.jpg")
    ('https://...@host/x.jpg?...', 'a?.jpg')
    """
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", text):
        return text
    text = re.sub(r"^([^:]+:/+)[^/]*@", r"\1...@", text)
    return re.sub(r"([?#]).*", r"\1...", text, flags=re.DOTALL)


def as_written(text: str) -> str:
    """Return an address as it was before pathlib took a slash of it; any other text as it is.

    >>> as_written("s3:/bucket/photos"), as_written("photos")
    ('s3://bucket/photos', 'photos')

    Raises as `read_place` does.
    """
    return str(read_place(text)) if is_address(text) else text


def store_place() -> Place | None:
    """Return the place that `BUDWOOD_STORE` names, None where it is not set. Raises as `read_place` does."""
    text = os.environ.get(SETTING, "").strip()
    if not text:
        return None
    try:
        place = read_place(text)
    except StorageError as error:
        raise StorageError(f"{SETTING}: {error}", error.kind) from None
    if place.scheme == "file" and Path(place.key).is_file():
        raise StorageError(f"{SETTING}: {place} is a file. Give a folder", "setting")
    if place.scheme == "file" and not Path(place.key).is_dir():
        # Made by itself, it would hide that a disk is not mounted.
        raise StorageError(
            f"{SETTING}: there is no folder {place}. Make it, or mount the disk it lies on", "no_bucket"
        )
    return place
