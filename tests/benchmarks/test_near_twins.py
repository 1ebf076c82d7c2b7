from benchmarks.near_twins import _planted
from budwood.data.check import check
from budwood.data.sources import read_source


def test_planted__copies_photos_of_a_folder(colours):
    photos = check(read_source(colours), for_training=False).photos[:2]
    copies = list(_planted(photos, "mirrored", seed=1))

    assert [copy.name for copy in copies] == [f"mirrored|{photo.name}" for photo in photos]
    for photo, copy in zip(photos, copies, strict=True):
        assert (copy.width, copy.height) == (photo.width, photo.height)
        assert copy.sha256 != photo.sha256
