"""The path of the linear head against scikit-learn's, on features that are made up.

    PYTHONPATH=src python -m benchmarks.linear_probe [PHOTOS FEATURES CLASSES]     some minutes

Both fit the same folds at the same strengths, one BLAS thread each, one fold after the other; scikit-learn starts each
fit from the last one's solution, at the tolerance that this project used with it. CPU seconds are compared: read the
ratio, not the seconds.
"""

import sys
import time
import warnings

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from budwood.training.cross_validation import assign_folds, moments
from budwood.training.linear_probe import fit_linear

SIZES = (900, 640, 150)
"""A third of birds525, so that scikit-learn's part takes a minute."""


def main() -> None:
    n, features, classes = (int(size) for size in sys.argv[1:4]) if len(sys.argv) > 3 else SIZES
    x, y = make_features(n, features, classes)
    started = time.process_time()
    found = fit_linear(x, y, classes)
    own = time.process_time() - started
    strengths = [point.strength for point in found.path]
    started = time.process_time()
    losses = sklearn_path(x, y, classes, strengths)
    theirs = time.process_time() - started
    for point, loss in zip(found.path, losses, strict=True):
        print(f"strength {point.strength:.3g}: loss {point.loss:.3f}, scikit-learn {loss:.3f}")
    print(f"{n:,} photos, {features:,} features, {classes:,} classes, {len(strengths)} strengths")
    print(
        f"own {own:.1f} CPU s with the final fit, scikit-learn {theirs:.1f} CPU s: {theirs / own:.1f} times"
    )


def make_features(n: int, features: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return features whose variances fall off as a network's do, and labels."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % classes
    spread = np.geomspace(1, 0.03, features)
    hidden = rng.normal(size=(classes, features))[labels] + 1.5 * rng.normal(size=(n, features))
    mixed = (hidden * spread) @ np.linalg.qr(rng.normal(size=(features, features)))[0]
    return mixed.astype(np.float32), labels


def sklearn_path(x: np.ndarray, y: np.ndarray, classes: int, strengths: list[float]) -> list[float]:
    """Return the cross-validated loss of each strength."""
    mean, scale = moments(x)
    scaled = ((x - mean) / scale).astype(np.float32)
    fold_of, losses = assign_folds(y, 5, 0), np.zeros((len(strengths), len(y)))
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for fold in range(5):
            rest, held_out = fold_of != fold, fold_of == fold
            model = LogisticRegression(warm_start=True, max_iter=1000)
            for place, strength in enumerate(strengths):
                tolerance = 0.03 * np.sqrt(min(strength, 0.1)) / classes
                model.set_params(C=1 / (strength * rest.sum()), tol=tolerance).fit(scaled[rest], y[rest])
                logs = model.predict_log_proba(scaled[held_out])
                losses[place, held_out] = -logs[np.arange(held_out.sum()), y[held_out]]
    return losses.mean(axis=1).tolist()


if __name__ == "__main__":
    main()
