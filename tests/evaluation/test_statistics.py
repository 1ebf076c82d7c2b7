import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import minimize_scalar
from scipy.special import xlogy
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

from budwood.evaluation.statistics import (
    bootstrap_interval,
    corrected_resampled_t,
    holm,
    mean_interval,
    paired_bootstrap,
    paired_difference,
    paired_permutation,
    photos_needed,
    resampled_sums,
    tango_interval,
    wilson_interval,
)


@pytest.mark.parametrize(("successes", "n"), [(0, 1), (1, 1), (0, 20), (331, 367), (367, 367)])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_wilson_interval__equals_statsmodels(successes, n, confidence):
    expected = proportion_confint(successes, n, alpha=1 - confidence, method="wilson")
    np.testing.assert_allclose(wilson_interval(successes, n, confidence), expected, atol=1e-9)


def test_wilson_interval__nothing_observed():
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_wilson_interval__covers_the_truth():
    n, truth = 367, 0.93
    chance = stats.binom.pmf(np.arange(n + 1), n, truth)
    covered = [low <= truth <= high for low, high in (wilson_interval(hits, n) for hits in range(n + 1))]
    assert 0.94 < chance[covered].sum() < 0.965


def test_mean_interval__equals_statsmodels():
    values = [0.91, 0.93, 0.90, 0.925, 0.915]
    mean, low, high = mean_interval(values)
    assert mean == pytest.approx(np.mean(values))
    np.testing.assert_allclose((low, high), DescrStatsW(values).tconfint_mean(alpha=0.05))


def test_mean_interval__one_value_says_nothing_of_the_spread():
    assert mean_interval([0.9]) == (0.9, -np.inf, np.inf)


def test_paired_difference__p_equals_statsmodels_mcnemar():
    rng = np.random.default_rng(0)
    a, b = rng.random(300) < 0.9, rng.random(300) < 0.85
    found = paired_difference(a, b)
    table = [[(a & b).sum(), (a & ~b).sum()], [(~a & b).sum(), (~a & ~b).sum()]]
    assert found.p == pytest.approx(mcnemar(table, exact=True).pvalue)
    assert found.difference == pytest.approx(a.mean() - b.mean())
    assert found.n == 300


def test_paired_difference__equal_predictions():
    same = np.array([True, False, True])
    found = paired_difference(same, same)
    assert (found.difference, found.p) == (0.0, 1.0)
    assert found.low < 0 < found.high


@pytest.mark.parametrize(
    ("only_a", "only_b", "n"),
    [(0, 0, 1), (0, 0, 50), (1, 0, 44), (12, 4, 100), (3, 9, 30), (30, 0, 30), (0, 25, 30), (15, 15, 30)],
)
def test_tango_interval__is_the_score_test_inverted(only_a, only_b, n):
    """Against the test as it is defined: the likelihood maximised by numbers, not by Tango's formula."""

    def refused(difference):
        def loss(share_b):
            shares = [share_b + difference, share_b, 1 - 2 * share_b - difference]
            return -sum(
                xlogy(k, share)
                for k, share in zip((only_a, only_b, n - only_a - only_b), shares, strict=True)
            )

        low, high = max(0.0, -difference), (1 - difference) / 2
        share_b = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
        variance = n * (2 * share_b + difference - difference**2)
        return abs(only_a - only_b - n * difference) > stats.norm.ppf(0.975) * np.sqrt(variance)

    low, high = tango_interval(only_a, only_b, n)
    assert -1 <= low <= (only_a - only_b) / n <= high <= 1
    for inside, outside in ((low + 2e-5, low - 2e-5), (high - 2e-5, high + 2e-5)):
        if abs(inside) < 1 and abs(outside) < 1:
            assert not refused(inside) and refused(outside)


@given(only_a=st.integers(0, 40), only_b=st.integers(0, 40), neither=st.integers(0, 400))
def test_tango_interval__any_table(only_a, only_b, neither):
    n = max(1, only_a + only_b + neither)
    low, high = tango_interval(only_a, only_b, n)
    assert -1 <= low <= (only_a - only_b) / n <= high <= 1
    np.testing.assert_allclose(tango_interval(only_b, only_a, n), (-high, -low), atol=1e-9)


def test_paired_difference__covers_the_truth():
    rng = np.random.default_rng(1)
    outcomes = rng.choice(4, size=(500, 367), p=[0.87, 0.06, 0.03, 0.04])  # both, only a, only b, neither
    found = [paired_difference(np.isin(one, [0, 1]), np.isin(one, [0, 2])) for one in outcomes]
    assert 0.925 < np.mean([pair.low <= 0.03 <= pair.high for pair in found]) <= 0.98


def test_resampled_sums__have_the_moments_of_the_bootstrap():
    values = np.random.default_rng(2).normal(size=(500, 2))
    chunks = list(resampled_sums(values, 4000, seed=0))
    sums = np.concatenate(chunks)
    assert sums.shape == (4000, 2)
    assert len(chunks) > 1
    np.testing.assert_allclose(sums.mean(axis=0), values.sum(axis=0), atol=2)
    np.testing.assert_allclose(
        np.cov(sums.T), np.cov(values.T, ddof=0) * 500, rtol=0.15, atol=0.06 * 500 * values.var()
    )


def test_resampled_sums__draw_as_many_rows_as_there_are():
    for sums in resampled_sums(np.ones((7, 1)), 1000, seed=0):
        assert (sums == 7).all()


def test_resampled_sums__seed_decides():
    values = np.random.default_rng(2).normal(size=(50, 1))
    first, again, other = (np.concatenate(list(resampled_sums(values, 100, seed))) for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()


def test_bootstrap_interval__is_the_percentile_interval():
    resampled = np.arange(1001) / 1000
    np.testing.assert_allclose(bootstrap_interval(0.5, resampled), (0.025, 0.975))
    np.testing.assert_allclose(
        bootstrap_interval(0.4, resampled, basic=True), (0.4 * 2 - 0.975, 0.4 * 2 - 0.025)
    )


def test_bootstrap_interval__holds_the_value():
    assert bootstrap_interval(0.1, np.full(100, 0.3)) == (0.1, 0.3)


@pytest.mark.parametrize("seed", range(5))
def test_holm__equals_statsmodels(seed):
    p_values = np.random.default_rng(seed).beta(0.3, 2, size=1 + seed * 3).tolist()
    np.testing.assert_allclose(holm(p_values), multipletests(p_values, method="holm")[1])


def test_corrected_resampled_t__without_overlap_is_the_plain_t_test():
    differences = [0.01, 0.03, -0.005, 0.02, 0.015]
    mean, low, high, p = corrected_resampled_t(differences, num_train=10**12, num_test=1)
    plain = stats.ttest_1samp(differences, 0.0)
    assert p == pytest.approx(plain.pvalue)
    np.testing.assert_allclose((low, high), plain.confidence_interval(), rtol=1e-6)
    assert mean == pytest.approx(np.mean(differences))


def test_corrected_resampled_t__overlap_widens_the_interval_by_the_ratio_of_the_split():
    differences = [0.01, 0.03, -0.005, 0.02, 0.015]
    mean, low, _, _ = corrected_resampled_t(differences, 80, 10)
    _, plain, _, _ = corrected_resampled_t(differences, 10**12, 1)
    assert (mean - low) / (mean - plain) == pytest.approx(np.sqrt((1 / 5 + 1 / 8) / (1 / 5)), rel=1e-6)


def test_corrected_resampled_t__equal_differences_have_no_width():
    assert corrected_resampled_t([0.25, 0.25], 8, 1) == (0.25, 0.25, 0.25, 0.0)
    assert corrected_resampled_t([0.0, 0.0], 8, 1)[3] == 1.0
    with pytest.raises(ValueError, match="two splits"):
        corrected_resampled_t([0.1], 8, 1)


def test_paired_permutation__of_single_trainings_is_the_sign_test():
    a, b = np.zeros(40), np.zeros(40)
    a[:9] = b[9:12] = 1.0
    expected = stats.binomtest(9, 12).pvalue
    assert paired_permutation(a, b) == pytest.approx(expected, abs=0.01)
    assert paired_permutation(a, a) == 1.0
    # One photo that differs says nothing.
    a[9], b[:] = 1.0, a
    b[9] = 2 / 3
    assert paired_permutation(a, b) == paired_permutation(b, a) == 1.0


def test_paired_permutation__calls_equal_things_different_no_more_often_than_it_may():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(300):
        ease = rng.random(60)
        shares = [(rng.random((3, 60)) < ease).mean(axis=0) for _ in range(2)]
        found.append(paired_permutation(*shares, resamples=399) < 0.05)
    # 5 % of 300, and three standard errors.
    assert np.mean(found) < 0.09


@pytest.mark.parametrize(
    ("only_a", "only_b"),
    [
        (0.06, 0.01),
        *(pytest.param(*shares, marks=pytest.mark.slow) for shares in ((0.04, 0.02), (0.10, 0.07))),
    ],
)
def test_photos_needed__gives_the_power_it_promises(only_a, only_b):
    n = photos_needed(only_a, only_b)
    rng = np.random.default_rng(0)
    counts = rng.multinomial(n, [only_a, only_b, 1 - only_a - only_b], size=2000)
    found = [stats.binomtest(int(a), int(a + b)).pvalue < 0.05 for a, b, _ in counts]
    # Connor's formula is for the test without continuity correction; the exact one is a little weaker.
    assert 0.74 < np.mean(found) < 0.84
    assert photos_needed(only_b, only_a) == n


def test_photos_needed__no_number_tells_equals_apart():
    assert photos_needed(0.03, 0.03) is None


@pytest.mark.parametrize("truth", [0.0, 0.03])
def test_paired_bootstrap__covers_the_truth(truth):
    rng, n, covered = np.random.default_rng(1), 400, 0
    for trial in range(200):
        kinds = rng.choice(3, size=n, p=[0.05 + truth, 0.05, 0.9 - truth])
        low, high = paired_bootstrap(kinds != 1, kinds != 0, resamples=500, seed=trial)
        covered += low <= truth <= high
    assert 0.90 <= covered / 200 <= 0.99
