import hashlib
import os
import shutil
import socket

import keras
import numpy as np
import pytest

from budwood.backbones.keras_weights import KerasDownload
from budwood.backbones.registry import get_backbone
from budwood.core.errors import WeightsError

ADDRESS = "https://example.org/networks/small_notop.h5"


@pytest.fixture
def genuine(tmp_path, write_legacy):
    """A published file."""
    write_legacy(
        tmp_path / "genuine.h5", keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="top")])
    )
    return tmp_path / "genuine.h5"


@pytest.fixture(params=["md5", "sha256"])
def download(request, genuine):
    return KerasDownload(ADDRESS, hashlib.new(request.param, genuine.read_bytes()).hexdigest())


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Where Keras keeps the file."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    (tmp_path / "keras" / "models").mkdir(parents=True)
    return tmp_path / "keras" / "models" / "small_notop.h5"


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    (tmp_path / "mirror").mkdir()
    monkeypatch.setenv("BUDWOOD_WEIGHTS", str(tmp_path / "mirror"))
    return tmp_path / "mirror"


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*arguments, **options):
        raise OSError("no network")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def cut_short(file, target):
    content = file.read_bytes()
    target.write_bytes(content[: len(content) // 2])


def test_read__from_where_keras_keeps_it(download, genuine, kept):
    shutil.copy(genuine, kept)
    assert list(download.read().arrays) == ["top"]
    assert download.is_here() and str(download.where()) == f"{kept}, downloaded"


def test_read__from_the_mirror_first(download, genuine, kept, mirror):
    kept.write_text("never looked at")
    shutil.copy(genuine, mirror / kept.name)
    assert list(download.read().arrays) == ["top"]
    assert download.is_here() and str(download.where()) == f"{mirror / kept.name}, in the mirror"


def test_read__a_mirror_without_the_file_is_passed_over(download, genuine, kept, mirror):
    shutil.copy(genuine, kept)
    assert download.read().source == str(kept)


def test_read__a_mirror_file_cut_short_is_told(download, genuine, mirror):
    cut_short(genuine, mirror / "small_notop.h5")
    with pytest.raises(
        WeightsError, match=rf"mirror/small_notop\.h5 is damaged, cut short .*{download.hash}.*{ADDRESS}"
    ):
        download.read()
    with pytest.raises(WeightsError, match=r"small_notop\.h5 is damaged or not a Keras weights file"):
        KerasDownload(ADDRESS).read()


@pytest.mark.parametrize("named", ["absent", "genuine.h5"])
def test_read__a_mirror_that_is_no_directory_is_told(download, tmp_path, genuine, monkeypatch, named):
    monkeypatch.setenv("BUDWOOD_WEIGHTS", str(tmp_path / named))
    for call in (download.read, download.where):
        with pytest.raises(WeightsError, match=rf"BUDWOOD_WEIGHTS names .*{named}, which is no directory"):
            call()


def test_read__a_mirror_that_may_not_be_read_is_told(download, mirror, monkeypatch):
    def refuse(folder):
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(WeightsError, match=r"BUDWOOD_WEIGHTS names .*mirror, .*\(Permission denied\)"):
        download.read()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_read__a_mirror_file_that_may_not_be_read_is_told(download, genuine, mirror):
    shutil.copy(genuine, mirror / "small_notop.h5")
    (mirror / "small_notop.h5").chmod(0)
    with pytest.raises(WeightsError, match=r"small_notop\.h5 cannot be read \(Permission denied\)"):
        download.read()


def test_read__without_a_network_says_what_is_wanted_and_how_to_bring_it(download, kept, capsys):
    with pytest.raises(WeightsError) as error:
        download.read()
    message = str(error.value)
    assert message.startswith("the ImageNet weights small_notop.h5 are not here and could not be downloaded")
    assert all(part in message for part in (ADDRESS, str(kept.parent), "BUDWOOD_WEIGHTS", "--weights FILE"))
    assert not download.is_here() and str(download.where()) == (
        "small_notop.h5, not downloaded: Keras fetches it on first use"
    )
    # Results go to standard output.
    assert capsys.readouterr().out == ""


def test_read__a_kept_file_cut_short_is_fetched_anew(download, genuine, kept, monkeypatch):
    cut_short(genuine, kept)
    with pytest.raises(WeightsError, match=rf"not here \({kept} was damaged\) and could not be downloaded"):
        download.read()
    cut_short(genuine, kept)

    def get_file(name, address, cache_dir, cache_subdir, file_hash):
        assert (name, address, cache_subdir, file_hash) == (kept.name, ADDRESS, "models", download.hash)
        return str(genuine)

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    assert list(download.read().arrays) == ["top"]


def test_file__may_be_kept_under_another_name():
    assert KerasDownload(ADDRESS).file == "small_notop.h5"
    assert get_backbone("nasnet_mobile").pretrained.file == "nasnet_mobile_no_top.h5"


@pytest.mark.parametrize("place", ["mirror", "keras"])
def test_build__genuine_weights_that_are_here_need_no_network(test_data, kept, mirror, place):
    backbone = get_backbone("mobilenet")
    file = test_data / "weights" / "mobilenet_1.0_224_no_top.weights.h5"
    shutil.copy(file, {"mirror": mirror, "keras": kept.parent}[place] / backbone.pretrained.file)
    for one, other in zip(
        backbone.build(64).get_weights(), backbone.build(64, file).get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_build__a_mirror_serves_what_is_not_installed(mirror, monkeypatch):
    backbone = get_backbone("efficientnet_lite0")
    installed = backbone.pretrained._file()
    expected = backbone.build(32).get_weights()
    shutil.copy(installed, mirror / backbone.pretrained.file)
    monkeypatch.setattr(type(backbone.pretrained), "_installed", lambda self: None)
    assert str(backbone.where()) == f"{mirror / installed.name}, in the mirror"
    for one, other in zip(backbone.build(32).get_weights(), expected, strict=True):
        np.testing.assert_array_equal(one, other)
