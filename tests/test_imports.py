"""What an import loads."""

import subprocess
import sys


def test_import__loads_no_tensorflow():
    heavy = {"tensorflow", "keras", "sklearn", "numpy"}
    code = f"import sys, budwood, budwood.cli; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
