"""`budwood card`."""

import json
import shutil

import pytest

import budwood
from budwood.core.files import read_json, write_json
from tests.cli.command_line import one_line

pytestmark = pytest.mark.usefixtures("shared_cache")


def test_card__prints_the_card_that_the_run_has(call, session_run):
    status, out, err = call("card", session_run)
    assert (
        status == 0 and not err and out == (session_run / "model" / "README.md").read_text(encoding="utf-8")
    )
    assert out == budwood.load(session_run).card()


def test_card__checklist_of_a_real_run(call, session_run):
    status, out, err = call("card", session_run, "--checklist", "reforms", "--json")
    found = json.loads(out)
    assert status == 0 and not err and len(found["answers"]) == 32
    answers = {one["number"]: one for one in found["answers"]}
    # The machine is in run.json, so that the run answers what it was computed on.
    assert answers["2c"]["state"] == "answered" and "core" in answers["2c"]["text"]
    assert sum(one["state"] == "answered" for one in found["answers"]) >= 16
    assert sum(one["state"] != "question" for one in found["answers"]) >= 24
    status, out, _ = call("card", session_run, "--checklist", "CLAIM")
    assert status == 0 and out.startswith("# CLAIM, 2024 update: ")


def test_card__is_written_by_the_ending(call, session_run, tmp_path):
    for name, begins in [("a.md", "# TRIPOD+AI: "), ("a.html", "<!doctype html>")]:
        status, out, err = call("card", session_run, "--checklist", "tripod-ai", "-o", tmp_path / name)
        assert status == 0 and out.strip() == str(tmp_path / name) and not err
        assert (tmp_path / name).read_text(encoding="utf-8").startswith(begins)
    status, _, err = call("card", session_run, "-o", tmp_path / "a.md")
    assert status == 1 and one_line(err) and "left as it is" in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--checklist", "reform"], "Did you mean reforms?"),
        (["-o", "card.pdf"], "card.md for Markdown"),
        (["--json"], "Give --checklist"),
        (["--checklist", "claim", "--json", "-o", "a.md"], "leave out -o"),
    ],
)
def test_card__what_cannot_be(call, session_run, arguments, told):
    status, out, err = call("card", session_run, *arguments)
    assert status == 1 and one_line(err) and told in err and not out


def test_card__what_keeps_no_model_has_no_card(call, session_run, tmp_path):
    run = shutil.copytree(session_run, tmp_path / "run")
    info = read_json(run / "run.json") | {"saved": False}
    write_json(run / "run.json", info)
    status, out, err = call("card", run)
    assert status == 1 and one_line(err) and "keeps no model" in err and not out
    assert call("card", run, "--checklist", "reforms")[0] == 0
