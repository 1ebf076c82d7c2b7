"""README.md beside an exported model: what it is, the lines that run it, and how it was checked."""

from textwrap import wrap

from budwood.core.text import count, percent
from budwood.exporting.contract import Contract
from budwood.exporting.formats.format import Format
from budwood.exporting.parity import Parity
from budwood.exporting.web_runtime import VERSION

_SQUARES = {
    "crop": """side = min(picture.size)
left, top = (picture.width - side) / 2, (picture.height - side) / 2
square = picture.resize((SIZE, SIZE), Image.Resampling.BICUBIC, (left, top, left + side, top + side), 2.0)""",
    "stretch": "square = picture.resize((SIZE, SIZE), Image.Resampling.BICUBIC, None, 2.0)",
    "pad": """scale = SIZE / max(picture.size)
fitted = picture.resize([max(1, round(side * scale)) for side in picture.size], Image.Resampling.BICUBIC, None, 2.0)
square = Image.new("RGB", (SIZE, SIZE), (127, 127, 127))
square.paste(fitted, ((SIZE - fitted.width) // 2, (SIZE - fitted.height) // 2))""",
}
"""Lines of Pillow that make a square of a picture as the training did, by the name of the way."""


def python_lines(form: Format, contract: Contract) -> str:
    """Return a program that prints what the exported model says of one picture, without Budwood."""
    shown = "for label, share in sorted(zip(classes, probabilities[0]), key=lambda one: -one[1]):"
    if contract.thresholds is not None:
        shown = (
            'for label, share, least in zip(classes, probabilities[0], contract["thresholds"]):\n'
            '    share = f"{share:.4f} (from {least:.4f} on the picture has it)"'
        )
        last = "    print(label, share)"
    else:
        last = '    print(label, f"{share:.4f}")'
    return f"""import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

folder = Path(__file__).parent
contract = json.loads((folder / "contract.json").read_text(encoding="utf-8"))
classes, SIZE = contract["classes"], {contract.input.shape[1]}
picture = ImageOps.exif_transpose(Image.open(sys.argv[1])).convert("RGB")
{_SQUARES[contract.input.resize]}
pixels = np.asarray(square, np.float32)[None]
{form.code}
{shown}
{last}
"""


def render_readme(form: Format, contract: Contract, parity: Parity) -> str:
    """Return README.md of an exported model."""
    several = contract.thresholds is not None
    kind = "labels" if several else "classes"
    answer = (
        "a probability for each label, each by itself; a picture has the labels that reach their threshold"
        if several
        else "a probability for each class; they sum to 1"
    )
    low, high = (100 * end for end in parity.difference_ci95)
    size = contract.input.shape[1]
    precision = "at full precision (f32)" if parity.precision == "f32" else f"with {parity.precision}"
    paragraphs = (
        f"In go pictures as raw RGB pixels, 0 to 255, float32, `(n, {size}, {size}, 3)`: nothing is to be scaled or "
        f"normalised. Out comes {answer}. `contract.json` has the {len(contract.classes):,} {kind} in the order of the "
        "outputs, the names of input and output, and how a picture becomes a square "
        f"(`{contract.input.resize}`, bicubic, antialiased).",
        f"In the runtime of the format, {precision}, on {count(parity.photos, f'{parity.split} photo')} of "
        f"the run: the same {kind if several else 'class'} for {parity.same_answers:,} of them, and no probability "
        f"further apart than {parity.largest_difference:.1e}. {'Every label' if several else 'The class'} is right on "
        f"{percent(parity.export_correct)} of the photos, in the run on {percent(parity.run_correct)}: a difference of "
        f"{100 * parity.difference:+.1f} points ({low:.1f} to {high:.1f}, 95 % interval). `parity.json` has the "
        "figures.",
        f"A picture that shows none of the {kind} gets probabilities as well: what tells such pictures apart stays "
        "with the run.",
    )
    what, checked, limits = ("\n".join(wrap(one, 100)) for one in paragraphs)
    browser = _in_a_browser(parity) if form.name == "web" else ""
    return f"""# A classifier as {form.title}

{what}
{browser}
```shell
pip install {form.install}
python predict.py picture.jpg
```

`predict.py` needs nothing of Budwood:

```python
{python_lines(form, contract).rstrip()}
```

## How it was checked

{checked}

{limits}
"""


def _in_a_browser(parity: Parity) -> str:
    """Return how the page is opened, and what it answered when it was."""
    page = parity.page
    checked = "No browser was at hand to open the page in: its model was run by ONNX Runtime in Python alone."
    if page is not None:
        checked = (
            f"It was opened in {page.browser} with {count(page.photos, 'photo file')}: the same answer as the run for "
            f"{page.same_answers:,}, no probability further apart than {page.largest_difference:.2g}. The page makes "
            "the square as the training did, to the bit; browsers decode JPEG a little otherwise."
        )
    hosting = (
        "Any server of files can hand this folder on; opened as a file, it does nothing. Everything is computed in the "
        "browser, in one thread of WebAssembly; pictures are sent nowhere, and nothing is asked of another server. "
        f"`runtime` has ONNX Runtime Web {VERSION} (MIT licence)."
    )
    above, below = ("\n".join(wrap(one, 100)) for one in (hosting, checked))
    return f"""
```shell
python -m http.server 8000
```

and open <http://localhost:8000>.

{above}

{below}

The same model in Python:

"""
