import re

import pytest

from budwood.page.files import SHARED, page_files, policy


@pytest.mark.parametrize("answers", ["onnx", "server"])
def test_page_files__have_what_they_refer_to_and_nothing_inline(answers):
    files = page_files(answers)
    html = files["index.html"].decode()
    assert policy(answers) in html and f'data-answers="{answers}"' in html and "$" not in html
    assert set(re.findall(r'(?:src|href)="([^"#:]+)"', html)) == {"page.css", "page.js"}
    assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\son\w+=", html)
    imports = {
        name for one in files.values() for name in re.findall(r'from "\./([\w.-]+)"', one.decode())
    } | {f"{answers}.js"}
    assert imports | {"page.css", "page.js", "index.html"} == files.keys()


@pytest.mark.parametrize("name", [*SHARED, "onnx.js", "server.js", "pixels.js"])
def test_page_files__make_no_html_of_names_and_ask_no_one_else(name):
    files = page_files("onnx") | page_files("server")
    assert not re.search(rb"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|https?://", files[name])
