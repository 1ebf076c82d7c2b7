import pytest

from budwood.cluster.workers import Extractors, FeatureWorker
from budwood.core.errors import ClusterError
from budwood.core.progress.base import SILENT
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
        FeatureWorker(Extractors(*what, "0" * 32))
    found = FeatureWorker(Extractors(*what, fingerprint)).do(prepared.photos[:5])
    assert (found.num_computed, found.failed) == (5, {})
    assert compute_ahead(prepared).extraction.num_found == 5
