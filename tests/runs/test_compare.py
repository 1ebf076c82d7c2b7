import json
import shutil

import numpy as np
import pytest

from budwood.core import files
from budwood.core.errors import RunError
from budwood.evaluation.statistics import paired_difference
from budwood.runs.compare import as_text, compare
from tests.changed_runs import forget_hashes


@pytest.fixture
def run_with(session_run, tmp_path):
    """Makes copies of a real run whose test photos are others, many of them, right or wrong as told."""

    def make(name, correct, split="test", classes=None, photos=None):
        folder = tmp_path / name
        forget_hashes(shutil.copytree(session_run, folder))
        known = classes or ["blue", "red"]
        info = files.read_json(folder / "run.json")
        files.write_json(folder / "run.json", info | {"data": info["data"] | {"classes": known}})
        header = ["name", "split", "true", "predicted", "correct", "probability", *(f"p:{c}" for c in known)]
        rows = []
        for number, right in enumerate(correct):
            predicted = known[0] if right else known[1]
            shares = [0.9 if label == predicted else 0.1 for label in known]
            photo = photos[number] if photos else f"photo {number}.png"
            rows.append([photo, split, known[0], predicted, int(right), 0.9, *shares])
        files.write_csv(folder / "predictions.csv", header, rows)
        metrics = files.read_json(folder / "metrics.json")
        figures = {
            part: (metrics[part] | {"n": len(rows)}) if part == split else None
            for part in ("validation", "test")
        }
        files.write_json(folder / "metrics.json", metrics | figures)
        return folder

    return make


def right(*shares):
    """Of 400 photos, the first of these percent are right, the next wrong, and so on."""
    correct = []
    for number, share in enumerate(shares):
        correct += [number % 2 == 0] * (4 * share)
    return correct


def test_compare__best_first_with_words_for_every_pair(run_with):
    runs = [run_with("low", right(80, 20)), run_with("top", right(95, 5)), run_with("next", right(94, 6))]
    found = compare(runs)
    assert [run["run"] for run in found["runs"]] == ["top", "next", "low"]
    assert [run["accuracy"] for run in found["runs"]] == [0.95, 0.94, 0.8]
    assert [(pair["a"], pair["b"]) for pair in found["pairs"]] == [
        ("top", "next"),
        ("top", "low"),
        ("next", "low"),
    ]
    assert found["pairs"][0]["words"].startswith("Cannot tell top from next: the difference is between ")
    assert found["pairs"][1]["words"].startswith(
        "top is better than low: +15.0 points of accuracy on 400 test photos"
    )
    assert found["n"] == 400
    text = as_text(found)
    assert text.splitlines()[1].split()[0] == "top" and "photos would be needed" in text


def test_compare__figures_are_the_paired_ones_and_p_is_adjusted(run_with):
    import numpy as np

    a, b = right(90, 10), right(85, 8, 7)
    found = compare([run_with("a", a), run_with("b", b), run_with("c", right(91, 9))])
    pair = next(pair for pair in found["pairs"] if {pair["a"], pair["b"]} == {"a", "b"})
    expected = (
        paired_difference(np.array(b), np.array(a))
        if pair["a"] == "b"
        else paired_difference(np.array(a), np.array(b))
    )
    assert (pair["difference"], pair["p"]) == (expected.difference, expected.p)
    assert pair["interval"] == [expected.low, expected.high]
    assert all(pair["p"] <= pair["p_adjusted"] <= min(1.0, 3 * pair["p"]) for pair in found["pairs"])
    low, high = pair["bootstrap"]
    assert low <= pair["difference"] <= high
    assert abs(low - expected.low) < 0.01 and abs(high - expected.high) < 0.01


def test_compare__equals(run_with):
    found = compare([run_with("a", right(90, 10)), run_with("b", right(90, 10))])
    assert found["pairs"][0]["words"].endswith("both are right on equally many.")


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (
            {"photos": [f"other {n}.png" for n in range(400)]},
            "a and b have no test photo in common",
        ),
        ({"classes": ["green", "red"]}, "only a knows blue; only b knows green"),
        ({"classes": ["red", "blue"]}, "400 photos have another class in each, such as photo 0.png"),
        ({"split": "validation"}, "b has no test photos"),
    ],
)
def test_compare__refuses_what_cannot_be_compared(run_with, other, reason):
    runs = [run_with("a", right(90, 10)), run_with("b", right(90, 10), **other)]
    with pytest.raises(RunError, match=reason):
        compare(runs)


def test_compare__on_the_photos_that_both_have(run_with):
    a = run_with("a", right(90, 10), photos=[f"{n}" for n in range(400)])
    b = run_with("b", right(80, 20), photos=[f"{n + 100}" for n in range(400)])
    found = compare([a, b])
    assert (found["n"], found["own"]) == (300, {"a": 400, "b": 400})
    expected = np.array(right(90, 10))[100:].mean()
    assert next(run["accuracy"] for run in found["runs"] if run["run"] == "a") == expected
    assert "Compared on the 300 test photos that all have: a has 400 and b has 400." in as_text(found)
    assert "on 300 test photos" in found["pairs"][0]["words"]
    assert "that all have" not in as_text(
        compare([a, run_with("c", right(80, 20), photos=[f"{n}" for n in range(400)])])
    )


def test_compare__a_photo_that_was_moved_to_the_right_class(run_with):
    names = [f"blue/{n}" for n in range(400)]
    a, b = (run_with(name, right(90, 10), photos=names) for name in "ab")
    rows = files.read_csv(b / "predictions.csv")
    moved = next(row for row in rows if row["predicted"] == "red")
    for folder, name in ((a, moved["name"]), (b, "red/moved")):
        with (folder / "split.csv").open("a") as file:
            file.write(f"{name},blue,test,{'e' * 64},9,9,\n")
        info = files.read_json(folder / "run.json")
        split = {"sha256": files.sha256_of(folder / "split.csv")}
        files.write_json(folder / "run.json", info | {"split": split})
    moved |= {"name": "red/moved", "true": "red", "correct": "1"}
    files.write_csv(b / "predictions.csv", list(moved), [list(row.values()) for row in rows])
    info = files.read_json(b / "run.json")
    files.write_json(b / "run.json", info | {"started": "2999-01-01T00:00:00+00:00"})
    found = compare([a, b])
    assert (found["n"], found["corrected"], found["truth"]) == (400, 1, "b")
    # Both said red, which is right since the label was corrected.
    assert [run["accuracy"] for run in found["runs"]] == [0.9025, 0.9025]
    assert "1 photo has another class in some runs; the one of b, begun last, counts." in as_text(found)


def grouped(run, of):
    """The same run, its test photos in groups."""
    table = run / "split.csv"
    rows = files.read_csv(table)
    template = rows[0] | {"split": "test", "label": "blue"}
    numbers = range(400)
    rows = [row for row in rows if row["split"] != "test"] + [
        template | {"name": f"photo {n}.png", "sha256": f"{n:064x}", "group": of(n)} for n in numbers
    ]
    files.write_csv(table, list(template), [list(row.values()) for row in rows])
    info = files.read_json(run / "run.json")
    info["split"]["sha256"] = files.sha256_of(table)
    files.write_json(run / "run.json", info)
    return run


def test_compare__by_groups_of_photos_that_belong_together(run_with):
    # The photos on which the two differ lie in a row: 24 alone, or two and a half scenes of ten.
    runs = [run_with("a", right(95, 5)), run_with("b", right(89, 11))]
    alone = compare(runs)
    assert alone["groups"] == 0
    assert "b" in alone["pairs"][0]["words"] and alone["pairs"][0]["p"] < 0.001
    scenes = compare([grouped(run, lambda n: f"scene {n // 10}") for run in runs])
    assert scenes["groups"] == 40
    assert "groups" in scenes["method"]
    assert scenes["pairs"][0]["difference"] == alone["pairs"][0]["difference"]
    assert scenes["pairs"][0]["p"] > 0.05
    assert scenes["pairs"][0]["interval"][0] < 0
    assert scenes["pairs"][0]["words"].startswith("Cannot tell a from b")
    for one, other in zip(scenes["runs"], alone["runs"], strict=True):
        assert one["interval"][0] < other["interval"][0]


def test_compare__refuses_too_few_groups(run_with):
    runs = [grouped(run_with(name, right(95, 5)), lambda n: f"scene {n // 50}") for name in "ab"]
    with pytest.raises(RunError, match="are of 8 groups"):
        compare(runs)


def test_compare__refuses_one_run_alone_and_folders_that_are_none(run_with, tmp_path):
    run = run_with("a", right(90, 10))
    with pytest.raises(RunError, match="two runs or more"):
        compare([run])
    with pytest.raises(RunError, match="two runs or more"):
        compare([run, run_with("b", right(90, 10)), tmp_path / "b" / ".." / "a"])
    with pytest.raises(RunError, match="has no"):
        compare([run, tmp_path / "nothing"])
    with pytest.raises(RunError, match="neither test nor validation"):
        compare([run, tmp_path / "b"], split="train")


def test_compare__names_tell_runs_of_one_name_apart(run_with):
    found = compare([run_with("one/run", right(90, 10)), run_with("two/run", right(80, 20))])
    assert [run["run"] for run in found["runs"]] == ["one/run", "two/run"]


def test_compare__on_the_command_line(run_with, call):
    runs = [
        run_with("a", right(90, 10), split="validation"),
        run_with("b", right(70, 30), split="validation"),
    ]
    status, out, _ = call("compare", *runs, "--split", "validation", "--json")
    assert status == 0 and json.loads(out)["pairs"][0]["a"] == "a"
    status, out, _ = call("compare", *runs, "--split", "validation")
    assert status == 0 and "a is better than b" in out and "also chose the epoch" in out
    status, _, err = call("compare", *runs)
    assert status == 1 and "a has no test photos" in err
