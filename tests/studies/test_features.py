"""Features of linear trials: asked of the store, and of a process only where one is missing."""

from dataclasses import dataclass

import numpy as np
import pytest

from budwood.config.recipe import Recipe
from budwood.core.files import read_json, write_json
from budwood.data.augment import Renderer
from budwood.data.manifest import Photo
from budwood.features import fingerprint_cache
from budwood.features.fingerprint_cache import KnownFeatures, features_key
from budwood.features.store.store import FeatureStore
from budwood.runs.schema import CheckReport
from budwood.studies import features as module
from budwood.studies.features import FAILURE, WANTED, missing_photos, provide_features
from budwood.studies.records import PhotoTable, StoredFeatures, StudyFolder

RECIPE = Recipe.from_dict({"backbone": {"name": "mobilenet_v2"}})
KNOWN = KnownFeatures("f" * 64, 4, 32)
PHOTOS = tuple(Photo(b"", f"{number}.jpg", "ab"[number % 2], sha256=f"{number:064x}") for number in range(5))


@pytest.fixture
def study(tmp_path):
    found = StudyFolder(tmp_path)
    report = CheckReport(problems=(), found=5, kept=5, unreadable=0)
    found.write_photos(PhotoTable(("a", "b"), PHOTOS, report))
    return found


def store(photos):
    renderer = Renderer(KNOWN.size, RECIPE.data.resize)
    rows = np.arange(4 * len(photos), dtype=np.float32).reshape(-1, 4)
    with FeatureStore().open(KNOWN.fingerprint, (KNOWN.features,)) as table:
        for photo, row in zip(photos, rows, strict=True):
            table.add(renderer.key(photo.sha256, 0), row)


@dataclass
class Process:
    """Stands for the process that has Keras."""

    status: int = 0
    failure: object = None
    calls: int = 0

    def __call__(self, command, **options):
        self.calls += 1
        assert command[1:3] == ["-m", "budwood.studies.features"]
        self.wanted = read_json(StudyFolder(module.Path(command[4])).path / WANTED)
        if self.failure is not None:
            write_json(module.Path(command[4]) / FAILURE, self.failure)
        return self.status


@pytest.fixture
def process(monkeypatch):
    found = Process()
    monkeypatch.setattr(module, "run_to_its_end", found)
    return found


def test_provide_features__what_the_store_has_needs_no_process(study, process):
    fingerprint_cache.write(RECIPE, KNOWN)
    store(PHOTOS)
    assert provide_features("photos", study, [RECIPE, RECIPE]) is None
    assert process.calls == 0
    (found,) = study.read_features().values()
    assert (found.fingerprint, found.features, found.size) == (KNOWN.fingerprint, 4, 32)


@pytest.mark.parametrize("known", [False, True])
def test_provide_features__what_is_missing_is_asked_for_once(study, process, known):
    if known:
        fingerprint_cache.write(RECIPE, KNOWN)
        store(PHOTOS[:4])
    other = RECIPE.with_settings(["split_seed=7"])
    assert provide_features("photos", study, [RECIPE, other]) is None
    assert process.calls == 1
    assert len(process.wanted) == len({features_key(RECIPE), features_key(other)}) == 1


@pytest.mark.parametrize(
    ("status", "failure", "words"),
    [
        (3, {"error": "no weights of mobilenet_v2"}, "no weights of mobilenet_v2"),
        (-9, None, "the process that computes features ended with status -9"),
        (1, [], "the process that computes features ended with status 1"),
    ],
)
def test_provide_features__says_why_there_are_none(study, process, status, failure, words):
    process.status, process.failure = status, failure
    assert provide_features("photos", study, [RECIPE]) == words


def test_provide_features__an_old_failure_is_none_of_this_time(study, process):
    write_json(study.path / FAILURE, {"error": "of yesterday"})
    process.status = 1
    assert (
        provide_features("photos", study, [RECIPE])
        == "the process that computes features ended with status 1"
    )


def test_missing_photos__counts_what_the_store_lacks_but_what_could_not_be_read(study):
    known = {features_key(RECIPE): StoredFeatures(fingerprint=KNOWN.fingerprint, features=4, size=32)}
    assert missing_photos(study, {}, RECIPE) is None
    assert missing_photos(study, known, RECIPE) == 5
    store(PHOTOS[1:3])
    assert missing_photos(study, known, RECIPE) == 3
    failed = known[features_key(RECIPE)].model_copy(update={"failed": {"0.jpg": "cut", "1.jpg": "cut"}})
    assert missing_photos(study, {features_key(RECIPE): failed}, RECIPE) == 2
