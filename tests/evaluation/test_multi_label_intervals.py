"""Intervals: when there is one, and (slow) how often it holds the truth of simulated labels."""

import numpy as np
import pytest
from scipy.stats import norm

from benchmarks.label_intervals import best_edges, truth
from budwood.evaluation.groups import Grouping, share_interval
from budwood.evaluation.multi_label_metrics import compute_multi_label_metrics
from tests.evaluation.test_multi_label_metrics import HALF, simulate

OF_ALL = ("mean_average_precision", "macro_f1", "micro_f1", "exact_match", "hamming_loss", "loss", "ece")
OF_LABEL = ("precision", "recall", "f1", "roc_auc", "average_precision")


def test_intervals__hold_every_figure_and_shrink_with_the_photos():
    few, many = (compute_multi_label_metrics(*simulate(n, seed=8), HALF, resamples=400) for n in (150, 1500))
    pairs = [(few, many, name) for name in OF_ALL]
    pairs += [(a, b, name) for a, b in zip(few.per_label, many.per_label, strict=True) for name in OF_LABEL]
    for small, large, name in pairs:
        (low, high), value = getattr(small, f"{name}_ci95"), getattr(small, name)
        assert low <= value <= high and low < high
        narrow = getattr(large, f"{name}_ci95")
        assert 0.15 < (narrow[1] - narrow[0]) / (high - low) < 0.5, name


def test_intervals__of_shares_of_photos_are_wilsons():
    targets, chance, names = simulate(100, seed=9)
    found = compute_multi_label_metrics(targets, chance, names, HALF, resamples=100)
    has, said = targets == 1, chance >= 0.5
    assert found.exact_match_ci95 == share_interval((has == said).all(axis=1))
    assert found.per_label[2].recall_ci95 == share_interval(said[has[:, 2], 2])
    assert found.per_label[2].precision_ci95 == share_interval(has[said[:, 2], 2])


def test_intervals__of_fewer_than_five_photos_with_a_label_there_is_none():
    targets, chance, names = simulate(200, seed=10)
    for having in (4, 5):
        targets[:, 3] = np.arange(200) < having
        found = compute_multi_label_metrics(targets, chance, names, HALF, resamples=100)
        assert (found.per_label[3].average_precision_ci95 is None) == (having < 5)
        assert found.per_label[3].recall_ci95 is not None
        # Means are of labels of which the others have many.
        assert found.mean_average_precision_ci95 is not None
    rare = (np.arange(200) < 3)[:, None] * np.ones(4, np.float32)
    found = compute_multi_label_metrics(rare.astype(np.float32), chance, names, HALF, resamples=100)
    assert found.mean_average_precision is not None and found.mean_average_precision_ci95 is None
    assert found.macro_f1_ci95 is None and found.hamming_loss_ci95 is not None
    assert found.why_no_interval("macro_f1") == "few-photos-a-label"
    assert found.why_no_interval("hamming_loss") is None


def test_intervals__of_groups_that_answer_alike_are_as_wide_as_of_so_many_photos():
    targets, chance, names = simulate(120, seed=11)
    once = compute_multi_label_metrics(targets, chance, names, HALF, resamples=400)
    copied = [np.repeat(part, 4, axis=0) for part in (targets, chance)]
    groups = Grouping(np.arange(480) // 4)
    found = compute_multi_label_metrics(*copied, names, HALF, resamples=400, groups=groups)
    assert found.groups.num == 120
    for name in OF_ALL:
        assert getattr(found, name) == pytest.approx(getattr(once, name))
        widths = [np.ptp(getattr(one, f"{name}_ci95")) for one in (found, once)]
        assert widths[0] == pytest.approx(widths[1], rel=0.15), name
    for copies, alone in zip(found.per_label, once.per_label, strict=True):
        for name in OF_LABEL:
            # Of a share of photos in fewer than 20 groups there is none.
            if (ends := getattr(copies, f"{name}_ci95")) is None:
                assert name in ("precision", "recall", "f1") and copies.positives < 4 * 30
                continue
            widths = [np.ptp(one) for one in (ends, getattr(alone, f"{name}_ci95"))]
            assert 0.85 < widths[0] / widths[1] < 1.4, (copies.label, name)
    few = Grouping(np.arange(480) // 40)
    found = compute_multi_label_metrics(*copied, names, HALF, resamples=100, groups=few)
    assert all(getattr(found, f"{name}_ci95") is None for name in OF_ALL)
    assert all(getattr(found.per_label[0], f"{name}_ci95") is None for name in OF_LABEL)
    assert found.groups.accuracy_range[0] < found.exact_match < found.groups.accuracy_range[1]
    alone = Grouping(np.arange(120))
    assert compute_multi_label_metrics(targets, chance, names, HALF, resamples=400, groups=alone) == once


def test_intervals__have_a_width_where_every_answer_is_right():
    targets, _, names = simulate(100, seed=12)
    found = compute_multi_label_metrics(targets, np.abs(targets - 0.1), names, HALF, resamples=100)
    assert found.mean_average_precision == found.macro_f1 == 1
    assert 0.9 < found.mean_average_precision_ci95[0] < 1 and found.mean_average_precision_ci95[1] == 1
    assert found.per_label[3].f1_ci95[0] < found.mean_average_precision_ci95[0]


def test_intervals__say_why_there_is_none():
    targets, chance, names = simulate(12, seed=13)
    targets = (np.arange(12) < 2)[:, None] * np.ones(4, np.float32)
    found = compute_multi_label_metrics(targets.astype(np.float32), chance, names, HALF, resamples=50)
    assert found.no_interval == {
        "mean_average_precision": "few-photos-a-label",
        "macro_f1": "few-photos-a-label",
        "ece": "few-photos",
    }
    few = Grouping(np.arange(12) // 2)
    found = compute_multi_label_metrics(
        targets.astype(np.float32), chance, names, HALF, resamples=50, groups=few
    )
    assert set(found.no_interval) == set(OF_ALL) and set(found.no_interval.values()) == {"few-groups"}


def test_intervals__of_the_calibration_error_hold_the_true_one():
    """Of probabilities that are right it is 0, though chance makes one of 5 points."""
    rng = np.random.default_rng(0)
    held = []
    for _ in range(40):
        chance = rng.beta(1, 2, size=(100, 3))
        targets = (rng.random((100, 3)) < chance).astype(np.float32)
        found = compute_multi_label_metrics(targets, chance, list("abc"), HALF[:3], resamples=20)
        held.append(found.ece_ci95[0] == 0 and found.ece > 0.02)
    assert np.mean(held) > 0.9


def draw(rng, n, rates, gaps):
    """Photos whose labels and scores go together."""
    common = rng.normal(size=(2, n, 1)) * np.sqrt(0.3)
    latent, noise = common + np.sqrt(0.7) * rng.normal(size=(2, n, len(rates)))
    has = latent > norm.isf(rates)
    return has.astype(np.float32), norm.cdf(noise + has * gaps)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "rates", "gaps"),
    [
        (60, [0.2] * 5, [1.0, 2, 3, 2, 2]),
        (200, [0.25] * 5, [2.0] * 5),
        (200, [0.3, 0.2, 0.1, 0.05, 0.03], [1.0, 2, 3, 2, 1]),
        (1000, [0.02] * 5, [1.0, 2, 3, 2, 2]),
        (1000, [0.3, 0.01], [2.0, 2.0]),
        (400, [0.03] * 20, [2.0] * 20),
        (500, [0.02] * 60, [2.0] * 60),
    ],
)
def test_intervals__hold_the_truth_of_simulated_labels(n, rates, gaps):
    rates, gaps = np.array(rates), np.array(gaps)
    edges = best_edges(rates, gaps)
    true = dict(zip(("average_precision", "roc_auc", "f1"), truth(rates, gaps, edges), strict=False))
    rng, names = np.random.default_rng(0), [str(place) for place in range(len(rates))]
    held: dict[str, list[bool]] = {}
    for _ in range(250):
        targets, chance = draw(rng, n, rates, gaps)
        found = compute_multi_label_metrics(targets, chance, names, norm.cdf(edges), resamples=200)
        useful = [place for place, name in enumerate(names) if name not in found.without_mean]
        pairs = [("mean_average_precision", found, true["average_precision"][useful].mean())]
        pairs.append(("macro_f1", found, true["f1"][useful].mean()))
        pairs += [
            (name, one, true[name][place]) for name in true for place, one in enumerate(found.per_label[:5])
        ]
        for name, part, value in pairs:
            interval = getattr(part, f"{name}_ci95")
            if interval is not None:
                held.setdefault(name, []).append(interval[0] <= value <= interval[1])
    shares = {name: float(np.mean(hits)) for name, hits in held.items()}
    print(f"{n} photos, {len(rates)} labels: " + ", ".join(f"{k} {v:.3f}" for k, v in shares.items()))
    # The simulation's own error is 1.3 points.
    assert all(share > 0.915 for share in shares.values())
