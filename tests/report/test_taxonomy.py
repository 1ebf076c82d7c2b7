"""The tree of labels in words and in the report."""

import json
import math
import re

import numpy as np
import pytest

from budwood.config.recipe import Recipe
from budwood.core.text import percent
from budwood.data.taxonomy import Taxonomy
from budwood.evaluation.climb import choose_climb, measure_climb
from budwood.evaluation.taxonomy import LabelTree
from budwood.report.first_lines import first_lines
from budwood.report.page import write_report
from budwood.report.summary import read_contents
from budwood.report.taxonomy import climb_as_text, describe_tree, tree_as_lines
from budwood.report.terminal import scores_as_text
from budwood.runs.files import read_run

DEEP = Taxonomy(
    {
        **{"plant": "life", "composite": "plant", "bulb": "plant", "roses": "plant", "tulips": "bulb"},
        **dict.fromkeys(("daisy", "dandelion", "sunflowers"), "composite"),
    },
    "life",
)


def test_describe_tree__levels_mistakes_and_depths_add_up(make_run):
    run = make_run(per_class=200, skill=1.0, taxonomy=DEEP)
    contents = read_contents(run.folder)
    found = describe_tree(contents)
    assert [(row.title, row.nodes) for row in found.levels] == [
        ("depth 1", "1"),
        ("depth 2", "3"),
        ("classes", "5"),
    ]
    assert found.levels[-1].accuracy == f"{100 * contents.scores.accuracy:.1f}\u00a0%"
    assert [place for place, _ in found.meet] == ["at “life”", "at depth 1", "at depth 2"]
    assert sum(times for _, times in found.meet) == contents.scores.taxonomy.mistakes > 0
    for climb in found.climbs:
        assert [row.title for row in climb.rows][-1] == "no answer"
        assert sum(share for _, share, _ in climb.bar) == pytest.approx(1)
    told, shown = contents.metrics.climbs[0].depths, found.climbs[0].rows
    assert [f"({one.test.answered:,})" in row.coverage for one, row in zip(told, shown, strict=True)] == [
        True
    ] * 4
    assert (
        shown[0].chosen == f"at most {percent(math.floor(told[0].most * 1000) / 1000)} promised"
        and told[0].promise == "average"
    )
    assert told[1].promise == "confidence" and told[1].most > 0.5
    assert shown[1].chosen == f"at most {percent(math.floor(told[1].most * 1000) / 1000)} promised"
    assert told[2].most == 0 and shown[2].chosen == "nothing promised", "it is above every class"
    assert found.promised
    assert [(row.node, row.classes, row.n) for row in found.branches] == [("plant", 5, 100)]
    assert [climb.asked.replace("\u00a0", " ") for climb in found.climbs] == ["90 %", "95 %", "98 %"]
    assert not found.flattered


def test_describe_tree__none_without_one_and_flattered_without_test(make_run):
    assert describe_tree(read_contents(make_run().folder)) is None
    found = describe_tree(read_contents(make_run(taxonomy=DEEP, test=False).folder))
    assert found.flattered and found.split == "validation"


def test_write_report__shows_the_tree_and_the_terminal_says_it(make_run):
    run = make_run(taxonomy=Taxonomy({**DEEP.parents, "composite": "plant"}, "life"))
    text = write_report(run.folder).read_text()
    assert (
        '<section id="taxonomy">' in text and "no answer" in text and "None" not in text.split("taxonomy")[1]
    )
    metrics = read_run(run.folder).metrics
    told = scores_as_text(metrics.test.to_json(), "test")
    assert "Tree of labels:" in told and re.search(r"depth 2, 3 labels +\d", told)
    assert sum("of the same branch" in line for line in first_lines(metrics, Recipe())) == 1
    flat = read_run(make_run().folder).metrics
    assert "Tree of labels" not in scores_as_text(flat.test.to_json(), "test")
    assert "taxonomy" not in flat.to_json()["test"] and "climbs" not in flat.to_json()


def test_tree__a_flat_one_is_kept_and_says_nothing(make_run):
    files = read_run(make_run(taxonomy=Taxonomy(dict.fromkeys(DEEP.classes, "flower"), "flower")).folder)
    assert files.taxonomy.is_flat and files.tree is None


def test_tree_as_lines__a_flat_tree_says_so():
    assert tree_as_lines(Taxonomy({"cat": "pet", "dog": "pet"}, "pet")) == [
        "below 'pet': 2 classes and nothing between, so it says nothing beyond them"
    ]
    assert tree_as_lines(DEEP) == [
        "below 'life': 1 label with labels below it",
        "depth 1     1 label, 0 of them classes",
        "depth 2     3 labels, 1 of them a class",
        "depth 3     the 5 classes",
        "largest     plant with 5 classes",
    ]


def test_climb_as_text__what_chose_the_limits_and_what_they_are_worth():
    tree = LabelTree(DEEP, ("daisy", "dandelion", "roses", "sunflowers", "tulips"))
    targets = np.arange(50) % 5
    shares = np.eye(5)[targets] * 0.6 + 0.08
    climb = choose_climb(tree, shares, targets, 0.95)
    text = climb_as_text(
        climb, {name: measure_climb(climb, shares, targets) for name in ("validation", "test")}
    )
    lines = text.splitlines()
    assert lines[0].startswith("answers with the deepest label that is right 95 % of the time as far as")
    assert lines[1] == "  a class, from 68.0 %"
    assert (
        lines[3]
        == "    test: 50 of 50 photos (100.0 %), 100.0 % of them right (95 % interval 92.9 % to 100.0 %)"
    )
    assert "  no answer, for no more than 'life' is sure" in lines
    assert "  a label of depth 2: never; the validation photos left for it promise nothing" in lines, (
        "none was left"
    )
    few = climb_as_text(choose_climb(tree, shares[:19], targets[:19], 0.95), {})
    assert "a class: never; the validation photos left for it promise 94.7 % at most" in few


def test_describe_tree__of_an_earlier_version_promises_nothing(make_run):
    run = make_run(per_class=100, taxonomy=DEEP)
    file = run.folder / "metrics.json"
    told = json.loads(file.read_text())
    chosen = told["climbs"][0]["depths"][0]["validation"]
    row = describe_tree(read_contents(run.folder)).climbs[0].rows[0]
    assert row.chosen == f"{chosen['correct']} of {chosen['answered']} right" and chosen["answered"]
    for climb in told["climbs"]:
        for one in climb["depths"]:
            del one["promise"], one["most"]
    file.write_text(json.dumps(told))
    assert not describe_tree(read_contents(run.folder)).promised
    assert "by an earlier version" in write_report(run.folder).read_text()


@pytest.mark.parametrize("damage", ["gone", "other classes", "no tree"])
def test_taxonomy__a_damaged_table_is_refused(make_run, damage):
    from budwood.core.errors import RunError
    from budwood.core.files import read_json, write_json

    run = make_run(taxonomy=DEEP)
    info = read_json(run.folder / "run.json")
    table = run.folder / "taxonomy.csv"
    if damage == "gone":
        write_json(run.folder / "run.json", {**info, "files": {"taxonomy.csv": "0" * 64}})
        table.unlink()
    elif damage == "other classes":
        table.write_text("label,parent\na,\nb,a\nc,b\nd,b\n")
    else:
        table.write_text("label,parent\na,b\nb,a\n")
    with pytest.raises(RunError, match="taxonomy.csv"):
        _ = read_run(run.folder).taxonomy
