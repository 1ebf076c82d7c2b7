"""How fast this machine is; figures themselves are of the machine, and are not tested."""

import pytest

from budwood.config.recipe import Head, Recipe
from budwood.data.sources import read_source
from budwood.evaluation.task import SINGLE_LABEL
from budwood.pipeline import rates as module
from budwood.pipeline.prepare import prepare_networks
from budwood.pipeline.rates import (
    below,
    sample_of,
    seconds_per_photo,
    timed_step,
    with_head,
)

SETTINGS = ["backbone.name=tiny", "data.size=64", "finetune.epochs=2", "finetune.unfreeze={blocks=1}"]

pytestmark = pytest.mark.usefixtures("tiny_backbones", "shared_cache")


@pytest.fixture(scope="module")
def recipe():
    return (
        Recipe.load("quick")
        .with_settings(SETTINGS[:2])
        .with_settings([*SETTINGS[2:], "finetune.batch_size=8"])
    )


@pytest.fixture(scope="module")
def network(recipe):
    (network,) = prepare_networks(recipe).networks
    return network


def test_sample_of__from_all_over_the_photos(session_colours):
    photos = read_source(session_colours).photos
    sample = sample_of(photos)
    assert len(sample) == module.TRIED and sample[0] is photos[0].image
    assert sample_of(photos[:3]) == [photo.image for photo in photos[:3]] and sample_of([]) == []


def test_seconds__of_a_photo_and_of_a_step(recipe, network, session_colours):
    model, unfrozen = with_head(network, recipe, Head(), 3, SINGLE_LABEL)
    assert model.output_shape == (None, 3) and unfrozen.layers
    features = below(model, unfrozen, recipe)
    assert features.size == 64 and features.dtype == "float16"
    photos = read_source(session_colours).photos
    assert 0 < seconds_per_photo(features, photos) < 10
    first, other = timed_step(model, unfrozen, recipe)
    # In the first the graph is made.
    assert 0 < other < first
    assert 0 < min(timed_step(model, unfrozen, recipe)) < 10


def test_timed_step__the_network_keeps_its_weights(recipe, network):
    model, unfrozen = with_head(network, recipe, Head(), 3, SINGLE_LABEL)
    before = [weight.numpy().copy() for weight in network.model.weights]
    timed_step(model, unfrozen, recipe)
    assert all(
        (one == weight.numpy()).all() for one, weight in zip(before, network.model.weights, strict=True)
    )
