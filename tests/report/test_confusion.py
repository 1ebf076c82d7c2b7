from budwood.core import files
from budwood.report.confusion import count_confusions
from budwood.report.summary import read_contents


def with_matrix(run, matrix):
    metrics = files.read_json(run.folder / "metrics.json")
    metrics["test"]["confusion"] = matrix
    files.write_json(run.folder / "metrics.json", metrics)
    return read_contents(run.folder)


def test_count_confusions__shades_grow_with_the_rate_and_with_the_count(make_run):
    contents = with_matrix(make_run(["a", "b", "c"]), [[95, 4, 1], [40, 60, 0], [10, 0, 0]])
    found = count_confusions(contents)
    styles = [[cell.style for cell in row.cells] for row in found.rows]
    assert styles == [
        ["r4 g4 same", "w1 o2", "w1 o1"],
        ["w4 o4", "r2 g4 same", "zero"],
        ["w4 o3", "zero", "zero same"],
    ]
    assert found.wrong == 55
    assert found.sentences[0][0].startswith("“b” taken for “a” 40 times")


def test_count_confusions__cells_say_what_they_are_and_lead_to_their_photos(make_run):
    contents = with_matrix(make_run(["a", "b"]), [[9, 1], [0, 10]])
    found = count_confusions(contents, {(0, 1): "cell-0-1"})
    (right, wrong), (nothing, _) = (row.cells for row in found.rows)
    assert right.words == "a classified correctly: 9 photos, 90.0\u00a0%" and right.anchor is None
    assert wrong.words == "a taken for b: 1 photo, 10.0\u00a0%" and wrong.anchor == "cell-0-1"
    assert nothing.words == ""
    assert found.sentences[0][1] == "cell-0-1"


def test_count_confusions__many_classes_are_a_picture_with_links_over_it(make_run):
    matrix = [[int(true == answer) for answer in range(400)] for true in range(400)]
    matrix[3][5] = 2
    contents = with_matrix(make_run([f"<b>{i}" for i in range(400)], per_class=10), matrix)
    found = count_confusions(contents, {(3, 5): "cell-3-5", (0, 0): "cell-0-0"})
    assert found.rows == [] and [view for view, _ in found.pictures] == ["log", "shares"]
    right, wrong = found.links.split("</a>")[:2]
    assert 'href="#cell-0-0"' in right and 'href="#cell-3-5"' in wrong
    # Cells of two pixels are no place to point at: the link is larger, around the same middle.
    assert '<rect x="4.25" y="2.25" width="2.5" height="2.5"/>' in wrong
    assert "<b>" not in found.links and "&lt;b&gt;" in found.links
    assert all(len(pair) == 5 for pair in found.pairs)
