import numpy as np

from budwood.evaluation.groups import Grouping
from budwood.evaluation.prevalence import figures_at_prevalence
from budwood.evaluation.subgroups import figures_by
from budwood.report.holds import prevalence_as_text, subgroups_as_text


def test_subgroups_as_text__what_differs_is_named_with_what_its_classes_give():
    right = np.concatenate([np.arange(100) % 10 > 2, np.arange(300) % 20 > 0])
    labels = np.concatenate([np.zeros(100, int), np.ones(300, int)])
    column = [*["phone"] * 100, *["canon"] * 200, *[""] * 95, *["old"] * 5]
    text = subgroups_as_text(figures_by({"camera": column}, right, labels=labels)[0])
    lines = text.splitlines()
    assert lines[0].startswith("By camera: 4 subgroups of 400 photos. The intervals hold for all together")
    assert lines[2].split()[:5] == ["canon", "200", "95.0", "%", "(89.6"]
    assert "old" in text and "too small to compare: 20 photos are needed" in text
    assert lines[5].startswith("not stated")
    assert lines[-1] == (
        "Less often right than the rest: phone (by its classes alone 70.0 %); p adjusted for 3 comparisons (Holm)."
    )


def test_subgroups_as_text__of_several_labels_names_what_it_counts():
    column, right = ["a", "b"] * 200, np.arange(400) % 10 > 0
    head = subgroups_as_text(figures_by({"x": column}, right)[0], "exact match").splitlines()[1]
    assert head.split()[:4] == ["x", "photos", "exact", "match"] and "accuracy" not in head


def test_subgroups_as_text__nothing_to_tell_and_few_groups():
    right = np.arange(400) % 10 > 0
    assert subgroups_as_text(figures_by({"x": ["a", "b"] * 200}, right)[0]).endswith("(Holm).")
    same = subgroups_as_text(figures_by({"x": ["a", "b", "c", "d"] * 100}, np.arange(400) % 400 > 40)[0])
    assert "None can be told apart from the rest; p adjusted for 4 comparisons (Holm)." in same
    groups = Grouping(np.concatenate([np.arange(100) // 10, 10 + np.arange(300)]))
    column = [*["a"] * 100, *["b"] * 300]
    few = subgroups_as_text(figures_by({"x": column}, right, groups=groups)[0])
    assert "Below 20 groups of photos" in few and "No subgroup is large enough" in few
    assert "photos  groups" in few


def test_prevalence_as_text__both_answers_and_the_price_of_correcting():
    labels = np.repeat([0, 1], 100)
    share = np.concatenate([np.repeat([0.9, 0.6, 0.2], [60, 30, 10]), np.repeat([0.7, 0.05], [10, 90])])
    found = figures_at_prevalence(
        labels, np.stack([share, 1 - share], 1), ["ill", "well"], np.array([0.05, 0.95]), np.array([0.5, 0.5])
    )
    text = prevalence_as_text(found)
    assert text.startswith(
        "Where the photos are 95.0 % “well” and 5.0 % “ill”, as worked out from 200 photos."
    )
    assert "label shift" in text and "as the model answers: accuracy 90.0 % (" in text
    assert "corrected to these shares (Saerens et al. 2002): accuracy" in text
    assert "5.0 % points more" not in text and "get 5.0 points more of the answers right" in text
    assert "find 0.0 % of “ill” in place of 90.0 %" in text
    assert "never answered" in text


def test_prevalence_as_text__why_there_is_no_interval():
    labels = np.repeat([0, 1], [100, 3])
    shares = np.where(labels[:, None] == np.arange(2), 0.8, 0.2)
    text = prevalence_as_text(
        figures_at_prevalence(labels, shares, ["a", "b"], np.full(2, 0.5), np.full(2, 0.5))
    )
    assert "No interval: there are fewer than 5 photos of “b”." in text
    assert "accuracy 100.0 %\n" in text
