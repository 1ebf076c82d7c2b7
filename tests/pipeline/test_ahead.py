import pytest

from budwood.core.errors import RecipeError
from budwood.core.progress.base import SILENT
from budwood.core.tensorflow import load_keras
from budwood.pipeline.ahead import GOES_ON, compute_ahead
from budwood.pipeline.prepare import prepare
from budwood.pipeline.request import Output, ask_for_training, read_recipe

pytestmark = pytest.mark.usefixtures("tiny_backbones")


def prepared(colours, *settings):
    recipe = read_recipe("frozen-linear", ["backbone.name=tiny", "data.size=64", *settings])
    load_keras()
    return prepare(ask_for_training(colours, recipe, Output(), progress=SILENT))


def test_compute_ahead__a_training_finds_them(session_colours, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = compute_ahead(prepared(session_colours))
    assert (first.photos, first.extraction.num_computed, first.extraction.num_found) == (42, 42, 0)
    again = compute_ahead(prepared(session_colours))
    assert (again.extraction.num_computed, again.extraction.num_found) == (0, 42)
    assert again.fingerprint == first.fingerprint
    assert not list(tmp_path.iterdir())


def test_compute_ahead__interrupted_says_what_is_kept(session_colours):
    def interrupted(features, photos):
        features.compute(photos[:5])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as error:
        compute_ahead(prepared(session_colours), interrupted)
    assert error.value.__notes__ == [GOES_ON]
    assert compute_ahead(prepared(session_colours)).extraction.num_found == 5


def test_compute_ahead__from_scratch_there_are_none(session_colours):
    settings = ["frozen.epochs=0", "finetune.epochs=1", "backbone.weights=random", 'finetune.unfreeze="all"']
    with pytest.raises(RecipeError, match=r"frozen\.epochs = 0"):
        compute_ahead(prepared(session_colours, *settings))
