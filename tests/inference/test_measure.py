import numpy as np
import pytest
from PIL import Image, ImageOps

from budwood.core.errors import RunError
from budwood.data.images import digest
from budwood.data.manifest import Photo
from budwood.data.places import find_place, keep_place
from budwood.features.ensemble import ExtractorEnsemble
from budwood.features.extract import Extraction
from budwood.inference.measure import confidence_threshold, find_copies, refuse_bad_acceptance
from budwood.inference.own_photos import OwnPhotos
from tests.progress import KeptLines

RIGHT = np.array([False, True, False, True, True, True])
SURE = np.array([0.4, 0.5, 0.6, 0.7, 0.8, 0.9])


def test_confidence_threshold__is_chosen_on_validation_and_tells_what_it_does_to_each_split():
    test = np.array([0.55, 0.75]), np.array([True, False])
    threshold, found = confidence_threshold({"validation": (SURE, RIGHT), "test": test}, 1.0)
    assert 0.6 < threshold <= 0.7
    assert found["validation"].coverage == pytest.approx(3 / 6)
    assert found["test"].coverage == 0.5 and found["test"].precision == 0


def test_confidence_threshold__what_no_probability_does():
    with pytest.raises(RunError, match="6 validation photos are right less often than 90.0%"):
        confidence_threshold({"validation": (SURE, ~RIGHT & (SURE < 0.9))}, 0.9)


@pytest.mark.parametrize("share", [0.0, 1.0, 2.0])
def test_refuse_bad_acceptance(share):
    with pytest.raises(RunError, match="acceptance"):
        refuse_bad_acceptance(share)
    refuse_bad_acceptance(0.95)


class Features(ExtractorEnsemble):
    """Those of photos that are all alike."""

    def __init__(self, missing=0):
        self.num_missing = missing

    def missing(self, photos, views=None):
        return self.num_missing

    def compute(self, photos, views=None, *, progress=None):
        return Extraction()

    def array(self, photos, views=None):
        return np.ones((len(photos), 2), np.float32)


@pytest.fixture
def learned(tmp_path, monkeypatch):
    """A picture of each of two classes, and the run that learned from them."""
    monkeypatch.setenv("BUDWOOD_CACHE", str(tmp_path / "cache"))
    noise = np.random.default_rng(0).integers(0, 255, (2, 9, 12, 3)).astype(np.uint8)
    rows = []
    for label, one in zip("ab", noise, strict=True):
        file = tmp_path / "own" / label / "1.png"
        file.parent.mkdir(parents=True)
        Image.fromarray(one).resize((120, 90), Image.Resampling.BICUBIC).save(file)
        rows.append({"name": f"{label}/1.png", "label": label, "split": "train", "sha256": digest(file)})
    return rows


def test_find_copies__a_mirrored_training_photo(tmp_path, learned):
    with Image.open(tmp_path / "own" / "a" / "1.png") as opened:
        copy = Photo(np.asarray(ImageOps.mirror(opened)), "a/new.png", "a")
    own, said = OwnPhotos(learned, ["a", "b"], source=str(tmp_path / "own")), KeptLines()
    assert find_copies([copy], own, Features(), None, said) == {"a/new.png"}
    assert said.lines == [
        "1 photo shows what the run learned from, such as mirrored, cropped or stamped (the first is 'a/new.png', "
        "like 'a/1.png'), and is left out"
    ]
    # Of test photos nothing was learned.
    tested = OwnPhotos([learned[0] | {"split": "test"}, learned[1]], ["a", "b"], source=str(tmp_path / "own"))
    assert find_copies([copy], tested, Features(), None, KeptLines()) == frozenset()


@pytest.mark.parametrize("source, missing", [(None, 0), ("gone", 0), ("own", 10**6)])
def test_find_copies__says_where_the_hash_alone_knows_them(tmp_path, learned, source, missing):
    own, said = OwnPhotos(learned, ["a", "b"], source=source and str(tmp_path / source)), KeptLines()
    photo = Photo(np.zeros((80, 80, 3), np.uint8), "a/new.png", "a")
    assert find_copies([photo], own, Features(missing), None, said) == frozenset()
    assert len(said.lines) == 1 and "by their perceptual hash alone" in said.lines[0]


def test_places__are_known_on_this_machine_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("BUDWOOD_CACHE", str(tmp_path / "cache"))
    keep_place("ab12", "/photos")
    assert find_place("ab12") == "/photos" and find_place("cd34") is None
    monkeypatch.setenv("BUDWOOD_CACHE", str(tmp_path / "elsewhere"))
    assert find_place("ab12") is None
