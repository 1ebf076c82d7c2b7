"""How sure a number is: intervals for proportions, for means and for what has no formula, and the paired test."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Shaped

# Counts of so many photos fit a core's cache, in which scattered additions are ten times faster.
_COUNTS_AT_A_TIME = 2**17


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval of a proportion (Wilson 1927), within [0, 1]; of nothing observed it is
    all of [0, 1].

    >>> [round(end, 3) for end in wilson_interval(9, 10)]
    [0.596, 0.982]
    """
    from scipy.stats import binomtest

    if n == 0:
        return 0.0, 1.0
    interval = binomtest(int(successes), int(n)).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def wilson_score(share: float, n: int | float, quantile: float) -> tuple[float, float]:
    """Return Wilson's score interval (1927) of a share of n photos, which need be no whole number, within [0,
    1].

    >>> [round(end, 3) for end in wilson_score(0.9, 10, 1.96)]
    [0.596, 0.982]
    """
    square = quantile**2 / n
    middle = (share + square / 2) / (1 + square)
    half = np.sqrt(square * (share * (1 - share) + square / 4)) / (1 + square)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


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
    """Return how much more often a is right than b, photo by photo.

    The interval is Tango's score interval (1998), the p-value McNemar's exact two-sided one (1947).
    """
    from scipy.stats import binomtest

    n = len(correct_a)
    only_a, only_b = int((correct_a & ~correct_b).sum()), int((correct_b & ~correct_a).sum())
    discordant = only_a + only_b
    p = float(binomtest(only_a, discordant).pvalue) if discordant else 1.0
    return PairedDifference((only_a - only_b) / n, *tango_interval(only_a, only_b, n, confidence), p, n)


def tango_interval(
    only_a: int | float,
    only_b: int | float,
    n: int | float,
    confidence: float = 0.95,
    *,
    quantile: float | None = None,
) -> tuple[float, float]:
    """Return Tango's score interval (1998) of the difference of two shares of the same n photos, within [-1,
    1].

    The differences that a score test, with the nuisance share at its restricted maximum of likelihood, does not refuse.

    Args:
        only_a, only_b: how many photos a alone and b alone has right; with n, they need be no whole numbers.
        confidence: of the interval.
        quantile: in place of the normal one.

    >>> [round(end, 3) for end in tango_interval(12, 4, 100)]
    [0.002, 0.166]
    """
    from scipy.optimize import brentq
    from scipy.stats import norm

    z = norm.ppf((1 + confidence) / 2) if quantile is None else quantile
    found = (only_a - only_b) / n

    def score(difference: float) -> float:
        linear = (2 * n - only_a + only_b) * difference - only_a - only_b
        product = -only_b * difference * (1 - difference)
        share_b = (np.sqrt(max(linear**2 - 8 * n * product, 0.0)) - linear) / (4 * n)
        variance = n * (2 * share_b + difference * (1 - difference))
        gap = n * (found - difference)
        return 0.0 if gap == 0 else gap / np.sqrt(max(variance, 1e-12 * n))

    # At -1 and 1 themselves there is no variance.
    edge = 1 - 1e-9
    low = brentq(lambda d: score(d) - z, -edge, found) if found > -edge and score(-edge) > z else -1.0
    high = brentq(lambda d: score(d) + z, found, edge) if found < edge and score(edge) < -z else 1.0
    return float(low), float(high)


def paired_bootstrap(
    correct_a: Shaped[np.ndarray, "n"],
    correct_b: Shaped[np.ndarray, "n"],
    *,
    resamples: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Percentile interval of accuracy of a minus accuracy of b, from resamples of the photos (Efron 1979).

    Of each photo whether it was classified correctly, or the share of several trainings that did.
    """
    gaps = correct_a.astype(np.float32) - correct_b.astype(np.float32)
    sums = np.concatenate([part[:, 0] for part in resampled_sums(gaps[:, None], resamples, seed)])
    return bootstrap_interval(float(gaps.mean()), sums / len(gaps), confidence)


def paired_permutation(
    shares_a: Float[np.ndarray, "n"],
    shares_b: Float[np.ndarray, "n"],
    *,
    resamples: int = 9_999,
    seed: int = 0,
) -> float:
    """Two-sided p of the mean difference of a and b on the same photos, the two exchanged at random within each photo
    (Fisher 1935): of all ways to do so, or of `resamples` where these are more.

    >>> paired_permutation(np.array([1.0, 1.0, 0.5]), np.array([0.0, 0.0, 0.0]))
    0.25
    """
    from scipy.stats import permutation_test

    def mean(a, b, axis):
        return (a - b).mean(axis=axis)

    differing = shares_a != shares_b
    # Of one photo both ways are as extreme as what was found, and SciPy wants two.
    if differing.sum() < 2:
        return 1.0
    found = permutation_test(
        (shares_a[differing], shares_b[differing]),
        mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        batch=max(1, _COUNTS_AT_A_TIME // int(differing.sum())),
        rng=np.random.default_rng(seed),
    )
    return float(min(1.0, found.pvalue))


def corrected_resampled_t(
    differences: Sequence[float], num_train: int, num_test: int, confidence: float = 0.95
) -> tuple[float, float, float, float]:
    """Mean difference over repeated random splits, its interval and two-sided p (Nadeau and Bengio 2003).

    The training sets of repeated splits overlap, so their differences vary less than those of fresh samples would. The
    variance of the mean counts as (1 / J + num_test / num_train) times that of the J differences.

    Args:
        differences: one a split, two or more; of equal ones the interval has no width, and p is 1 or 0.
        num_train, num_test: photos of a split's training and test part.

    Returns:
        Mean, lower and upper end, p.

    >>> [round(value, 3) for value in corrected_resampled_t([0.01, 0.02, 0.03], 80, 10)]
    [0.02, -0.009, 0.049, 0.098]
    """
    # Student's t as bare functions: scipy.stats takes half a millisecond for each, and a study has thousands of pairs.
    from scipy.special import stdtr, stdtrit

    if len(differences) < 2:
        raise ValueError("differences of two splits or more are needed to know how they vary")
    mean, degrees = float(np.mean(differences)), len(differences) - 1
    variance = np.var(differences, ddof=1) * (1 / len(differences) + num_test / num_train)
    if variance == 0:
        return mean, mean, mean, float(mean == 0)
    error = float(np.sqrt(variance))
    half = float(stdtrit(degrees, (1 + confidence) / 2)) * error
    return mean, mean - half, mean + half, float(2 * stdtr(degrees, -abs(mean) / error))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for being several, in their order (Holm 1979): each stays below alpha only as
    alpha allows.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    raised = np.minimum(1.0, np.maximum.accumulate(np.asarray(p_values, float)[order] * factors))
    adjusted = np.empty(len(p_values))
    adjusted[order] = raised
    return [float(value) for value in adjusted]


def photos_needed(only_a: float, only_b: float, *, power: float = 0.8, level: float = 0.05) -> int | None:
    """Return how many test photos McNemar's test needs to tell two classifiers apart (Connor 1987).

    Args:
        only_a, only_b: shares of photos on which one alone is right, as they truly are.
        power: chance of telling them apart.
        level: chance of telling apart what is the same.

    Returns:
        The number of photos; None where the shares are equal: no number is enough.

    >>> photos_needed(0.04, 0.02)
    1175
    """
    from scipy.stats import norm

    gap, discordant = abs(only_a - only_b), only_a + only_b
    if gap == 0:
        return None
    reach = norm.ppf(1 - level / 2) * np.sqrt(discordant) + norm.ppf(power) * np.sqrt(discordant - gap**2)
    return int(np.ceil((reach / gap) ** 2))


def resampled_sums(columns: Any, resamples: int, seed: int) -> Iterator[Float[np.ndarray, "some m"]]:
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
    """Return the interval of a value from its bootstrap resamples; it always holds the value itself.

    Percentile interval (Efron 1979), or where `basic` the reflected one (Davison and Hinkley 1997), for statistics
    that resampling pushes to one side.
    """
    tail = (1 - confidence) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail])
    if basic:
        low, high = 2 * value - high, 2 * value - low
    return float(min(low, value)), float(max(high, value))
