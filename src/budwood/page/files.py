"""The files of the page, and what a browser may do with them: nothing but what it was sent for."""

from pathlib import Path
from string import Template
from typing import Literal

Answers = Literal["onnx", "server"]
"""Who answers: ONNX Runtime Web in the browser itself, or the server that the page came from."""
STATIC = Path(__file__).parent / "static"
INDEX = "index.html"
SHARED = ("page.css", "page.js", "parts.js", "table.js")
OWN: dict[Answers, tuple[str, ...]] = {
    "onnx": ("occlusion.js", "onnx.js", "pixels.js"),
    "server": ("server.js",),
}
_EVAL: dict[Answers, str] = {"onnx": " 'wasm-unsafe-eval'", "server": ""}


def policy(answers: Answers) -> str:
    """Return the content security policy of the page: its own scripts and styles, its own server, nothing else.

    >>> "unsafe-eval" in policy("server"), "'wasm-unsafe-eval'" in policy("onnx")
    (False, True)
    """
    return (
        f"default-src 'none'; script-src 'self'{_EVAL[answers]}; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'"
    )


def page_files(answers: Answers) -> dict[str, bytes]:
    """Return the files of the page by their names.

    >>> sorted(page_files("onnx"))
    ['index.html', 'occlusion.js', 'onnx.js', 'page.css', 'page.js', 'parts.js', 'pixels.js', 'table.js']
    """
    index = Template((STATIC / INDEX).read_text(encoding="utf-8"))
    html = index.substitute(answers=answers, policy=policy(answers))
    others = {name: (STATIC / name).read_bytes() for name in (*SHARED, *OWN[answers])}
    return {INDEX: html.encode("utf-8"), **others}
