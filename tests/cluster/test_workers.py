import pytest

from budwood.cluster.workers import CheckWorker, Extractors, FeatureWorker, SomePhotos
from budwood.core.errors import ClusterError
from budwood.core.progress.base import SILENT
from budwood.data.check import check
from budwood.data.sources import read_folder
from budwood.pipeline.ahead import compute_ahead
from budwood.pipeline.prepare import prepare
from budwood.pipeline.request import Output, ask_for_training, read_recipe

pytestmark = pytest.mark.usefixtures("tiny_backbones")


def test_feature_worker__what_it_computes_is_found(session_colours):
    recipe = read_recipe("frozen-linear", ["backbone.name=tiny", "data.size=64"])
    prepared = prepare(ask_for_training(session_colours, recipe, Output(), progress=SILENT))
    with prepared.open_features(SILENT) as features:
        fingerprint = features.exact.fingerprint
    what = (prepared.recipe, prepared.request.sizes, {}, None)
    with pytest.raises(ClusterError, match="builds another network"):
        FeatureWorker(Extractors(*what, "0" * 32), True)
    found = FeatureWorker(Extractors(*what, fingerprint), True).do(prepared.photos[:5])
    assert (found.photos, found.extraction.num_computed, found.extraction.failed) == (5, 5, {})
    assert compute_ahead(prepared).extraction.num_found == 5


def test_check_worker__what_it_finds_is_noted_by_who_asked(session_colours, monkeypatch):
    manifest = read_folder(session_colours)
    expected = check(manifest, for_training=False)
    monkeypatch.setenv("BUDWOOD_CACHE", str(session_colours.parent / "elsewhere"))

    def inspect(photos, told):
        pieces = [SomePhotos(first, photos[first : first + 10]) for first in range(0, len(photos), 10)]
        done = [CheckWorker().do(piece) for piece in pieces]
        assert [one.first for one in done] == [piece.first for piece in pieces]
        return [found for one in done for found in one.found]

    assert check(manifest, for_training=False, inspect=inspect) == expected
    monkeypatch.setattr("budwood.data.check.look", lambda image: pytest.fail("it was decoded before"))
    assert check(manifest, for_training=False) == expected
