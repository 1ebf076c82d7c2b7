"""`budwood.auditing.network`: what heads say of photos, of one class each and with several labels."""

import numpy as np
import pytest

from budwood.auditing.network import Asked
from budwood.auditing.result import LabelsNetwork, Network
from budwood.config.recipe import Recipe
from budwood.core.progress.base import SILENT
from budwood.data.label_sets import with_labels
from budwood.data.manifest import Photo
from budwood.features.extract import Extraction

CLASSES = ("a", "b", "c")


def asked(photos, rows, classes=CLASSES):
    get = lambda places: rows[list(places)]  # noqa: E731
    recipe = Recipe.load("frozen-linear")
    return Asked(photos, classes, get, rows.shape[1], Extraction(num_computed=2, num_found=3), recipe, SILENT)


@pytest.fixture(scope="module")
def made():
    rng = np.random.default_rng(0)
    has = np.zeros((120, 3), bool)
    for place in range(120):
        has[place, place % 3] = True
        has[place, (place + 1) % 3] = place % 2
    directions = rng.normal(size=(3, 16)) * 3
    return has, (has @ directions + rng.normal(size=(120, 16))).astype(np.float32)


def test_asked__several_labels(made):
    has, rows = made
    photos = [
        with_labels(
            Photo(b"", str(place), ""), [label for label, one in zip(CLASSES, row, strict=True) if one]
        )
        for place, row in enumerate(has)
    ]
    photos[4] = with_labels(photos[4], {*CLASSES} - {*photos[4].labels})
    findings, network, why = asked(photos, rows).several()
    assert isinstance(network, LabelsNetwork) and why == ""
    assert (network.computed, network.stored, network.num_photos, network.folds) == (2, 3, 120, 5)
    assert network.exact_match == pytest.approx(119 / 120) and network.interval[0] < 119 / 120
    assert network.commonest in {"a", "b", "c", "a;b", "b;c", "a;c"} and network.not_asked == ()
    wrong = {(one.kind, one.label) for one in findings if one.photo.path == "4"}
    assert len(wrong) == 3 == sum(one.kind != "outlier" for one in findings)


def test_asked__several_labels_of_which_none_can_be_held_out(made):
    photos = [with_labels(Photo(b"", str(place), ""), CLASSES) for place in range(120)]
    findings, network, why = asked(photos, made[1]).several()
    assert (findings, network) == ([], None) and "to hold out" in why


def test_asked__one_class_each(made):
    rows = made[1][::2]
    photos = [Photo(b"", str(place), CLASSES[2 * place % 3]) for place in range(60)]
    findings, network, why = asked(photos, rows).one_each()
    assert isinstance(network, Network) and (findings, why) == ([], "")
    assert network.accuracy == 1.0 and network.strength > 0
    findings, network, why = asked(photos, rows, (*CLASSES, "d")).one_each()
    assert (findings, network) == ([], None) and "a class has no photo with features" in why
