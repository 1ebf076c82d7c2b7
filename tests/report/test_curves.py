import math

import pytest

from budwood.report.curves import epoch_table, learning_curves

HISTORY = [
    {"phase": "frozen", "epoch": 1, "loss": 0.5, "accuracy": 0.8, "val_loss": 0.4, "val_accuracy": 0.9},
    {
        **{"phase": "finetune", "epoch": 2, "loss": 0.3, "accuracy": 0.85, "val_loss": math.nan},
        **{"val_accuracy": 0.912, "learning_rate": 1e-5},
    },
]


def with_top5(history):
    return [{**row, "top5_accuracy": 0.97, "val_top5_accuracy": 0.99} for row in history]


def test_learning_curves__one_chart_a_figure_with_its_course_in_words():
    charts = learning_curves(HISTORY, mark=(2.0, "kept: 2"), start=(1.5, "fine-tuning starts"), alt="Told.")
    assert [title for title, _ in charts] == ["Loss", "Accuracy"]
    for _, chart in charts:
        assert "fine-tuning starts" in chart and "kept: 2" in chart and "Told." in chart
    assert "validation: from 90\u00a0% to 91.2\u00a0%" in charts[1][1]
    assert "train: from 0.5 to 0.3" in charts[0][1]


def test_learning_curves__top5_where_it_was_measured():
    assert [title for title, _ in learning_curves(with_top5(HISTORY), alt="")][2] == "Top-5 accuracy"
    unmeasured = [{**row, "top5_accuracy": math.nan} for row in HISTORY]
    assert len(learning_curves(unmeasured, alt="")) == 2


def test_learning_curves__of_several_labels_say_what_accuracy_is():
    history = [
        {**row, "label_accuracy": 0.95, "val_label_accuracy": 0.93, "val_mean_average_precision": 0.9}
        for row in HISTORY
    ]
    charts = learning_curves(history, mark=(2.0, "kept: 2"), gap="a gap", alt="")
    assert [title for title, _ in charts] == [
        "Loss",
        "Exact match",
        "Accuracy of single labels",
        "Mean average precision, validation photos alone",
    ]
    # No curve of training photos is drawn, and none promised.
    assert "train" in charts[2][1] and "train" not in charts[3][1]
    assert "a gap" in charts[1][1]
    assert "validation exact match" in epoch_table(history, {}).columns


def test_learning_curves__mark_outside_of_the_history_is_left_out():
    assert "kept" not in learning_curves(HISTORY, mark=(7.0, "kept: 7"), alt="")[0][1]


@pytest.mark.parametrize("with_phase", [False, True])
def test_epoch_table__a_column_a_figure(with_phase):
    table = epoch_table(with_top5(HISTORY), {2: "kept"}, with_phase=with_phase)
    names = [f"{part} {figure}" for part in ("train", "validation") for figure in ("loss", "accuracy")]
    assert set(names) < set(table.columns)
    assert table.columns.count("validation top-5 accuracy") == 1
    assert all(len(row) == len(table.columns) for row in table.rows)
    told = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert [row["epoch"] for row in told] == ["1", "2 (kept)"]
    assert [row.get("phase") for row in told] == (["frozen", "finetune"] if with_phase else [None, None])
    assert [row["learning rate"] for row in told] == ["–", "1e-05"]
    assert [row["validation loss"] for row in told] == ["0.4000", "–"]
