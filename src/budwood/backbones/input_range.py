"""Is a network given pixels in the range that its weights were trained on? Its first BatchNorm layer remembers.

The layer holds the mean and variance of each channel over ImageNet. What photos give there under the right
preprocessing is near to that, and under a wrong one it is not. Only the layers up to it are run.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, UInt8

from budwood.backbones.naming import PREPROCESS, RESIZE
from budwood.backbones.preprocessing import CAFFE_MEAN, IMAGENET_MEAN, IMAGENET_STD

if TYPE_CHECKING:
    import keras

Pixels = Float[np.ndarray, "n size size 3"]
Preprocessing = Callable[[Pixels], Any]


def _torch(pixels: Pixels) -> Pixels:
    mean, deviation = np.array(IMAGENET_MEAN, np.float32), np.array(IMAGENET_STD, np.float32)
    return (pixels / np.float32(255) - mean) / deviation


def _caffe(pixels: Pixels) -> Pixels:
    return pixels[..., ::-1] - np.array(CAFFE_MEAN, np.float32)


RANGES: dict[str, Preprocessing] = {
    "[-1, 1]": lambda pixels: pixels / np.float32(127.5) - np.float32(1),
    "[0, 1]": lambda pixels: pixels / np.float32(255),
    "[0, 255]": lambda pixels: pixels,
    "torch": _torch,
    "caffe": _caffe,
}
"""What networks are commonly given, from pixels in [0, 255]; "torch" and "caffe" as `keras.applications` means them."""

# A range within this part of a common one's span passes for it: (pixel - 127) / 128 is [-1, 1].
SAME_RANGE = 0.02
# Measured with genuine weights of five networks, 30 photos: the right range scores at most 0.14, every other one at
# least twice as much. Where another range seems better for pictures that are no photos (noise), it scores above 0.24.
GOOD_SCORE = 0.2
CLEARLY_BETTER = 1.5

MAX_VIEWS = 128
BATCH = 32

# Of all pixels of ImageNet, in [0, 255]: mean and standard deviation as at 64 px (Tiny ImageNet), the latter a tenth
# higher, as scaling down loses contrast. The genuine networks agree best with photos at this contrast.
USUAL_MEAN = np.array([122, 114, 101])
USUAL_CONTRAST = np.array([78, 75, 79])


@dataclass(frozen=True)
class InputRange:
    """What `check_input_range` found."""

    declared: str
    """What the model's preprocessing gives the network: a name of `RANGES`, or the bounds such as "0 to 0.5"."""
    likely: str
    """The range that fits best; `declared` where nothing could be measured."""
    scores: dict[str, float]
    """Distance by range, from 0 (as in ImageNet) to 1, best first; empty where nothing could be measured."""
    suspicious: bool
    """Another range fits well, and clearly better than the declared one."""
    words: str
    """The finding as a sentence or two."""


def check_input_range(model: "keras.Model", views: UInt8[np.ndarray, "n size size 3"]) -> InputRange:
    """Return whether photos reach a pretrained network in the range that its weights were trained on.

    The score of a range is the Hellinger distance between two normal distributions, that of the photos and that of
    ImageNet as the first BatchNorm layer holds it, averaged over the layer's channels. Before, the photos' colours are
    brought to ImageNet's mean and contrast, so that dark or dull photos do not pass for a wrong range.

    Args:
        model: flat, as `Backbone.build` gives it: raw pixels, layers named "preprocess...", the network's own.
        views: original views of the user's photos at the model's size, 0 to 255. Thirty suffice; of more than 128,
            so many spread evenly are taken.

    Returns:
        The declared and the likely range. It is not suspicious where there is no verdict, and the words say why: no
        BatchNorm, random weights, or pictures so unlike photos that no range fits.

    >>> from budwood.backbones.registry import get_backbone
    >>> model = get_backbone("mobilenet").build(32, weights="random")
    >>> check_input_range(model, np.zeros((20, 32, 32, 3), np.uint8)).words
    'No verdict on the input range: the weights are random.'
    """
    import keras

    ours = [layer for layer in model.layers if layer.name.startswith(PREPROCESS)]
    given = model.input
    if ours and ours[0].name == RESIZE:
        smaller = keras.Model(given, ours.pop(0).output)
        given, views = smaller.output, _numbers(smaller(views)).round().astype(np.uint8)
    start = ours[-1].output if ours else given
    prepare = _prepare(keras.Model(given, start)) if ours else RANGES["[0, 255]"]
    declared = _name(prepare, views.shape[1:])
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    if not norms:
        return _no_verdict(declared, "the network has no BatchNorm layer")
    mean, variance = _numbers(norms[0].moving_mean), _numbers(norms[0].moving_variance)
    if not mean.any() and (variance == 1).all():
        return _no_verdict(declared, "the weights are random")
    # A dead channel is the same under every range.
    live = variance > norms[0].epsilon
    if not live.any():
        return _no_verdict(declared, "the first BatchNorm layer has no channel that varies")
    if len(views) == 0:
        return _no_verdict(declared, "there are no photos")

    stem = _stem(keras.Model(start, norms[0].input), norms[0].axis)
    found = _channels(stem, {**RANGES, declared: prepare}, _spread(views))
    distances = {
        name: _hellinger(mean[live], variance[live], photos[0][live], photos[1][live]).mean()
        for name, photos in found.items()
    }
    scores = {name: round(float(distances[name]), 4) for name in sorted(distances, key=distances.__getitem__)}
    return _judge(declared, scores)


def _prepare(model: "keras.Model") -> Preprocessing:
    return lambda pixels: _numbers(model(pixels, training=False))


def _name(prepare: Preprocessing, shape: tuple[int, ...]) -> str:
    """Return the common range that a preprocessing gives, or its bounds, from pictures of the eight extreme
    colours."""
    colours = np.float32(np.stack(np.meshgrid(*[[0, 255]] * 3), axis=-1)).reshape(8, 1, 1, 3)
    pixels = np.broadcast_to(colours, (8, *shape))
    given = prepare(pixels)
    for name, common in RANGES.items():
        expected = common(pixels)
        if np.abs(given - expected).max() <= SAME_RANGE * np.ptp(expected):
            return name
    return f"{given.min():.3g} to {given.max():.3g}"


def _spread(views: UInt8[np.ndarray, "n size size 3"]) -> UInt8[np.ndarray, "fewer size size 3"]:
    indices = np.linspace(0, len(views) - 1, min(len(views), MAX_VIEWS)).round().astype(int)
    return views[indices]


def _stem(model: "keras.Model", axis: int) -> Callable[[Any], Any]:
    """From preprocessed pixels to the mean and variance of each view and channel, (n, channels) each."""
    import keras

    channel = axis % model.output.ndim
    places = [place for place in range(1, model.output.ndim) if place != channel]
    return lambda pixels: keras.ops.moments(model(pixels, training=False), axes=places)


def _channels(
    stem: Callable[[Any], Any],
    ranges: dict[str, Preprocessing],
    views: UInt8[np.ndarray, "n size size 3"],
) -> dict[str, tuple[Float[np.ndarray, "channels"], Float[np.ndarray, "channels"]]]:
    """Mean and variance of each channel over all views, for each range."""
    # Every fourth pixel has the same mean and contrast.
    sample = views[:, ::4, ::4].reshape(-1, 3).astype(np.float64)
    # A colour that never changes cannot be brought to any contrast.
    scale = np.float32(USUAL_CONTRAST / np.maximum(sample.std(axis=0), 1))
    offset = np.float32(USUAL_MEAN - scale * sample.mean(axis=0))
    batches: dict[str, list[Any]] = {name: [] for name in ranges}
    for first in range(0, len(views), BATCH):
        pixels = views[first : first + BATCH] * scale + offset
        for name, prepare in ranges.items():
            batches[name].append([_numbers(part) for part in stem(prepare(pixels))])
    pooled = {}
    for name, parts in batches.items():
        means, variances = (np.concatenate(part).astype(np.float64) for part in zip(*parts, strict=True))
        pooled[name] = (means.mean(axis=0), variances.mean(axis=0) + means.var(axis=0))
    return pooled


def _hellinger(
    mean: Float[np.ndarray, "channels"],
    variance: Float[np.ndarray, "channels"],
    other_mean: Float[np.ndarray, "channels"],
    other_variance: Float[np.ndarray, "channels"],
) -> Float[np.ndarray, "channels"]:
    """Hellinger distance, in [0, 1], between two normal distributions for each channel."""
    both = variance + other_variance
    # Bhattacharyya coefficient of two normal distributions.
    overlap = np.sqrt(2 * np.sqrt(variance * other_variance) / both)
    overlap *= np.exp(-((mean - other_mean) ** 2) / (4 * both))
    return np.sqrt(np.clip(1 - overlap, 0, 1))


def _judge(declared: str, scores: dict[str, float]) -> InputRange:
    likely = next(iter(scores))
    best, own = scores[likely], scores[declared]
    suspicious = likely != declared and best <= GOOD_SCORE and own >= CLEARLY_BETTER * best
    if suspicious:
        words = (
            f"The weights were probably trained on pixels as {likely}, but the preprocessing gives them {declared}: "
            f"on these photos the first BatchNorm layer is {own:.2f} away from what it learned, and would be "
            f"{best:.2f} away. Take weights that belong to this backbone, or correct its preprocessing."
        )
    elif own <= GOOD_SCORE:
        words = (
            f"The preprocessing ({declared}) fits the weights: on these photos the first BatchNorm layer is only "
            f"{own:.2f} away from what it learned."
        )
    else:
        words = (
            "No verdict on the input range: these pictures are unlike those that the weights were trained on, whatever "
            f"the range (the nearest, {likely}, is {best:.2f} away; {GOOD_SCORE} or less would tell)."
        )
    return InputRange(declared, likely, scores, suspicious, words)


def _no_verdict(declared: str, reason: str) -> InputRange:
    return InputRange(declared, declared, {}, False, f"No verdict on the input range: {reason}.")


def _numbers(tensor: Any) -> np.ndarray:
    import keras

    return np.asarray(keras.ops.convert_to_numpy(tensor))
