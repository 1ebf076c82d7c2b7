"""How sure a number is: intervals for proportions, for means and for what has no formula, and the paired test."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

# Counts of so many photos fit a core's cache, in which scattered additions are ten times faster.
_COUNTS_AT_A_TIME = 2**17


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion (Wilson 1927), within [0, 1]; of nothing observed it is all of [0, 1].

    >>> [round(end, 3) for end in wilson_interval(9, 10)]
    [0.596, 0.982]
    """
    from scipy.stats import binomtest

    if n == 0:
        return 0.0, 1.0
    interval = binomtest(int(successes), int(n)).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float, float]:
    """Mean, lower and upper end of Student's t interval, such as of the accuracies of five split seeds.

    One value says nothing of the spread: its interval is infinite.

    >>> mean_interval([0.90, 0.91, 0.92])[0]
    0.91
    """
    from scipy.stats import t

    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, -np.inf, np.inf
    half = t.ppf((1 + confidence) / 2, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return mean, float(mean - half), float(mean + half)


@dataclass(frozen=True)
class PairedDifference:
    """Accuracy of a minus accuracy of b on the same photos, with its interval and test."""

    difference: float
    low: float
    high: float
    p: float
    n: int


def paired_difference(
    correct_a: Bool[np.ndarray, "n"], correct_b: Bool[np.ndarray, "n"], confidence: float = 0.95
) -> PairedDifference:
    """How much more often a is right than b, photo by photo.

    The interval is Bonett and Price's adjusted Wald (2012), the p-value McNemar's exact two-sided one (1947).
    """
    from scipy.stats import binomtest, norm

    n = len(correct_a)
    only_a, only_b = int((correct_a & ~correct_b).sum()), int((correct_b & ~correct_a).sum())
    discordant = only_a + only_b
    p = float(binomtest(only_a, discordant).pvalue) if discordant else 1.0
    share_a, share_b = (only_a + 1) / (n + 2), (only_b + 1) / (n + 2)
    middle = share_a - share_b
    half = norm.ppf((1 + confidence) / 2) * np.sqrt((share_a + share_b - middle**2) / (n + 2))
    low, high = max(-1.0, float(middle - half)), min(1.0, float(middle + half))
    return PairedDifference((only_a - only_b) / n, low, high, p, n)


def resampled_sums(columns, resamples: int, seed: int) -> Iterator[Float[np.ndarray, "some m"]]:
    """Column sums over bootstrap resamples of the rows, some resamples at a time (Efron 1979).

    How often each row is drawn is a multinomial count; the sums are one product with the counts. Memory is a few
    megabytes (and the sums), time about n * resamples * 10 ns.

    Args:
        columns: dense or SciPy sparse array, (n, m): what is to be summed, a row a photo.
        resamples: how many times n rows are drawn with replacement.
        seed: decides the draws.

    Yields:
        float32 sums, a row a resample, `resamples` rows in all.
    """
    from scipy.sparse import csr_array

    rng = np.random.default_rng(seed)
    n = columns.shape[0]
    transposed = csr_array(columns.T, dtype=np.float32)
    at_a_time = max(1, _COUNTS_AT_A_TIME // n)
    for first in range(0, resamples, at_a_time):
        some = min(at_a_time, resamples - first)
        drawn = rng.integers(n, size=(n, some), dtype=np.int32) * np.int64(some)
        drawn += np.arange(some)
        counts = np.bincount(drawn.ravel(), minlength=n * some).astype(np.float32)
        yield (transposed @ counts.reshape(n, some)).T


def bootstrap_interval(
    value: float, resampled: Float[np.ndarray, "resamples"], confidence: float = 0.95, *, basic: bool = False
) -> tuple[float, float]:
    """The interval of a value from its bootstrap resamples; it always holds the value itself.

    Percentile interval (Efron 1979), or where `basic` the reflected one (Davison and Hinkley 1997), for statistics
    that resampling pushes to one side.
    """
    tail = (1 - confidence) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail])
    if basic:
        low, high = 2 * value - high, 2 * value - low
    return float(min(low, value)), float(max(high, value))
