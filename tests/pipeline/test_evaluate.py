import inspect
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from budwood.core.errors import RunError
from budwood.data.manifest import Photo
from budwood.pipeline import evaluate as module
from budwood.pipeline.evaluate import _apart, _small

PHOTOS = [Photo(np.full((8, 8, 3), 20 * number, np.uint8), f"{number}.png", "a") for number in range(9)]


@pytest.mark.parametrize(
    ("groups", "apart"),
    [([], True), ([None, None], True), (["g", "h", None], True), (["g", None, "g"], False), (["", ""], True)],
)
def test_apart__no_two_photos_of_one_group(groups, apart):
    assert _apart([Photo(b"", str(number), "a", group=one) for number, one in enumerate(groups)]) is apart


def test_small__a_photo_that_is_gone_leaves_no_picture():
    assert _small(Photo(b"no picture", "x", "a"), "crop", None) == b""
    assert _small(PHOTOS[0], "crop", None)[:2] == b"\xff\xd8"


def artifact(shift):
    """A model whose answer on pixels differs from that of its head on features."""

    def share(level):
        rows = np.asarray(level, np.float32).reshape(-1, 1) / 255
        return np.concatenate([rows, 1 - rows], axis=1)

    return SimpleNamespace(
        size=8,
        resize="crop",
        levels=None,
        model=lambda pixels, training: keras.ops.convert_to_tensor(
            share(pixels.mean(axis=(1, 2, 3))) + shift
        ),
        probabilities=share,
    )


@pytest.mark.parametrize(("shift", "refused"), [(0.0, False), (0.009, False), (0.02, True), (-0.02, True)])
def test_refuse_disagreement__the_whole_and_its_head_give_the_same(shift, refused):
    # The check of types at run time asks for a whole model.
    ask = inspect.unwrap(module._refuse_disagreement)
    seen = []

    def array(photos):
        seen.extend(photo.name for photo in photos)
        return np.array([photo.image.mean() for photo in photos])

    features = SimpleNamespace(array=array, part=SimpleNamespace(engine="openvino"))
    if refused:
        with pytest.raises(RunError, match=r"the openvino engine disagree by 0\.02 in a probability"):
            ask(artifact(shift), features, PHOTOS)
    else:
        ask(artifact(shift), features, PHOTOS)
    assert seen == ["0.png", "2.png", "4.png", "6.png"]
