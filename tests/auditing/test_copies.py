import numpy as np
from PIL import Image

from budwood.auditing.copies import find_copies_across
from budwood.data.manifest import Photo


def pictures(number):
    rng = np.random.default_rng(0)
    for _ in range(number):
        small = Image.fromarray(rng.integers(0, 256, (24, 24, 3)).astype(np.uint8))
        yield np.asarray(small.resize((160, 160), Image.Resampling.BICUBIC))


def test_find_copies_across__says_what_it_did_not_compare(monkeypatch):
    known = [Photo(one, f"train/{n}", "a", "train") for n, one in enumerate(pictures(3))]
    mirrored = [Photo(one.image[:, ::-1].copy(), f"test/{n}", "a", "test") for n, one in enumerate(known)]
    photos = [*known, *mirrored]
    features = np.tile(np.eye(3, dtype=np.float32), (2, 1))
    found = find_copies_across(lambda places: features[list(places)], photos)
    assert {one.kind for one in found} == {"cross_split"}
    assert {tuple(shown.path for shown in one.photos) for one in found} == {
        (f"test/{n}", f"train/{n}") for n in range(3)
    }
    monkeypatch.setattr("budwood.features.twins.most_pairs", lambda photos: 1)
    copy, rest = find_copies_across(lambda places: features[list(places)], photos)
    assert (copy.kind, rest.kind, rest.problem) == ("cross_split", "other", "copies")
    assert "2 more were not compared" in rest.detail
