import pytest

from budwood.core.errors import RunError
from budwood.exporting.formats import FORMATS
from budwood.exporting.formats.format import Format, refuse_missing_modules


def test_formats__are_formats_under_their_names():
    assert all(isinstance(form, Format) and form.name == name for name, form in FORMATS.items())


@pytest.mark.parametrize("name", list(FORMATS))
def test_code__is_python(name):
    compile(FORMATS[name].code, name, "exec")
    assert "answers =" in FORMATS[name].code and "pixels" in FORMATS[name].code


def test_refuse_missing_modules__says_what_to_install():
    class Odd(type(FORMATS["keras"])):
        name = "odd"
        runs_with = ("no_such_module_here",)

    with pytest.raises(
        RunError, match=r"needs no_such_module_here, which is not installed: .*'budwood\[odd\]'"
    ):
        refuse_missing_modules(Odd())
