"""A site as an export for the browser writes it, with a stand-in for ONNX Runtime Web that needs no model.

The stand-in answers with the mean red, green and blue of what it is given, so that a test knows what to expect of a
picture, and of every pixel on its way; the distance, where there is one, is the red.
"""

import functools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from budwood.core.files import write_json
from budwood.page.files import page_files
from tests.browser import DESKTOP, Opened, opened

RUNTIME = """
const DISTANCE = false;
export const env = { wasm: {} };
export class Tensor {
  constructor(type, data, dims) { Object.assign(this, { type, data, dims }); }
}
export const InferenceSession = {
  async create(content) {
    if (new TextDecoder().decode(content) !== "model") throw new Error("no model");
    return {
      async run({ pixels: { data, dims } }) {
        const [count, rows, columns] = dims, found = new Float32Array(3 * count);
        data.forEach((value, at) => {
          found[3 * Math.floor(at / (3 * rows * columns)) + (at % 3)] += value / 255 / rows / columns;
        });
        const distance = Float32Array.from({ length: count }, (_, row) => found[3 * row]);
        return { probabilities: { data: found }, ...(DISTANCE && { distance: { data: distance } }) };
      },
    };
  },
};
"""


def write_site(
    folder: Path,
    classes: Sequence[str] = ("red", "green", "blue"),
    *,
    thresholds: Sequence[float] | None = None,
    size: int = 64,
    resize: str = "crop",
    farthest: float | None = None,
) -> Path:
    """Writes the page, its runtime and its contract into a folder."""
    (folder / "runtime").mkdir(parents=True)
    for name, content in page_files("onnx").items():
        (folder / name).write_bytes(content)
    runtime = RUNTIME if farthest is None else RUNTIME.replace("DISTANCE = false", "DISTANCE = true")
    (folder / "runtime" / "ort.wasm.bundle.min.mjs").write_text(runtime)
    (folder / "model.onnx").write_text("model")
    what = {"name": "pixels", "shape": [None, size, size, 3], "resize": resize}
    far = None if farthest is None else {"threshold": farthest}
    contract = {"classes": classes, "thresholds": thresholds, "input": what, "distance": far}
    write_json(folder / "contract.json", contract)
    return folder


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        return


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a folder, as `python -m http.server` serves it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def site(
    browser: Browser, folder: Path, size: tuple[int, int] = DESKTOP, dark: bool = False
) -> Iterator[Opened]:
    """A served folder in the browser, once its page takes pictures."""
    with served(folder) as address, opened(browser, address, size=size, dark=dark) as found:
        found.page.wait_for_selector("#choose:enabled", timeout=20_000)
        yield found


def chromium() -> str:
    """The program of a browser; skips the test where there is none."""
    from budwood.exporting.chromium import find_browser

    program = find_browser()
    if program is None:
        pytest.skip("there is no Chromium")
    return program
