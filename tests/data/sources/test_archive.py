"""Archives: what they hold is read in place, what leads out of them or grows without measure is refused by name."""

import io
import multiprocessing
import os
import tarfile
import threading
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from budwood.core.errors import DataError
from budwood.data.sources import read_source
from budwood.data.sources.archive import open_archive
from tests.data.sources.forms import add, each, make_tar, make_zip, name_of


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


@pytest.mark.parametrize("ending", [".zip", ".tar", ".tgz"])
def test_open_archive__what_is_none(tmp_path, ending):
    file = tmp_path / f"photos{ending}"
    for content, message in ((b"", "is empty"), (b"no archive" * 100, "archive")):
        file.write_bytes(content)
        with pytest.raises(DataError, match=message):
            read_source(file)


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


@pytest.mark.parametrize("start", ["", "photos/"])
def test_read_source__a_table_in_an_archive(tmp_path, start):
    file = tmp_path / "photos.zip"
    with zipfile.ZipFile(file, "w") as opened:
        for number in range(4):
            opened.writestr(f"{start}img/{number}.png", b"a picture")
        rows = "".join(f"img/{number}.png,{'ab'[number % 2]}\n" for number in range(4))
        opened.writestr(f"{start}labels.csv", f"path,label\n{rows}")
    with pytest.raises(DataError, match=r"There is 'labels\.csv' in it: give .*photos\.zip/labels\.csv"):
        read_source(file)
    for name in {"labels.csv", f"{start}labels.csv"}:
        found = read_source(str(file / name))
        assert [(photo.name, photo.label) for photo in found.photos][:2] == [
            (f"{name.removesuffix('labels.csv')}img/0.png", "a"),
            (f"{name.removesuffix('labels.csv')}img/1.png", "b"),
        ]
    with pytest.raises(DataError, match=r"holds no table or export 'other\.csv'.*There is 'labels\.csv'"):
        read_source(file / "other.csv")


def test_read_source__an_archive_in_an_archive_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as opened:
        opened.write(make_zip(tmp_path), "inner.zip")
    with pytest.raises(DataError, match=r"There is 'inner\.zip' in it: unpack that, and give inner\.zip"):
        read_source(tmp_path / "outer.zip")
