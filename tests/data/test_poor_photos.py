import numpy as np
import pytest

from budwood.data.decoder.levels import Samples
from budwood.data.inspection import Inspection
from budwood.data.manifest import Photo
from budwood.data.poor_photos import BLURRED, CERTAIN, blur_limit, poor_photos


def looks(level, spread=40, sharpness=0.35, samples=None, side=200):
    """A photo whose grid has a mean and a spread."""
    pattern = np.tile([-1, 1], 128) * spread
    grid = np.clip(level + pattern, 0, 255).astype(np.uint8)
    found = Inspection(side, side, samples, hash=grid.tobytes(), sharpness=sharpness)
    return Photo(b"", "a.jpg", "a"), found


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        (looks(128), None),
        (looks(15, 10), "dark"),
        (looks(90, 80), None),
        (looks(246, 5), "overexposed"),
        (looks(128, 2, None), "blank"),
        (looks(128, 2), None),
        (looks(15, 2, None), "dark"),
        (looks(0, 0, None), "blank"),
        (looks(128, 40, None), None),
        (looks(128, sharpness=0.09), "blurred"),
        (looks(128, side=31), "tiny"),
        (looks(15, 10, None, Samples("uint16", 0.0, 9.0, 9.0)), None),
    ],
)
def test_poor_photos__each_kind(seen, kind):
    assert [one.kind for one in poor_photos([seen])] == ([kind] if kind else [])


def test_poor_photos__the_worst_first():
    found = poor_photos([looks(18, 5), looks(9, 5), looks(12, 5)])

    assert [one.value for one in found] == [9, 12, 18]
    assert poor_photos([]) == []


def test_blur_limit__what_is_usual_counts_between_two_bounds():
    sharp = np.random.default_rng(0).normal(0.5, 0.03, 200).tolist()
    mixed = np.random.default_rng(0).uniform(0.05, 0.6, 200).tolist()

    assert blur_limit(sharp) == BLURRED
    assert blur_limit(mixed) == CERTAIN
    assert blur_limit(sharp[:10]) == CERTAIN
