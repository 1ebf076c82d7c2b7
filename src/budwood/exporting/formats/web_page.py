"""A page that runs the model in the browser of whoever opens it: ONNX, run by ONNX Runtime Web, and nothing sent."""

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32

from budwood.core.scaling import Scaling
from budwood.exporting.chromium import Chromium, find_browser, opened
from budwood.exporting.formats.format import Answers, Runtime
from budwood.exporting.formats.onnx_file import OnnxFile
from budwood.exporting.network import DISTANCE, PROBABILITIES
from budwood.exporting.quantization import Quantizer, Square
from budwood.exporting.web_runtime import PACKAGE, VERSION, place_files, runtime_files
from budwood.page.files import page_files

if TYPE_CHECKING:
    from budwood.exporting.network import Network


@dataclass
class InBrowser:
    """A page that is opened in a browser at its first picture, and stays open until `close`."""

    folder: Path
    program: str
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _browser: Chromium | None = None

    @property
    def browser(self) -> Chromium:
        """The page as it runs."""
        if self._browser is None:
            self._browser = self._stack.enter_context(opened(self.folder, self.program))
        return self._browser

    @property
    def name(self) -> str:
        """Of the runtime."""
        return f"{PACKAGE} {VERSION} in {self.browser.name}"

    def __call__(self, pixels: Float32[np.ndarray, "n size size 3"]) -> Answers:
        found = self.browser.squares(pixels)
        far = {} if found.distances is None else {DISTANCE: found.distances[:, None]}
        return {PROBABILITIES: found.probabilities, **far}

    def close(self) -> None:
        """Close the browser."""
        self._stack.close()


@dataclass(frozen=True)
class WebPage(OnnxFile):
    name = "web"
    title = "a page for the browser"
    runtime: Mapping[str, Path] | None = None
    """The files of ONNX Runtime Web; by default those in the cache."""

    def write(self, network: "Network", folder: Path) -> None:
        super().write(network, folder)
        self._add_page(folder)

    def quantizer(self, network: "Network", plain: Path, sample: Sequence[Square]) -> Quantizer:
        return _WithPage(super().quantizer(network, plain, sample), self._add_page)

    def load(self, folder: Path) -> Runtime:
        program = find_browser()
        return super().load(folder) if program is None else InBrowser(folder, program)

    def _add_page(self, folder: Path) -> None:
        for name, content in page_files("onnx").items():
            (folder / name).write_bytes(content)
        place_files(self.runtime or runtime_files(None), folder / "runtime")


@dataclass(frozen=True)
class _WithPage:
    """A quantizer that adds the page to what it writes."""

    quantizer: Quantizer
    add: Callable[[Path], None]

    def noisiest(self) -> Sequence[str]:
        return self.quantizer.noisiest()

    def write(self, folder: Path, left: Collection[str] = (), scaling: Scaling = 1.0) -> None:
        self.quantizer.write(folder, left, scaling)
        self.add(folder)
