"""TAR archives: stretches of the file, or of what it unpacks to once."""

import io
import tarfile

import pytest

from budwood.core.errors import DataError
from budwood.core.progress.base import SILENT
from budwood.data.sources import read_source, tar_members
from budwood.data.sources.tar_members import members_of_tar, plain_tar
from tests.data.sources.forms import COLOURS, add, encoded, make_tar


def test_open_archive__a_tgz_bomb_leaves_nothing_behind(tmp_path, own_cache):
    file = tmp_path / "bomb.tgz"
    with tarfile.open(file, "w:gz") as opened:
        add(opened, "a/1.bmp", bytes(150_000_000))
    with pytest.raises(DataError, match=r"bomb\.tgz would grow from"):
        read_source(file)
    assert [found for found in (own_cache / "data").iterdir() if found.suffix != ".lock"] == []


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


def test_members_of_tar__are_what_the_standard_library_reads(tmp_path):
    file = make_tar(tmp_path)
    members = [member for member in members_of_tar(str(file), "x") if member.kind == "file"]
    with tarfile.open(file) as opened:
        infos = [info for info in opened.getmembers() if info.isfile()]
        assert [member.name for member in members] == [info.name for info in infos]
        for member, info in zip(members, infos, strict=True):
            assert member.image.read() == opened.extractfile(info).read()
            assert member.size == info.size


def test_members_of_tar__names_longer_than_a_header(tmp_path):
    name = "/".join(["a folder of a long name"] * 20) + "/1.png"
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        with tarfile.open(tmp_path / "x.tar", "w", format=form) as opened:
            add(opened, name, b"x")
        assert [member.name for member in members_of_tar(str(tmp_path / "x.tar"), "x")] == [name]


def test_members_of_tar__what_is_neither_file_nor_folder(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as opened:
        pipe = tarfile.TarInfo("pipe.png")
        pipe.type = tarfile.FIFOTYPE
        opened.addfile(pipe)
    assert [member.kind for member in members_of_tar(str(tmp_path / "x.tar"), "x")] == ["other"]


def test_members_of_tar__a_header_that_asks_for_more_than_headers_have(tmp_path):
    info = tarfile.TarInfo("long")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 30
    (tmp_path / "x.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(10_240))
    with pytest.raises(DataError, match="a header of it has no end"):
        list(members_of_tar(str(tmp_path / "x.tar"), "x.tar"))


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_plain_tar__is_known_by_its_content_whatever_its_name(tmp_path, own_cache, mode):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=mode) as opened:
        add(opened, "a/1.png", encoded("red", 1))
    file = tmp_path / "photos.tar"
    file.write_bytes(content.getvalue())
    plain = plain_tar(str(file), "photos.tar", SILENT)
    assert (plain == str(file)) is (mode == "w")
    assert plain.startswith(str(own_cache)) is (mode != "w")
    assert [member.image.read() for member in members_of_tar(plain, "x")] == [encoded("red", 1)]
