"""Archives: what they hold is read in place, what leads out of them or grows without measure is refused by name."""

import io
import multiprocessing
import os
import struct
import tarfile
import threading
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from budwood.core.errors import DataError
from budwood.data.sources import read_source, tar_members
from budwood.data.sources.archive import open_archive
from tests.data.sources.forms import COLOURS, add, each, encoded, make_tar, make_zip, name_of


def link(archive: tarfile.TarFile, name: str, kind: bytes, target: str) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    archive.addfile(info)


def tar_with(folder: Path, write) -> Path:
    file = make_tar(folder)
    with tarfile.open(file, "a") as opened:
        write(opened)
    return file


def zip_with(folder: Path, write) -> Path:
    file = make_zip(folder)
    with zipfile.ZipFile(file, "a") as opened:
        write(opened)
    return file


def zip_link(opened: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("photos/red/link.png")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    opened.writestr(info, "../../etc/passwd")


BAD = {
    "zip, out of it": (
        lambda folder: zip_with(folder, lambda opened: opened.writestr("../../evil.png", b"x")),
        r"photos\.zip holds '../../evil\.png', which leads out of it",
    ),
    "zip, absolute": (
        lambda folder: zip_with(folder, lambda opened: opened.writestr("/etc/evil.png", b"x")),
        r"holds the absolute path '/etc/evil\.png'",
    ),
    "zip, a drive": (
        lambda folder: zip_with(folder, lambda opened: opened.writestr("C:/evil.png", b"x")),
        r"holds the absolute path 'C:/evil\.png'",
    ),
    "zip, backslashes out of it": (
        lambda folder: zip_with(folder, lambda opened: opened.writestr("a\\..\\..\\evil.png", b"x")),
        r"leads out of it",
    ),
    "zip, a link": (lambda folder: zip_with(folder, zip_link), r"'photos/red/link\.png' is a link"),
    "tar, out of it": (
        lambda folder: tar_with(folder, lambda opened: add(opened, "red/../../evil.png", b"x")),
        r"photos\.tar holds 'red/../../evil\.png', which leads out of it",
    ),
    "tar, absolute": (
        lambda folder: tar_with(folder, lambda opened: add(opened, "/etc/evil.png", b"x")),
        r"holds the absolute path",
    ),
    "tar, a link": (
        lambda folder: tar_with(
            folder, lambda opened: link(opened, "red/l.png", tarfile.SYMTYPE, "/etc/passwd")
        ),
        r"'red/l\.png' is a link",
    ),
    "tar, a hard link": (
        lambda folder: tar_with(
            folder, lambda opened: link(opened, "red/h.png", tarfile.LNKTYPE, "red/0.png")
        ),
        r"'red/h\.png' is a link",
    ),
    "tar, twice": (
        lambda folder: tar_with(folder, lambda opened: add(opened, "red/0.png", b"x")),
        r"holds 'red/0\.png' twice",
    ),
    "tar, a file and a folder": (
        lambda folder: tar_with(folder, lambda opened: add(opened, "red/0.png/1.png", b"x")),
        r"holds 'red/0\.png' as a file and as a folder",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_open_archive__what_leads_out_of_it_is_refused_by_name(tmp_path, kind):
    make, message = BAD[kind]
    with pytest.raises(DataError, match=message):
        read_source(make(tmp_path))


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


def test_open_archive__a_tgz_bomb_leaves_nothing_behind(tmp_path, own_cache):
    file = tmp_path / "bomb.tgz"
    with tarfile.open(file, "w:gz") as opened:
        add(opened, "a/1.bmp", bytes(150_000_000))
    with pytest.raises(DataError, match=r"bomb\.tgz would grow from"):
        read_source(file)
    assert [found for found in (own_cache / "data").iterdir() if found.suffix != ".lock"] == []


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


@pytest.mark.parametrize("ending", [".zip", ".tar", ".tgz"])
def test_open_archive__what_is_none(tmp_path, ending):
    file = tmp_path / f"photos{ending}"
    for content, message in ((b"", "is empty"), (b"no archive" * 100, "archive")):
        file.write_bytes(content)
        with pytest.raises(DataError, match=message):
            read_source(file)


@pytest.mark.parametrize(("make", "mode"), [(make_tar, "w"), (make_tar, "w:gz")])
def test_open_archive__cut_short(tmp_path, make, mode):
    file = make(tmp_path, "photos.tar", mode)
    file.write_bytes(file.read_bytes()[: 9 * 512 + 40 if mode == "w" else -100])
    with pytest.raises(DataError, match=r"photos\.tar"):
        read_source(file)


def test_open_archive__a_tgz_is_unpacked_once_and_again_where_it_changed(tmp_path, monkeypatch):
    file = make_tar(tmp_path, "photos.tgz", "w:gz")
    first = [photo.image.read() for photo in read_source(file).photos]
    with monkeypatch.context() as patch:
        patch.setattr(tar_members.gzip, "open", lambda *arguments: pytest.fail("it was unpacked again"))
        assert [photo.image.read() for photo in read_source(file).photos] == first
    with tarfile.open(file, "w:gz") as opened:
        for label in COLOURS:
            add(opened, f"{label}/9.png", encoded(label, 1))
    assert len(read_source(file).photos) == 2


def test_archive_tree__names_without_the_flag_of_utf_8(tmp_path):
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as opened:
        for label in ("Käfer", "Vögel"):
            opened.writestr(f"{label}/1.png", encoded("red", 1))
    content = (tmp_path / "photos.zip").read_bytes()
    plain = content.replace(b"\x00\x08", b"\x00\x00")
    (tmp_path / "photos.zip").write_bytes(plain)
    assert read_source(tmp_path / "photos.zip").classes == ("Käfer", "Vögel")


@pytest.fixture(params=[lambda folder: make_zip(folder), lambda folder: make_tar(folder, "p.tgz", "w:gz")])
def photos(request, tmp_path):
    return read_source(request.param(tmp_path)).photos


def test_pictures__are_read_by_many_threads_at_once(photos):
    wanted = [photo.image.read() for photo in photos]
    start = threading.Barrier(8)

    def read(_):
        start.wait()
        return [photo.image.read() for photo in photos] * 20

    with ThreadPoolExecutor(8) as pool:
        assert all(found[: len(wanted)] == wanted for found in pool.map(read, range(8)))


def _digests(photos, queue):
    queue.put([zlib.crc32(photo.image.read()) for photo in photos])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_pictures__are_read_by_other_processes(photos, method):
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    process = context.Process(target=_digests, args=(photos, queue))
    process.start()
    try:
        assert queue.get(timeout=120) == [zlib.crc32(photo.image.read()) for photo in photos]
    finally:
        process.join()


def test_pictures__that_are_gone_are_named(tmp_path):
    file = make_zip(tmp_path)
    photo = read_source(file).photos[0]
    os.truncate(file, 10)
    with pytest.raises(OSError, match=r"photos\.zip"):
        photo.image.read()
    file.unlink()
    with pytest.raises(FileNotFoundError):
        photo.image.read()


def test_archive_tree__names_are_those_of_the_folders(tmp_path):
    names = {photo.name for photo in read_source(make_tar(tmp_path)).photos}
    assert names == {name_of(*pair) for pair in each()}


def test_start__of_every_kind(tmp_path):
    for file in (make_zip(tmp_path), make_tar(tmp_path)):
        tree = open_archive(file)
        for name in tree.files():
            assert tree.start(name, 8) == b"\x89PNG\r\n\x1a\n"
            assert io.BytesIO(tree.image(name).read()).read(8) == tree.start(name, 8)
