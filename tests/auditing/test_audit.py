import os
import shlex
from pathlib import Path

import pytest

from budwood.auditing.audit import AuditFiles, audit, next_command
from budwood.auditing.result import Audit
from budwood.core.errors import DataError
from budwood.core.files import read_json
from budwood.core.progress.base import SILENT


def test_audit__writes_what_is_asked_for_and_nothing_else(colours, tmp_path):
    found = audit(colours, network=False, progress=SILENT)
    assert isinstance(found, Audit) and found.counts.found == 42
    assert sorted(one.name for one in tmp_path.iterdir()) == ["colours"]
    written = audit(
        colours,
        tmp_path / "out",
        network=False,
        fix=tmp_path / "fixed.csv",
        settings=["data.size=32"],
        progress=SILENT,
    )
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == [
        "audit.html",
        "audit.json",
        "decisions.csv",
    ]
    assert (tmp_path / "fixed.csv").is_file()
    assert Audit.from_json(read_json(tmp_path / "out" / "audit.json")) == written
    assert written.findings == found.findings


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (lambda here: AuditFiles(output=here / "file"), "file is a file. Give a folder for the page"),
        (lambda here: AuditFiles(output=here / "file" / "deep"), "cannot write .*file is no folder"),
        (lambda here: AuditFiles(fix=here / "file" / "x.csv"), "cannot write .*x.csv: .*file is no folder"),
        (lambda here: AuditFiles(json=here), "is a folder. Give a file for --json"),
        (lambda here: AuditFiles(json=here / "file"), "is read, or written by --fix"),
        (
            lambda here: AuditFiles(json=here / "d.csv", decisions=here / "d.csv"),
            "is read, or written by --fix",
        ),
        (lambda here: AuditFiles(json=here / "f.csv", fix=here / "f.csv"), "is read, or written by --fix"),
    ],
)
def test_refuse_unwritable__before_any_photo_is_read(tmp_path, files, message):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match=message):
        files(tmp_path).refuse_unwritable(str(tmp_path / "file"))


def test_refuse_unwritable__folders_that_are_not_there_yet(tmp_path, monkeypatch):
    AuditFiles(
        tmp_path / "a" / "b", fix=tmp_path / "c" / "x.csv", json=tmp_path / "d.json"
    ).refuse_unwritable("")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(DataError, match="no folder that can be written"):
        AuditFiles(tmp_path / "a").refuse_unwritable("")


def test_next_command__can_be_pasted_whatever_the_names():
    files = AuditFiles(output=Path("my audit"))
    words = shlex.split(next_command("my photos", files))
    assert words[:5] == ["budwood", "audit", "my photos", "-o", "my audit"]
    assert words[5:] == ["--decisions", "my audit/decisions.csv", "--fix", "photos.csv"]
    assert "--decisions d.csv" in next_command("x", AuditFiles(Path("o"), decisions=Path("d.csv")))
    assert " -o " not in next_command("x", AuditFiles())
