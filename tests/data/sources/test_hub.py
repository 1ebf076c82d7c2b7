"""A data set of the hub of Hugging Face, from a server of this machine that answers as the hub does."""

import hashlib
import http.server
import io
import json
import os
import subprocess
import sys
import threading
import urllib.parse

import pytest

from budwood.core.errors import DataError
from budwood.data.sources import read_source, source_name
from tests.data.sources.forms import halves, hub_table

pytest.importorskip("datasets")
COMMIT = "a" * 40
NAME = "me/colours"


def files_of_hub() -> dict[str, bytes]:
    parquet = pytest.importorskip("pyarrow.parquet")
    files = {"README.md": b"---\nlicense: cc0-1.0\n---\n# Colours\n"}
    for split, rows in halves().items():
        file = io.BytesIO()
        parquet.write_table(hub_table(rows), file)
        files[f"data/{split}-00000-of-00001.parquet"] = file.getvalue()
    return files


class Hub(http.server.BaseHTTPRequestHandler):
    """The part of the hub's interface that `load_dataset` asks: the data set, its tree of files, and each file."""

    protocol_version = "HTTP/1.1"
    files = property(lambda self: self.server.files)

    def log_message(self, *arguments):
        pass

    def answer(self, code: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(code)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = urllib.parse.unquote(urllib.parse.urlparse(self.path).path)
        api, resolve = f"/api/datasets/{NAME}", f"/datasets/{NAME}/resolve/"
        if path.startswith(f"{api}/tree/"):
            self.tree(path.removeprefix(f"{api}/tree/").partition("/")[2])
        elif path == api or path.startswith(f"{api}/revision/"):
            listed = [{"rfilename": name} for name in self.files]
            value = {
                "id": NAME,
                "sha": COMMIT,
                "private": False,
                "gated": False,
                "tags": [],
                "siblings": listed,
            }
            self.answer(200, json.dumps(value).encode(), Content_Type="application/json")
        elif path.startswith(resolve):
            content = self.files.get(path.removeprefix(resolve).partition("/")[2])
            if content is None:
                self.answer(404, X_Error_Code="EntryNotFound", X_Repo_Commit=COMMIT)
            else:
                tag = hashlib.sha1(content).hexdigest()
                self.answer(200, content, X_Repo_Commit=COMMIT, ETag=f'"{tag}"')
        else:
            self.answer(404, b"{}", X_Error_Code="RepoNotFound")

    def tree(self, folder: str) -> None:
        """What lies in a folder, directly."""
        found = {}
        for name, content in self.files.items():
            if not folder or name.startswith(f"{folder}/"):
                rest = name[len(folder) + 1 :] if folder else name
                first, slash, _ = rest.partition("/")
                place = f"{folder}/{first}" if folder else first
                kind = "directory" if slash else "file"
                found[place] = {
                    "type": kind,
                    "path": place,
                    "oid": "b" * 40,
                    "size": 0 if slash else len(content),
                }
        body = json.dumps(list(found.values())).encode()
        self.answer(200 if found else 404, body, Content_Type="application/json")


@pytest.fixture
def hub(tmp_path):
    """Runs Python code with that hub, and gives what it prints."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.files = files_of_hub()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = os.environ | {
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }

    def run(code: str) -> str:
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    yield run
    server.shutdown()
    server.server_close()


READ = """
import json
from budwood.data.images import decode
from budwood.data.sources import read_source

photos = read_source("hf:me/colours").photos
print(json.dumps([[photo.name, photo.label, photo.split, decode(photo.image)[0, 0].tolist()] for photo in photos]))
"""


def test_read_hub__reads_splits_classes_and_pictures(hub):
    rows = json.loads(hub(READ))
    assert [row[2] for row in rows] == ["train"] * 6 + ["test"] * 2
    assert {(label, *colour) for _, label, _, colour in rows} == {("red", 200, 30, 30), ("blue", 30, 30, 200)}
    assert len({row[0] for row in rows}) == 8


def test_read_hub__what_the_hub_does_not_have(hub):
    code = """
from budwood.core.errors import DataError
from budwood.data.sources import read_source
try:
    read_source("hf:me/nothing")
except DataError as error:
    print(error)
"""
    assert "Hugging Face cannot give `hf:me/nothing` (" in hub(code)


def test_read_hub__without_datasets(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(
        DataError, match=r"`hf:me/colours` needs Hugging Face datasets.*pip install 'budwood\[hf\]'"
    ):
        read_source("hf:me/colours")


def test_source_name__of_the_hub():
    assert source_name("hf:me/colours:small@v1") == "me-colours"
