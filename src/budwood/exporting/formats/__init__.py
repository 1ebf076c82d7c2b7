"""Every format that a model can be exported to, by its name."""

from collections.abc import Mapping

from budwood.core.errors import RunError, did_you_mean
from budwood.exporting.formats.format import Format
from budwood.exporting.formats.keras_file import KerasFile
from budwood.exporting.formats.litert_file import LiteRtFile
from budwood.exporting.formats.onnx_file import OnnxFile
from budwood.exporting.formats.openvino_ir import OpenVinoIr
from budwood.exporting.formats.saved_model import SavedModel
from budwood.exporting.formats.web_page import WebPage

FORMATS: Mapping[str, Format] = {
    form.name: form for form in (OpenVinoIr(), OnnxFile(), LiteRtFile(), SavedModel(), KerasFile(), WebPage())
}


def find_format(name: str) -> Format:
    """Return a format by its name. Raise RunError where there is none, with the nearest name."""
    if name not in FORMATS:
        raise RunError(
            f"no format {name!r}.{did_you_mean(name, list(FORMATS))} There are {', '.join(FORMATS)}"
        )
    return FORMATS[name]
