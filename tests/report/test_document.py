import pytest

from budwood.core.errors import BudwoodError
from budwood.report.document import refuse_bad_document, write_document


@pytest.mark.parametrize("name", ["a.md", "a.MARKDOWN"])
def test_write_document__markdown_is_written_as_it_is(tmp_path, name):
    write_document(tmp_path / name, "# a\n", title="a", kind="checklist")
    assert (tmp_path / name).read_text(encoding="utf-8") == "# a\n"


def test_write_document__a_page_is_whole_and_needs_no_network(tmp_path):
    path = tmp_path / "a.html"
    write_document(path, "# a \ud800 *b*\n", title="<a>", kind="checklist")
    text = path.read_text(encoding="utf-8")
    assert "<title>&lt;a&gt; – Budwood checklist</title>" in text and "<em>b</em>" in text
    assert "http" not in text.replace("http-equiv", "") and "<script" not in text


@pytest.mark.parametrize(
    ("name", "told"),
    [("a.pdf", "neither the ending"), ("there.md", "is left as it is"), ("no/a.md", "folder that exists")],
)
def test_refuse_bad_document(tmp_path, name, told):
    (tmp_path / "there.md").write_text("mine")
    with pytest.raises(BudwoodError, match=told):
        refuse_bad_document(tmp_path / name)
    with pytest.raises(BudwoodError, match=told):
        write_document(tmp_path / name, "# a", title="a", kind="checklist")
    assert (tmp_path / "there.md").read_text() == "mine"
