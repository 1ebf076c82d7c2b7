"""An exported page run in a real browser: Chromium opens it without a window, and posts back what came out.

It takes nothing but a browser of that family (Chromium, Chrome, Edge): no driver and no package. The files are served
on loopback below a random name, for as long as the check takes.
"""

import mimetypes
import os
import queue
import re
import secrets
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from budwood.core.errors import RunError
from budwood.exporting.parity import Answered
from budwood.page.files import STATIC

SETTING, NO_BROWSER = "BUDWOOD_CHROMIUM", "none"
_NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
    "msedge",
)
_PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
)
_PATIENCE = 120.0
"""Seconds for the start, and for each answer."""
_ARGUMENTS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
)
_CHECK = {
    "check.html": b"<!doctype html><title>check</title><script type=module src=check.js></script>",
    "check.js": (STATIC / "check.js").read_bytes(),
}


def find_browser() -> str | None:
    """Return the program of a browser, by BUDWOOD_CHROMIUM, the PATH or the usual places.

    None where there is none, or BUDWOOD_CHROMIUM is "none".
    """
    chosen = os.environ.get(SETTING)
    if chosen == NO_BROWSER:
        return None
    if chosen:
        if shutil.which(chosen) is None:
            raise RunError(
                f"{SETTING} names {chosen}, which is no program. Give the path of Chromium or Chrome"
            )
        return chosen
    return next(filter(None, map(shutil.which, (*_NAMES, *_PLACES))), None)


@dataclass(frozen=True)
class _Job:
    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True)
class _Answer:
    kind: str
    """"ready"; "answer", or "both" with distances; "unread" for a picture that the browser cannot decode; or "failed"
    with what is wrong."""
    body: bytes


@dataclass
class Chromium:
    """A page that runs in a browser."""

    name: str = ""
    """Of the browser, with its version."""
    _jobs: "queue.Queue[_Job | None]" = field(default_factory=queue.Queue)
    _answers: "queue.Queue[_Answer]" = field(default_factory=queue.Queue)
    _ended: threading.Event = field(default_factory=threading.Event)

    def squares(self, pixels: Float32[np.ndarray, "n size size 3"]) -> Answered:
        """Return what the model says in the browser."""
        content = np.ascontiguousarray(pixels, "<f4").tobytes()
        return _answers(
            self._ask(_Job(content, {"X-Shape": f"{len(pixels)},{pixels.shape[1]}"})), len(pixels)
        )

    def picture(self, content: bytes, size: int, resize: str) -> Answered | None:
        """Return what the page says of a picture file: the browser decodes it, the page makes the square.

        None where the browser cannot decode it.
        """
        found = self._ask(_Job(content, {"X-Shape": f"1,{size}", "X-Resize": resize}))
        return None if found.kind == "unread" else _answers(found, 1)

    def wait(self) -> _Answer:
        """Return what the page says next. Raise RunError where it fails, or says nothing."""
        try:
            found = self._answers.get(timeout=_PATIENCE)
        except queue.Empty:
            raise RunError(f"it did not answer within {_PATIENCE:.0f} s") from None
        if found.kind == "failed":
            raise RunError(f"in the browser: {found.body.decode('utf-8', 'replace')[:500]}")
        return found

    def _ask(self, job: _Job) -> _Answer:
        self._jobs.put(job)
        return self.wait()


def _answers(found: _Answer, count: int) -> Answered:
    """Return the outputs: the probabilities of all pictures, then their distances where the model has them."""
    numbers = np.frombuffer(found.body, "<f4").astype(np.float32)
    if found.kind == "answer":
        return Answered(numbers.reshape(count, -1))
    return Answered(numbers[:-count].reshape(count, -1), numbers[-count:])


@contextmanager
def opened(folder: Path, program: str) -> Iterator[Chromium]:
    """Open the page of an export in a browser, until the block ends.

    Raises:
        RunError: the browser does not start, or the page fails in it.
    """
    browser, token = Chromium(), secrets.token_urlsafe(16)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(folder, token, browser))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    with tempfile.TemporaryDirectory(prefix="budwood-browser-", ignore_cleanup_errors=True) as profile:
        address = f"http://127.0.0.1:{server.server_address[1]}/{token}/check.html"
        process = subprocess.Popen(
            [program, *_ARGUMENTS, *_unsandboxed(), f"--user-data-dir={profile}", address],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        threading.Thread(target=_watch, args=(process, browser), daemon=True).start()
        try:
            try:
                browser.name = _name(browser.wait().body.decode("utf-8", "replace"))
            except RunError as error:
                raise RunError(
                    f"{program} does not run the page: {error}. Set {SETTING} to another browser, or to {NO_BROWSER} "
                    "to have the model checked by ONNX Runtime in Python alone"
                ) from error
            yield browser
        finally:
            browser._ended.set()
            browser._jobs.put(None)
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            server.shutdown()
            server.server_close()


def _unsandboxed() -> list[str]:
    # As root, as in containers, Chromium runs only without its sandbox.
    return ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []


def _watch(process: subprocess.Popen, browser: Chromium) -> None:
    status = process.wait()
    if not browser._ended.is_set():
        browser._answers.put(_Answer("failed", f"it ended by itself, with exit status {status}".encode()))


def _name(agent: str) -> str:
    """Return a browser in words.

    >>> _name("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/142.0.0.0 Safari")
    'Chromium 142'
    """
    found = re.search(r"Chrom(?:e|ium)/(\d+)", agent)
    return f"Chromium {found[1]}" if found else "a browser"


def _handler(folder: Path, token: str, browser: Chromium) -> type[BaseHTTPRequestHandler]:
    served = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self._name()
            if name == "check/next":
                job = browser._jobs.get()
                if job is None:
                    self._send(204)
                else:
                    self._send(200, job.body, job.headers)
            elif name in _CHECK:
                self._send(200, _CHECK[name], {"Content-Type": _type(name)})
            elif name in served:
                self._send(200, (folder / name).read_bytes(), {"Content-Type": _type(name)})
            else:
                self._send(404)

        def do_POST(self) -> None:
            name = self._name()
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if name is not None:
                browser._answers.put(_Answer(name.removeprefix("check/"), body))
            self._send(204 if name else 404)

        def _name(self) -> str | None:
            """Return what is asked for; None where the token is missing."""
            name = self.path.removeprefix(f"/{token}/")
            return None if name == self.path else name

        def _send(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
            try:
                self.send_response(status)
                for key, value in (headers or {}).items():
                    self.send_header(key, value)
                if status != 204:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                # The browser is gone; `_watch` says so.
                return

        def log_message(self, *args: object) -> None:
            return

    return Handler


def _type(name: str) -> str:
    return {".mjs": "text/javascript", ".js": "text/javascript", ".wasm": "application/wasm"}.get(
        Path(name).suffix, mimetypes.guess_type(name)[0] or "application/octet-stream"
    )
