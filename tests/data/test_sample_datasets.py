import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from budwood.core.errors import DataError
from budwood.core.progress.base import Silent
from budwood.data import sample_datasets as samples
from budwood.data.check import check
from budwood.data.sources import read_folder


class Lines(Silent):
    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


def make_archive(
    path, names=("flowers/daisy/1.jpg", "flowers/tulips/1.jpg", "flowers/LICENSE.txt"), mode="w:gz"
):
    with tarfile.open(path, mode) as tar:
        for name in names:
            data = np.random.default_rng(len(name)).bytes(5000)
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_write_digits__writes_a_folder_to_train_on(tmp_path):
    samples.write_sample("digits", tmp_path / "new" / "digits")
    found = check(read_folder(tmp_path / "new" / "digits"))
    assert found.classes == tuple("0123456789")
    assert (len(found.photos), found.num_unreadable) == (1797, 0)
    assert not [problem for problem in found.problems if problem.kind != "duplicate"]
    first = np.asarray(Image.open(tmp_path / "new" / "digits" / "0" / "0000.png"))
    assert first.shape == (32, 32) and first.max() > 200 and first.min() == 0
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["digits"]


def test_write_digits__into_an_empty_folder(tmp_path):
    samples.write_digits(tmp_path)
    assert (tmp_path / "9").is_dir()


def test_write_digits__refuses_a_folder_with_something_in_it(tmp_path):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(DataError, match="exists and is not an empty folder"):
        samples.write_digits(tmp_path)
    assert files(tmp_path) == ["mine.txt"]


def test_write_digits__full_disk_leaves_nothing(tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(DataError, match=r"No space left on device\). Make room"):
        samples.write_digits(tmp_path / "digits")
    assert list(tmp_path.iterdir()) == []


def test_write_sample__unknown(tmp_path):
    with pytest.raises(DataError, match="no sample `flower`. Did you mean flowers"):
        samples.write_sample("flower", tmp_path / "x")


def test_fetch_flowers__from_a_file(tmp_path):
    archive = make_archive(tmp_path / "some.tgz")
    lines = Lines()
    samples.fetch_flowers(tmp_path / "photos", archive, lines)
    assert files(tmp_path / "photos") == ["LICENSE.txt", "daisy/1.jpg", "tulips/1.jpg"]
    assert len(lines.lines) == 1 and "SHA-256 differs" in lines.lines[0]
    assert archive.exists()


def test_fetch_flowers__archive_without_an_outer_folder(tmp_path):
    archive = make_archive(tmp_path / "some.tar", ("daisy/1.jpg", "tulips/1.jpg"), "w")
    samples.fetch_flowers(tmp_path / "photos", archive)
    assert files(tmp_path / "photos") == ["daisy/1.jpg", "tulips/1.jpg"]


@pytest.mark.parametrize("length", [0, 40, 3000, 9000])
def test_fetch_flowers__archive_cut_short(tmp_path, length):
    archive = make_archive(tmp_path / "some.tgz")
    archive.write_bytes(archive.read_bytes()[:length])
    with pytest.raises(DataError, match=r"some\.tgz is (not a complete tar archive|damaged)"):
        samples.fetch_flowers(tmp_path / "photos", archive)
    assert files(tmp_path) == ["some.tgz"]


def test_fetch_flowers__damaged_archive(tmp_path):
    archive = make_archive(tmp_path / "some.tgz")
    data = bytearray(archive.read_bytes())
    data[2000:2100] = bytes(100)
    archive.write_bytes(data)
    with pytest.raises(DataError, match=r"some\.tgz"):
        samples.fetch_flowers(tmp_path / "photos", archive)
    assert not (tmp_path / "photos").exists()


@pytest.mark.parametrize("content", [b"no archive at all", b""])
def test_fetch_flowers__not_an_archive(tmp_path, content):
    (tmp_path / "some.tgz").write_bytes(content)
    with pytest.raises(DataError, match=r"is not a complete tar archive.*Expected flower_photos\.tgz"):
        samples.fetch_flowers(tmp_path / "photos", tmp_path / "some.tgz")


def test_fetch_flowers__archive_that_writes_outside(tmp_path):
    archive = make_archive(tmp_path / "some.tgz", ("a/1.jpg", "b/1.jpg", "../../evil.jpg"))
    with pytest.raises(DataError, match="would write outside"):
        samples.fetch_flowers(tmp_path / "deep" / "photos", archive)
    assert files(tmp_path) == ["some.tgz"]


def test_fetch_flowers__archive_without_class_folders(tmp_path):
    archive = make_archive(tmp_path / "some.tgz", ("only/1.jpg", "only/2.jpg"))
    with pytest.raises(DataError, match="holds no class folders"):
        samples.fetch_flowers(tmp_path / "photos", archive)


def test_fetch_flowers__no_such_file(tmp_path):
    with pytest.raises(DataError, match=r"cannot read .*none\.tgz \(No such file"):
        samples.fetch_flowers(tmp_path / "photos", tmp_path / "none.tgz")


def test_fetch_flowers__no_network_names_the_way_out(tmp_path, monkeypatch):
    monkeypatch.setattr(samples, "FLOWERS_URL", "http://127.0.0.1:9/flower_photos.tgz")
    with pytest.raises(
        DataError, match=r"cannot download http://127\.0\.0\.1:9/flower_photos\.tgz.*--from FILE"
    ):
        samples.fetch_flowers(tmp_path / "photos")
    assert not (tmp_path / "photos").exists()


def test_fetch_flowers__downloaded_archive_is_unpacked_and_removed(tmp_path, monkeypatch, own_cache):
    archive = make_archive(tmp_path / "served.tgz")

    def fetched(url, file, *, sha256, progress):
        file.write_bytes(archive.read_bytes())

    monkeypatch.setattr(samples, "download", fetched)
    samples.fetch_flowers(tmp_path / "photos")
    assert files(tmp_path / "photos") == ["LICENSE.txt", "daisy/1.jpg", "tulips/1.jpg"]
    assert files(own_cache) == []
