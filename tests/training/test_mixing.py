import numpy as np
import pytest

from budwood.config.recipe import Augment
from budwood.core.errors import RecipeError
from budwood.training.losses import one_hot
from budwood.training.mixing import mix, refuse_bad_mixing

LABELS = np.arange(12) % 3
TARGETS = one_hot(LABELS, 3)
# Each photo holds the shares of its class in every pixel: what is mixed can be read off.
VECTORS = TARGETS.copy()
PICTURES = np.broadcast_to(TARGETS[:, None, None, :], (12, 8, 10, 3)).copy()


def rng(seed=0):
    return np.random.default_rng(seed)


def test_mix__nothing_is_asked_for():
    features, targets = mix(PICTURES, TARGETS, Augment(), rng())
    assert features is PICTURES and targets is TARGETS


@pytest.mark.parametrize("features", [VECTORS, PICTURES], ids=["vectors", "pictures"])
def test_mix__mixup_adds_photos_and_classes_alike(features):
    for seed in range(10):
        mixed, shares = mix(features, TARGETS, Augment(mixup=0.5), rng(seed))
        assert mixed.dtype == shares.dtype == np.float32
        np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)
        np.testing.assert_allclose(
            mixed.reshape(12, -1, 3), shares[:, None].repeat(mixed[0].size // 3, 1), atol=1e-6
        )


def test_mix__cutmix_puts_rectangles_of_the_right_share():
    shares_cut = []
    for seed in range(30):
        mixed, shares = mix(PICTURES, TARGETS, Augment(cutmix=1.0), rng(seed))
        # Whole pixels of one photo or the other ...
        assert set(np.unique(mixed)) <= {0.0, 1.0}
        # ... in proportion to the classes.
        np.testing.assert_allclose(mixed.mean(axis=(1, 2)), shares, atol=1e-6)
        cut = (mixed != PICTURES).any(axis=(0, 3))
        rows, columns = cut.any(axis=1).sum(), cut.any(axis=0).sum()
        assert cut.sum() == rows * columns
        shares_cut.append(cut.mean())
    assert 0.2 < np.mean(shares_cut) < 0.6
    assert (PICTURES.mean(axis=(1, 2)) == TARGETS).all()


def test_mix__of_both_each_batch_takes_one():
    kinds = [
        set(np.unique(mix(PICTURES, TARGETS, Augment(mixup=1.0, cutmix=1.0), rng(seed))[0])) <= {0.0, 1.0}
        for seed in range(40)
    ]
    assert 10 < sum(kinds) < 30


def test_mix__seed_decides():
    augment = Augment(mixup=0.4)
    first, again, other = (mix(VECTORS, TARGETS, augment, rng(seed))[0] for seed in (1, 1, 2))
    assert (first == again).all() and (first != other).any()


def test_mix__share_follows_alpha():
    """A small alpha leaves most photos nearly as they are, a large one mixes them half and half."""
    labels = np.arange(100)

    def smaller_share(alpha):
        found = [
            mix(one_hot(labels, 100), one_hot(labels, 100), Augment(mixup=alpha), rng(seed))
            for seed in range(60)
        ]
        # Of a photo mixed with another one, whatever is not its own.
        own = np.array([np.median(np.diag(shares)) for _, shares in found])
        return np.minimum(own, 1 - own).mean()

    assert smaller_share(0.1) < 0.08
    assert smaller_share(10.0) > 0.35


def test_mix__a_batch_of_one_class_or_one_photo():
    same, shares = mix(VECTORS[::3], TARGETS[::3], Augment(mixup=1.0), rng())
    np.testing.assert_allclose(shares, TARGETS[::3], rtol=1e-6)
    np.testing.assert_allclose(same, VECTORS[::3], rtol=1e-6)
    one, share = mix(PICTURES[:1], TARGETS[:1], Augment(cutmix=1.0), rng())
    assert (one == PICTURES[:1]).all()
    np.testing.assert_allclose(share, TARGETS[:1], rtol=1e-6)


def test_refuse_bad_mixing__cutmix_of_vectors():
    with pytest.raises(RecipeError, match="1280 numbers a photo, without height"):
        refuse_bad_mixing(Augment(cutmix=1.0), (1280,), LABELS)
    refuse_bad_mixing(Augment(cutmix=1.0), (7, 7, 64), LABELS)


def test_refuse_bad_mixing__one_class_alone():
    with pytest.raises(RecipeError, match=r"augment\.mixup mixes classes"):
        refuse_bad_mixing(Augment(mixup=1.0), (1280,), np.zeros(5, int))
    refuse_bad_mixing(Augment(), (1280,), np.zeros(5, int))
