"""A picture in object storage, read when it is needed."""

import hashlib
from dataclasses import dataclass

from budwood.core.errors import ImageError, MachineError, StorageError
from budwood.core.system import num_cores
from budwood.storage.objects import Storage
from budwood.storage.place import Place

READERS = 16
"""Pictures that are fetched at a time: what is waited for takes no core."""
_FAULTS = {
    "gone": "is not in the storage any more",
    "changed": "changed in the storage since it was listed",
    "permission": "no permission to read it",
}


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An object below a place. Several threads may read it, and a process that was sent it.

    >>> StoredImage(Place("s3", "bucket", "photos"), "cats/1.jpg").name
    '1.jpg'
    """

    place: Place
    """Below which it lies: one for all objects of a listing."""
    key: str
    size: int = 0
    """Bytes, 0 where it was not listed."""
    etag: str = ""
    """Of its content when it was listed; empty where it was not."""

    @property
    def name(self) -> str:
        return self.key.rpartition("/")[2]

    @property
    def identity(self) -> bytes | None:
        """Return what another content does not have; None where the storage does not say which it is."""
        if not self.etag or self.etag.startswith("W/"):
            return None
        return hashlib.sha256(f"{self.place}\0{self.key}\0{self.etag}".encode()).digest()

    def read(self) -> bytes:
        """Return the encoded picture.

        Raises:
            ImageError: it is gone, or another one since it was listed ("gone", "changed", "permission").
            MachineError: the storage failed, after several tries.
        """
        try:
            return Storage(self.place).get(self.key, self.etag)
        except StorageError as error:
            raise picture_error(error) from None

    def start(self, size: int) -> bytes:
        """Return its first bytes. Raises as `read` does."""
        try:
            return Storage(self.place).get_range(self.key, 0, size)
        except StorageError as error:
            raise picture_error(error) from None


def num_readers(image: object) -> int:
    """Return by how many threads pictures such as this one are best read and decoded."""
    return max(READERS, num_cores()) if isinstance(image, StoredImage) else num_cores()


def picture_error(error: StorageError) -> ImageError | MachineError:
    """Return what to say of a picture: whether it is at fault, or the storage as a whole."""
    if error.kind in _FAULTS:
        return ImageError(_FAULTS[error.kind], error.kind)
    return MachineError(f"{error}. It says nothing about the picture; then start again")
