"""The files of ImageNet weights that keras.applications publishes: in a mirror, where Keras keeps them, or fetched."""

import sys
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from budwood.backbones.preprocessing import IMAGENET_MEAN, IMAGENET_STD, standardised
from budwood.backbones.weights import (
    MIRROR,
    LayerWeights,
    WeightsLocation,
    digest,
    mirrored,
    read_h5,
    refuse_unlike,
)
from budwood.core.errors import MissingWeightsError
from budwood.core.home import keras_home


@dataclass(frozen=True)
class KerasDownload:
    """One network's published file, without the classifier."""

    address: str
    """Where Keras fetches it."""
    hash: str | None = None
    """MD5 or SHA-256 of the file in hexadecimal, as Keras has it; None where Keras has none."""
    kept_as: str = ""
    """Its name on disk, where that is another than in the address."""

    @property
    def file(self) -> str:
        return self.kept_as or self.address.rpartition("/")[2]

    def read(self) -> LayerWeights:
        path = mirrored(self.file)
        if path is not None:
            # What somebody laid out on purpose is never replaced without a word.
            refuse_unlike(path, self.hash, f"fetch it again from {self.address}")
            return read_h5(path)
        return read_h5(self._kept if self._is_kept() else self._fetched())

    def read_file(self, path: Path) -> LayerWeights:
        return read_h5(path)

    def is_here(self) -> bool:
        return mirrored(self.file) is not None or self._kept.is_file()

    def where(self) -> WeightsLocation:
        if (path := mirrored(self.file)) is not None:
            return WeightsLocation("in the mirror", path)
        if self._kept.is_file():
            return WeightsLocation("downloaded", self._kept)
        return WeightsLocation("not downloaded", name=self.file, remedy="Keras fetches it on first use")

    @property
    def _kept(self) -> Path:
        return keras_home() / "models" / self.file

    def _is_kept(self) -> bool:
        """Return whether Keras has the file whole; one that was cut short it fetches anew, and so do we."""
        return self._kept.is_file() and (self.hash is None or digest(self._kept, self.hash) == self.hash)

    def _fetched(self) -> Path:
        import keras

        damaged = f" ({self._kept} was damaged)" if self._kept.is_file() else ""
        try:
            # Its progress bar would stand among the results.
            with redirect_stdout(sys.stderr):
                self._kept.parent.mkdir(parents=True, exist_ok=True)
                place = str(self._kept.parent.parent)
                return Path(
                    keras.utils.get_file(
                        self.file, self.address, cache_dir=place, cache_subdir="models", file_hash=self.hash
                    )
                )
        # Keras raises plain Exception when a download fails.
        except Exception as error:
            raise MissingWeightsError(
                f"the ImageNet weights {self.file} are not here{damaged} and could not be downloaded ({error}). "
                f"Fetch {self.address} where there is a network; then put it as {self.file} in {self._kept.parent} or "
                f"in a directory that the environment variable {MIRROR} names, or give it with `--weights FILE`."
            ) from error


class EfficientNetDownload(KerasDownload):
    """Of the first EfficientNets, whose files also hold what normalises the pixels.

    Keras keeps standard deviations where it expects variances, and makes up for that by a further layer that it adds
    for the literal `weights="imagenet"` alone: the same weights given as a file meet pixels at half their contrast.
    """

    def read(self) -> LayerWeights:
        return _normalised_as_told(super().read(), imagenet=True)

    def read_file(self, path: Path) -> LayerWeights:
        return _normalised_as_told(super().read_file(path))


def _normalised_as_told(weights: LayerWeights, imagenet: bool = False) -> LayerWeights:
    """Return the weights without their normalization, which becomes the preprocessing that they ask for."""
    arrays = dict(weights.arrays)
    # Keras numbers unnamed layers: it may be "normalization_1".
    found = next((name for name in arrays if name.startswith("normalization")), None)
    if found is None:
        return weights
    mean, variance, *_ = (np.ravel(array).astype(np.float64) for array in arrays.pop(found))
    deviation = np.sqrt(variance)
    # Weights from elsewhere than ImageNet have never seen the further layer.
    if imagenet or np.allclose(mean, IMAGENET_MEAN, atol=1e-3):
        deviation = deviation * np.sqrt(IMAGENET_STD)
    preprocess = partial(standardised, mean=tuple(mean), deviation=tuple(deviation))
    return replace(weights, arrays=arrays, preprocess=preprocess)
