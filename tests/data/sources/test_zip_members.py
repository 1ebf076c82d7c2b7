"""ZIP archives: each picture is found by its place, and what is no honest archive is refused by name."""

import bz2
import os
import pickle
import random
import struct
import zipfile
import zlib

import pytest

from budwood.core.errors import DataError
from budwood.data.sources import read_source
from budwood.data.sources.archive import open_archive
from budwood.data.sources.zip_members import ZipPicture, members_of_zip
from tests.data.sources.forms import encoded, make_zip


def test_open_archive__a_zip_bomb(tmp_path):
    file = tmp_path / "bomb.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as opened:
        for name in ("a/1.bmp", "b/2.bmp"):
            opened.writestr(name, bytes(120_000_000))
    with pytest.raises(DataError, match=r"bomb\.zip would grow from .* to 240,000,000 bytes.*a trap"):
        read_source(file)


def test_open_archive__a_zip_bomb_of_shared_bytes(tmp_path):
    file = make_zip(tmp_path)
    with zipfile.ZipFile(file, "a") as opened:
        opened.filelist.append(opened.filelist[0])
        opened.filelist[-1] = twin = zipfile.ZipInfo("photos/red/twin.png")
        first = opened.filelist[0]
        twin.header_offset, twin.compress_size, twin.file_size = 0, first.compress_size, first.file_size
        twin.CRC, twin.compress_type = first.CRC, first.compress_type
        opened._didModify = True
    with pytest.raises(DataError, match="shares its bytes with another file"):
        read_source(file)


def test_open_archive__a_picture_that_is_larger_than_it_says(tmp_path):
    file = make_zip(tmp_path)
    content = bytearray(file.read_bytes())
    place = content.rindex(b"PK\x01\x02")
    content[place + 24 : place + 28] = struct.pack("<L", 20)
    file.write_bytes(content)
    tree = open_archive(file)
    broken = tree.files()[-1]
    with pytest.raises(OSError, match="damaged"):
        for name in tree.files():
            tree.image(name).read()
    assert len(tree.start(broken, 8)) == 8


def test_open_archive__encrypted_and_unknown_compression(tmp_path):
    file = make_zip(tmp_path)
    content = bytearray(file.read_bytes())
    place = content.index(b"PK\x01\x02")
    locked = bytearray(content)
    locked[place + 8] |= 1
    file.write_bytes(locked)
    with pytest.raises(DataError, match=r"'photos/red/0\.png' is encrypted"):
        read_source(file)
    content[place + 10 : place + 12] = struct.pack("<H", 14)
    file.write_bytes(content)
    with pytest.raises(DataError, match="compressed by method 14"):
        read_source(file)


def test_archive_tree__names_without_the_flag_of_utf_8(tmp_path):
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as opened:
        for label in ("Käfer", "Vögel"):
            opened.writestr(f"{label}/1.png", encoded("red", 1))
    content = (tmp_path / "photos.zip").read_bytes()
    plain = content.replace(b"\x00\x08", b"\x00\x00")
    (tmp_path / "photos.zip").write_bytes(plain)
    assert read_source(tmp_path / "photos.zip").classes == ("Käfer", "Vögel")


def packed(content, method):
    """A picture in a file of its own, as a ZIP archive would hold it."""
    if method == zipfile.ZIP_DEFLATED:
        deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        return deflate.compress(content) + deflate.flush()
    return bz2.compress(content) if method == zipfile.ZIP_BZIP2 else content


METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)


@pytest.mark.parametrize("method", METHODS)
def test_members_of_zip__are_what_the_standard_library_reads(tmp_path, method):
    file = tmp_path / "any.zip"
    with zipfile.ZipFile(file, "w", method) as opened:
        opened.writestr("a/", b"")
        opened.writestr("a/1.png", encoded("red", 1))
        stamped = zipfile.ZipInfo("a/stamped.png")
        stamped.compress_type, stamped.extra = method, struct.pack("<2HBL", 0x5455, 5, 1, 0)
        opened.writestr(stamped, encoded("red", 2))
        opened.writestr("a/none.png", b"")
        opened.writestr("long.bin", bytes(range(256)) * 4000)
    members = {member.name: member for member in members_of_zip(str(file), "any.zip")}
    assert members.pop("a/").kind == "folder"
    with zipfile.ZipFile(file) as opened:
        for name, member in members.items():
            wanted = opened.read(name)
            assert (member.kind, member.size) == ("file", len(wanted))
            picture = pickle.loads(pickle.dumps(member.image))
            assert picture.read() == wanted
            for size in (0, 1, 7, len(wanted), len(wanted) + 100):
                assert picture.start(size)[:size] == wanted[:size]


def test_members_of_zip__behind_a_program_that_unpacks_itself(tmp_path):
    file = make_zip(tmp_path)
    file.write_bytes(b"MZ a program" * 100 + file.read_bytes())
    found = [member.image.read() for member in members_of_zip(str(file), "x") if member.kind == "file"]
    with zipfile.ZipFile(file) as opened:
        assert found == [opened.read(info) for info in opened.infolist() if not info.is_dir()]


def test_members_of_zip__backslashes_are_slashes(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as opened:
        opened.writestr("a\\b\\1.png", b"x")
        opened.writestr("a\\c\\", b"")
    kinds = {member.name: member.kind for member in members_of_zip(str(tmp_path / "x.zip"), "x")}
    assert kinds == {"a/b/1.png": "file", "a/c/": "folder"}


def test_members_of_zip__cut_in_the_middle_of_a_picture(tmp_path):
    file = tmp_path / "x.zip"
    with zipfile.ZipFile(file, "w") as opened:
        opened.writestr("1.png", b"x" * 1000)
    content = bytearray(file.read_bytes())
    place = content.rindex(b"PK\x01\x02")
    content[place + 20 : place + 24] = struct.pack("<L", 100_000)
    file.write_bytes(content)
    with pytest.raises(DataError, match="no complete archive"):
        list(members_of_zip(str(file), "x.zip"))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", range(20))
def test_zip_picture__of_damaged_bytes_is_read_rightly_or_not_at_all(tmp_path, method, seed):
    draw = random.Random(seed)
    content = draw.randbytes(300) * 3
    inside = bytearray(packed(content, method))
    inside[draw.randrange(len(inside))] ^= 1 << draw.randrange(8)
    header = struct.pack("<4s5H3L2H", b"PK\x03\x04", *[0] * 8, 1, 0) + b"n"
    file = tmp_path / "x"
    file.write_bytes(header + inside)
    picture = ZipPicture(str(file), 0, len(inside), len(content), zlib.crc32(content), method)
    try:
        assert picture.read() == content
    except OSError as error:
        assert "damaged" in str(error)
    assert os.path.getsize(file) == len(header) + len(inside)


@pytest.mark.parametrize("method", METHODS)
def test_zip_picture__what_does_not_end_is_damaged(tmp_path, method):
    content = random.Random(0).randbytes(3000)
    inside = packed(content, method)[:-200]
    header = struct.pack("<4s5H3L2H", b"PK\x03\x04", *[0] * 8, 0, 0)
    (tmp_path / "x").write_bytes(header + inside)
    picture = ZipPicture(str(tmp_path / "x"), 0, len(inside), len(content), zlib.crc32(content), method)
    with pytest.raises(OSError, match="it is damaged in .*x"):
        picture.read()


def test_zip_picture__of_a_file_that_is_another_now(tmp_path):
    (tmp_path / "x").write_bytes(b"another" * 100)
    with pytest.raises(OSError, match="not as it was when it was listed"):
        ZipPicture(str(tmp_path / "x"), 0, 10, 10, 0, zipfile.ZIP_STORED).read()
