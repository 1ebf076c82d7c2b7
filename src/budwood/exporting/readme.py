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
_PICTURE = """if len(sys.argv) != 2:
    sys.exit("give one picture: python predict.py picture.jpg")
try:
    with Image.open(sys.argv[1]) as file:
        if file.mode.startswith(("I", "F")):
            sys.exit("more than 8 bits a channel: bring the values to 0 to 255 first, see levels in contract.json")
        file.draft(None, (2 * SIZE, 2 * SIZE))
        picture = ImageOps.exif_transpose(file)
except OSError as error:
    sys.exit(f"no picture can be read there: {error}")
if picture.mode == "RGB" and (profile := picture.info.get("icc_profile")):
    try:
        profiles = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
        picture = ImageCms.profileToProfile(picture, *profiles, ImageCms.Intent.RELATIVE_COLORIMETRIC, flags=0x2000)
    except (ImageCms.PyCMSError, OSError):
        pass
if picture.has_transparency_data:
    picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture.convert("RGBA"))
picture = picture.convert("RGB")"""
"""Lines of Pillow that read a picture as the training did: upright, in sRGB, what is transparent on white."""
_OTHERS = """far, most = float(answers["distance"][0, 0]), contract["distance"]["threshold"]
if far > most:
    print(f"none of these (distance {far:.3f}, at most {most:.3f} expected)")
"""
"""Lines that say so where a picture shows none of the classes."""


def python_lines(form: Format, contract: Contract, below: str = "") -> str:
    """Return a program that prints what the exported model says of one picture, without Budwood.

    `below` is where the model lies in its folder, as Python says it: `"1" / `, or nothing.
    """
    code = form.code.replace("folder / ", f"folder / {below}")
    if contract.thresholds is None:
        shown = (
            'for share, label in sorted(zip(answers["probabilities"][0], classes), reverse=True):\n'
            '    print(f"{share:.4f}  {label}")'
        )
    else:
        shown = (
            'for share, label, least in zip(answers["probabilities"][0], classes, contract["thresholds"]):\n'
            "    print(f\"{share:.4f}  {label}  ({'yes' if share >= least else 'no'}, from {least:.4f})\")"
        )
    return f"""import io
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, __version__

if int(__version__.split(".")[0]) < 13:
    sys.exit("Pillow 13 or later is needed, older ones scale a picture in another order: pip install -U pillow")
folder, SIZE = Path(__file__).parent, {contract.input.shape[1]}
contract = json.loads((folder / "contract.json").read_text("utf-8", "surrogateescape"))
if contract["format"] != {contract.format} or contract["exported_as"] != "{form.name}":
    sys.exit("contract.json is of another export than this program: export the model again")
classes = [label if label.isprintable() else ascii(label) for label in contract["classes"]]
sys.stdout.reconfigure(errors="backslashreplace")

{_PICTURE}
{_SQUARES[contract.input.resize]}
pixels = np.asarray(square, np.float32)[None]

{code}
{_OTHERS if contract.distance else ""}{shown}
"""


def render_readme(form: Format, contract: Contract, parity: Parity, below: str = "") -> str:
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
        f"{100 * parity.difference:+.1f} points ({low:.1f} to {high:.1f}, 95 % interval). {_missing(parity)}"
        f"{_speed(parity)}`parity.json` has the figures.",
        _others(contract, parity, kind),
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
{python_lines(form, contract, below).rstrip()}
```

## How it was checked

{checked}

{limits}
"""


def _missing(parity: Parity) -> str:
    if not parity.missing:
        return ""
    whole = f"{parity.photos + parity.missing:,} {parity.split} photos"
    return (
        f"The run has {whole}; {parity.missing:,} of them were not found, and nothing was compared on them. "
    )


def _speed(parity: Parity) -> str:
    """Return what fewer bits did to the time that a picture takes."""
    speed = parity.speed
    if speed is None:
        return ""
    slower = f"{parity.precision} is slower there. " if parity.precision == "int8" and speed.slower else ""
    return (
        f"A picture took {speed.milliseconds:.1f} ms on the machine that exported, and "
        f"{speed.f32_milliseconds:.1f} ms at full precision. {slower}"
    )


def _in_a_browser(parity: Parity) -> str:
    """Return how the page is opened, and what it answered when it was."""
    page = parity.page
    checked = "No browser was at hand to open the page in: its model was run by ONNX Runtime in Python alone."
    if page is not None:
        checked = (
            f"It was opened in {page.browser} with {count(page.photos, 'photo file')}: the same answer as the run for "
            f"{page.same_answers:,}, no probability further apart than {page.largest_difference:.2g}. The page makes "
            "the square as the training did, to the bit. Of JPEGs whose short side has more than four times the pixels "
            "of the square the training took a copy at a fraction of the size, which no browser does: a probability "
            "may differ by some hundredths."
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


def _others(contract: Contract, parity: Parity, kind: str) -> str:
    """Return what is known of pictures that show none of the classes."""
    if contract.distance is None or parity.distance is None:
        return (
            f"A picture that shows none of the {kind} gets probabilities as well: the run cannot tell such pictures "
            "apart."
        )
    return (
        f"A picture that shows none of the {kind} gets probabilities as well; the second output, `distance`, says how "
        f"far it lies from photos that were learned from. Beyond {contract.distance.threshold:.4g} it shows none of "
        f"them: of new photos of the {kind} {percent(contract.distance.acceptance, 0)} lie nearer. Of the same photos "
        f"the run and this model took {parity.distance.same_side:,} of {parity.photos:,} the same way."
    )
