"""The files of a ZIP archive, each of which is found and unpacked by itself."""

import bz2
import contextlib
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from budwood.core.errors import DataError
from budwood.core.text import shown
from budwood.data.sources.members import Member, link_refusal, refuse_growth

_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
_STORED, _DEFLATED, _BZIP2 = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2


@dataclass(frozen=True)
class ZipPicture:
    """A compressed picture in a ZIP file, found by its place, so that nothing has to be kept open."""

    file: str
    offset: int
    """Of its own header in the file."""
    packed: int
    """Bytes in the file."""
    size: int
    """Bytes when it is unpacked."""
    crc: int
    method: int
    name: str = ""

    def read(self) -> bytes:
        content = self.start(self.size)
        if len(content) != self.size or zlib.crc32(content) != self.crc:
            raise OSError(f"it is damaged in {self.file}")
        return content

    def start(self, size: int) -> bytes:
        """Return the first bytes."""
        with open(self.file, "rb") as opened:
            opened.seek(self.offset)
            header = opened.read(_LOCAL_HEADER.size)
            if len(header) < _LOCAL_HEADER.size or not header.startswith(b"PK\x03\x04"):
                raise OSError(f"{self.file} is not as it was when it was listed")
            *_, name_length, extra_length = _LOCAL_HEADER.unpack(header)
            opened.seek(name_length + extra_length, os.SEEK_CUR)
            packed = opened.read(self.packed)
        # Never more than was declared, whatever the stream goes on to.
        try:
            if self.method == _STORED:
                return packed[:size]
            if self.method == _DEFLATED:
                return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, max(size, 1))
            return bz2.BZ2Decompressor().decompress(packed, size)
        except (zlib.error, OSError, EOFError) as error:
            raise OSError(f"it is damaged in {self.file} ({error})") from error


def members_of_zip(file: str, title: str) -> Iterator[Member]:
    with zipfile.ZipFile(file) as opened:
        infos = opened.infolist()
    size = os.path.getsize(file)
    refuse_growth(sum(info.file_size for info in infos), size, title)
    reached = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        name = _zip_name(info)
        if info.header_offset < reached:
            raise DataError(
                f"{title}: {shown(name)!r} shares its bytes with another file, which only a trap does. Nothing of it "
                "is read"
            )
        reached = info.header_offset + _LOCAL_HEADER.size + info.compress_size
    if reached > size:
        raise DataError(
            f"{title} is no complete archive: files in it end after its end. Make it, or copy it, again"
        )
    for info in infos:
        name = _zip_name(info)
        mode = info.external_attr >> 16
        if info.is_dir() or name.endswith("/"):
            yield Member(name, "folder")
        elif info.create_system == 3 and stat.S_ISLNK(mode):
            raise link_refusal(name, title)
        elif info.flag_bits & 1:
            raise DataError(
                f"{title}: {shown(name)!r} is encrypted. Pack the photos again, without a password"
            )
        elif info.compress_type not in (_STORED, _DEFLATED, _BZIP2):
            raise DataError(
                f"{title}: {shown(name)!r} is compressed by method {info.compress_type}, which is not read. Pack the "
                "photos again, stored or deflated"
            )
        else:
            refuse_growth(info.file_size, info.compress_size, f"{title}: {shown(name)!r}")
            picture = ZipPicture(
                file,
                info.header_offset,
                info.compress_size,
                info.file_size,
                info.CRC,
                info.compress_type,
                name.rpartition("/")[2],
            )
            yield Member(name, "file", picture, info.file_size)


def _zip_name(info: zipfile.ZipInfo) -> str:
    name = info.filename
    if not info.flag_bits & 0x800 and not name.isascii():
        # Written without saying so: macOS and many tools write UTF-8, old Windows programs its code page.
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")
