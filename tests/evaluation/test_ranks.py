import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from budwood.evaluation.ranks import Ranking


@given(st.integers(2, 40), st.sampled_from([2, 4, 1000]), st.integers(0, 2**32 - 1))
def test_ranking__scores_equal_scikit_learn_under_weights(n, levels, seed):
    """Few levels make ties; a weight of 0 is a photo that was not drawn."""
    rng = np.random.default_rng(seed)
    has, scores = rng.random(n) < rng.choice([0.2, 0.5, 0.9]), rng.integers(levels, size=n) / levels
    weights = rng.integers(0, 3, size=(n, 3)).astype(float)
    ranking = Ranking.of(has, scores)
    found = ranking.scores(ranking.sums(weights))
    for draw, weight in enumerate(weights.T):
        average, auc = found[0][draw], found[1][draw]
        positives, negatives = weight[has].sum(), weight[~has].sum()
        if positives:
            assert average == pytest.approx(average_precision_score(has, scores, sample_weight=weight))
        else:
            assert np.isnan(average)
        if positives and negatives:
            assert auc == pytest.approx(roc_auc_score(has, scores, sample_weight=weight))
        else:
            assert np.isnan(auc)


def test_ranking__of_no_photo_with_the_label_has_no_figure():
    ranking = Ranking.of(np.array([False, False]), np.array([0.5, 0.1]))
    average, auc = ranking.scores(ranking.sums(np.ones((2, 1))))
    assert np.isnan([average[0], auc[0]]).all()
