"""How like the known photos a picture is, from its features: when to say "none of these", and which are nearest."""

import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Float32, Int

from budwood.core.errors import RunError, refuse_bad_share
from budwood.core.files import whole_file

Method = Literal["knn", "mahalanobis"]
METHODS: tuple[Method, ...] = get_args(Method)
DEFAULT: Method = "knn"
"""The better one near the known classes, and as good as the other far from them (docs/experiments/log.md)."""
ACCEPTANCE = 0.98
"""Share of photos of the known classes that are accepted as such, unless something else is asked for."""
NEIGHBOURS = 2


def num_learned(classes: int) -> int:
    """Return the number of training photos whose features are kept: 500, or ten for each class if that is more.

    >>> num_learned(5), num_learned(525)
    (500, 5250)
    """
    return max(500, 10 * classes)


def fewest_held_out(acceptance: float = ACCEPTANCE) -> int:
    """Return how many held-out photos it takes for a threshold that need not be estimated.

    >>> fewest_held_out(), fewest_held_out(0.9), fewest_held_out(1.0)
    (49, 9, 0)
    """
    return 0 if acceptance == 1 else math.ceil(acceptance / (1 - acceptance) - 1e-9)


@dataclass(frozen=True)
class Reference:
    """What is known of known photos: features of some that were learned from, and of some that were not."""

    learned: Float32[np.ndarray, "n features"]
    """Of photos that were learned from."""
    labels: Int[np.ndarray, "n"]
    """The class numbers of these photos."""
    held_out: Float32[np.ndarray, "m features"]
    """The features of photos of the same classes that were not learned from."""
    names: tuple[str, ...] = ()
    """The names of the photos that were learned from; none in a file of an earlier version."""
    thumbnails: tuple[bytes, ...] = ()
    """Small JPEGs of the same photos, so that they can be shown where the photos are not."""
    alike: bool = False
    """Whether the features took nothing from the labels: a photo that was learned from then lies as far from the others
    as a new one does, and shows as well as a held-out one how far that is."""

    def nearest(
        self, features: Float[np.ndarray, "k features"], number: int
    ) -> tuple[Int[np.ndarray, "k number"], Float[np.ndarray, "k number"]]:
        """Return the photos learned from that are most like each picture, by cosine similarity: places, and
        similarities.

        >>> known = Reference(np.eye(3, dtype=np.float32), np.arange(3), np.eye(3, dtype=np.float32))
        >>> places, similarities = known.nearest(np.array([[0.0, 3.0, 4.0]]), 2)
        >>> places.tolist(), similarities.round(2).tolist()
        ([[2, 1]], [[0.8, 0.6]])
        """
        similar = _unit(features) @ self.directions.T
        places = np.argsort(-similar, axis=1, kind="stable")[:, :number]
        return places, np.take_along_axis(similar, places, axis=1)

    def distance(
        self, features: Float[np.ndarray, "k features"], method: Method = DEFAULT
    ) -> Float[np.ndarray, "k"]:
        """Return how far each picture lies from the photos that were learned from, from its features.

        All features are first brought to length 1: their length says how strongly something is seen, the direction
        what it is (Mueller and Hein 2025).

        "knn": 1 minus the cosine similarity to the second nearest photo (Sun et al. 2022), in [0, 2].
        "mahalanobis": squared Mahalanobis distance to the nearest class mean, with one covariance for all classes (Lee
        et al. 2018), shrunk as Ledoit and Wolf (2004) have it.

        >>> known = Reference(np.eye(8, dtype=np.float32), np.arange(8) % 2, np.eye(8, dtype=np.float32))
        >>> bool(known.distance(np.ones((1, 8)))[0] > 0.6)
        True
        """
        pictures = _unit(features)
        if method == "knn":
            similar = pictures @ self.directions.T
            return 1.0 - np.partition(similar, -self.nth, axis=1)[:, -self.nth]
        means, precision = self._gaussians
        apart = pictures[:, None] - means[None]
        return np.einsum("kcf,kcf->kc", apart @ precision, apart).min(axis=1)

    def threshold(self, acceptance: float = ACCEPTANCE, method: Method = DEFAULT) -> float:
        """Return the distance beyond which a picture is none of these, for a share of known photos that are
        to be known.

        A new photo of the known classes lies within it with this probability, where there are held-out photos enough:
        it is the ceil((m + 1) · acceptance)-th smallest of their distances (conformal prediction, Vovk et al. 2005).
        With fewer, the photos learned from are asked too where they are `alike`, each without itself (as in Barber et
        al. 2021, jackknife+); with fewer of all these it is the prediction limit of a log-normal distribution, and no
        less than their largest one.

        Args:
            acceptance: in (0, 1]; 1 tells no picture from the known ones.
        """
        refuse_bad_share("acceptance", acceptance, ACCEPTANCE)
        return (
            math.inf
            if acceptance == 1
            else threshold_among(self._known_distances(method, acceptance), acceptance)
        )

    def farther_than(self, distance: float, method: Method = DEFAULT) -> float:
        """Return the share of the held-out photos that lie nearer than a distance, in [0, 1].

        >>> known = Reference(np.eye(4, dtype=np.float32)[:2], np.arange(2), np.eye(4, dtype=np.float32))
        >>> known.farther_than(2.0), known.farther_than(0.0)
        (1.0, 0.0)
        """
        return float((self._held_out_distances(method) < distance).mean())

    def lacks(self, acceptance: float = ACCEPTANCE) -> int:
        """Return how many photos more it would take before the threshold need not be estimated.

        >>> Reference(np.eye(3, dtype=np.float32), np.arange(3), np.eye(3, dtype=np.float32)).lacks(0.9)
        6
        """
        return max(0, fewest_held_out(acceptance) - len(self._known_distances(DEFAULT, acceptance)))

    def save(self, file: Path) -> None:
        """Write it as float16: more precision would change no distance that matters."""
        with whole_file(file) as aside, aside.open("wb") as stream:
            np.savez(
                stream,
                learned=_unit(self.learned).astype(np.float16),
                labels=self.labels.astype(np.int32),
                held_out=_unit(self.held_out).astype(np.float16),
                # As bytes: an array of names would be a pickle, or as wide as the longest.
                names=np.frombuffer(json.dumps(self.names).encode("ascii"), np.uint8),
                thumbnails=np.frombuffer(b"".join(self.thumbnails), np.uint8),
                thumbnail_bytes=np.array([len(one) for one in self.thumbnails], np.int64),
                alike=np.array(self.alike),
            )

    @classmethod
    def load(cls, file: Path) -> "Reference":
        """Raise RunError where the file is missing or damaged."""
        try:
            with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
                parts = arrays["learned"], arrays["labels"], arrays["held_out"]
                names, thumbnails = _read_pictures(arrays) if "names" in arrays else ((), ())
                alike = bool(arrays["alike"]) if "alike" in arrays else False
        except OSError as error:
            raise RunError(
                f"cannot read {file}: {error.strerror}. Copy the run again, or train again"
            ) from error
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            # NumPy's own words would tell the reader to trust pickles.
            raise RunError(f"{file} is damaged. Copy the run again, or train again") from error
        return cls(
            parts[0].astype(np.float32),
            parts[1].astype(np.int64),
            parts[2].astype(np.float32),
            names,
            thumbnails,
            alike,
        )

    @property
    def nth(self) -> int:
        """Which of the nearest photos "knn" goes by, from 1 up."""
        return min(NEIGHBOURS, len(self.learned))

    @cached_property
    def directions(self) -> Float32[np.ndarray, "n features"]:
        """Features of the photos learned from, brought to length 1."""
        return _unit(self.learned)

    @cached_property
    def _gaussians(self) -> tuple[np.ndarray, np.ndarray]:
        from sklearn.covariance import ledoit_wolf

        rows = self.directions.astype(np.float64)
        numbers = np.unique(self.labels)
        means = np.stack([rows[self.labels == number].mean(axis=0) for number in numbers])
        around = rows - means[np.searchsorted(numbers, self.labels)]
        covariance, _ = ledoit_wolf(around, assume_centered=True)
        # One photo a class has no spread at all; all directions count alike then.
        scale = np.trace(covariance) / len(covariance) or 1.0
        return means, np.linalg.inv(covariance + 1e-6 * scale * np.eye(len(covariance)))

    def _held_out_distances(self, method: Method) -> Float[np.ndarray, "m"]:
        if method not in self._known:
            self._known[method] = np.sort(self.distance(self.held_out, method))
        return self._known[method]

    def _known_distances(self, method: Method, acceptance: float) -> Float[np.ndarray, "m"]:
        held_out = self._held_out_distances(method)
        # Class means and covariance know each photo that was learned from; its neighbours do not.
        few = len(held_out) < fewest_held_out(acceptance)
        if not (few and self.alike and method == "knn" and len(self.learned) > NEIGHBOURS):
            return held_out
        similar = self.directions @ self.directions.T
        np.fill_diagonal(similar, -np.inf)
        apart = 1.0 - np.partition(similar, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS]
        return np.sort(np.concatenate([held_out, apart]))

    @cached_property
    def _known(self) -> dict[str, np.ndarray]:
        return {}


def threshold_among(known: Float[np.ndarray, "m"], acceptance: float) -> float:
    """Return the threshold of `Reference.threshold` for the distances of known photos, the nearest first.

    >>> threshold_among(np.arange(1.0, 100.0), 0.98)
    98.0
    """
    # Less a rounding error, which must not ask for one photo more.
    rank = math.ceil((len(known) + 1) * acceptance - 1e-9)
    if rank <= len(known):
        return float(known[rank - 1])
    if len(known) < 2:
        return math.inf
    from scipy.stats import t

    logs = np.log(np.maximum(known, 1e-6))
    width = t.ppf(acceptance, len(known) - 1) * logs.std(ddof=1) * math.sqrt(1 + 1 / len(known))
    return max(float(known[-1]), float(np.exp(logs.mean() + width)))


@dataclass(frozen=True)
class OodFigures:
    """How well a distance separates out-of-distribution pictures from photos of the known classes."""

    auroc: float
    """Chance that an out-of-distribution picture lies further away than a known one; 0.5 is guessing."""
    known: int
    """How many photos of the known classes there were."""
    ood: int
    """How many out-of-distribution pictures there were."""
    known_accepted: float
    """Share of the known photos that are within the threshold."""
    ood_accepted: float
    """Share of the out-of-distribution pictures that are within the threshold."""


def measure_ood(known: Float[np.ndarray, "n"], ood: Float[np.ndarray, "m"], threshold: float) -> OodFigures:
    """Return how well a threshold separates distances of known photos from those of other pictures.

    >>> measure_ood(np.array([0.1, 0.2, 0.5]), np.array([0.4, 0.6]), threshold=0.5)
    OodFigures(auroc=0.8333333333333334, known=3, ood=2, known_accepted=1.0, ood_accepted=0.5)
    """
    from sklearn.metrics import roc_auc_score

    is_ood = np.concatenate([np.zeros(len(known)), np.ones(len(ood))])
    return OodFigures(
        float(roc_auc_score(is_ood, np.concatenate([known, ood]))),
        len(known),
        len(ood),
        float((known <= threshold).mean()),
        float((ood <= threshold).mean()),
    )


def _read_pictures(arrays: Mapping[str, np.ndarray]) -> tuple[tuple[str, ...], tuple[bytes, ...]]:
    sizes = arrays["thumbnail_bytes"]
    ends = np.cumsum(sizes)
    joined = arrays["thumbnails"].tobytes()
    names = tuple(json.loads(arrays["names"].tobytes()))
    return names, tuple(joined[start:end] for start, end in zip(ends - sizes, ends, strict=True))


def _unit(features: Float[np.ndarray, "n features"]) -> Float[np.ndarray, "n features"]:
    lengths = np.linalg.norm(features.astype(np.float32), axis=1, keepdims=True)
    return features / np.maximum(lengths, np.finfo(np.float32).tiny)
