import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from budwood.core.errors import DataError, RunError
from budwood.evaluation import thresholds as module
from budwood.evaluation.thresholds import choose_thresholds


def column(*values):
    return np.array(values, np.float32)[:, None]


def simulate(n, seed=0, rate=0.2, shift=0.0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(np.log(rate / (1 - rate)), 2, size=(n, 1))
    chance = 1 / (1 + np.exp(-logits))
    return (rng.random((n, 1)) < chance).astype(np.float32), 1 / (1 + np.exp(-logits - shift))


@given(st.integers(0, 2**32 - 1), st.sampled_from([5, 1000]))
def test_choose_thresholds__without_an_expectation_no_other_has_a_higher_f1(seed, levels):
    targets, chance = simulate(40, seed)
    chance = np.round(chance * levels) / levels
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "EXPECTED", 0.0)
        found = choose_thresholds(targets, chance, ["a"])
    if found.not_chosen:
        assert found.values == (0.5,)
        return
    best = max(f1(targets, chance, value) for value in np.unique(chance))
    assert f1_score(targets, chance >= found.values[0]) == pytest.approx(best)


def test_choose_thresholds__lies_between_the_scores_that_it_parts():
    found = choose_thresholds(column(1, 1, 0, 0), column(0.9, 0.7, 0.2, 0.1), ["a"])
    assert found.values == pytest.approx([0.45])


def test_choose_thresholds__of_few_photos_is_drawn_to_what_the_probabilities_expect():
    """Of 8 photos or so with the label; on 20,000 others the F1 is higher than at the best threshold of those."""
    others = simulate(20_000, 99, rate=0.01)
    gains = []
    for seed in range(40):
        targets, chance = simulate(200, seed, rate=0.01)
        drawn = choose_thresholds(targets, chance, ["a"]).values[0]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "EXPECTED", 0.0)
            own = choose_thresholds(targets, chance, ["a"]).values[0]
        gains.append(f1(*others, drawn) - f1(*others, own))
    assert np.mean(gains) > 0.01


def f1(targets, chance, threshold):
    said = chance >= threshold
    return 2 * (said * targets).sum() / (said.sum() + targets.sum())


def test_choose_thresholds__of_many_photos_a_wrong_expectation_hardly_counts():
    targets, chance = simulate(5_000, 1, shift=2.0)
    found = choose_thresholds(targets, chance, ["a"]).values[0]
    best = max(f1(targets, chance, value) for value in np.linspace(0.01, 0.99, 99))
    assert f1(targets, chance, found) > best - 0.01


def test_choose_thresholds__for_a_precision_takes_the_lowest_that_reaches_it():
    targets, chance = simulate(500, 3)
    found = choose_thresholds(targets, chance, ["a"], goal=0.8).values[0]
    hits = {value: targets[chance >= value] for value in [found, *np.unique(chance)]}
    assert hits[found].mean() >= 0.8
    assert hits[found].sum() == max(some.sum() for some in hits.values() if some.mean() >= 0.8)


def test_choose_thresholds__names_a_label_that_reaches_no_such_precision():
    targets = np.hstack([column(1, 0, 0, 1), column(0, 1, 0, 1)])
    chance = np.hstack([column(0.9, 0.2, 0.1, 0.8), column(0.9, 0.8, 0.2, 0.1)])
    with pytest.raises(DataError, match=r"the label b a precision of 90.0%.*2 have it: at most 50.0%"):
        choose_thresholds(targets, chance, ["a", "b"], goal=0.9)
    with pytest.raises(RunError, match="a precision of 90 is no share"):
        choose_thresholds(targets, chance, ["a", "b"], goal=90.0)


def test_choose_thresholds__tells_of_labels_of_which_nothing_can_be_learned():
    nothing, every = column(0, 0, np.nan, 0), column(1, 1, np.nan, 1)
    targets = np.hstack([nothing, column(1, 0, 1, 0), every, column(*[np.nan] * 4)])
    chance = np.full((4, 4), 0.3)
    chance[:, 1] = [0.3, 0.2, 0.3, 0.1]
    found = choose_thresholds(targets, chance, list("abcd"))
    assert found.not_chosen == (0, 2, 3)
    assert found.values == pytest.approx([0.5, 0.25, 0.5, 0.5])
