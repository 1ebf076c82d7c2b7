import pytest

from budwood.exporting.contract import Contract
from budwood.exporting.phone import readme_lines
from tests.exporting.test_contract import INFO


@pytest.mark.parametrize("threshold", [0.25, None])
def test_readme_lines__name_what_the_contract_has(threshold):
    contract = Contract.of(INFO, exported_as="litert", threshold=threshold, files={}, versions={})
    lines = readme_lines(contract)
    assert "Untried" in lines and lines.count("```") == 4 and "{{" not in lines
    for name in ("pixels", "probabilities", "serving_default"):
        assert f'"{name}"' in lines
    assert ('"distance"' in lines) == ("> 0.25" in lines) == (threshold is not None)
    assert "FloatArray(2)" in lines and "[1, 2]" in lines and "width: 64" in lines and "`pad`" in lines
