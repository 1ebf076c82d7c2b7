import hashlib
import pickle
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.backbones.lite_weights import MAGIC, read_checkpoint
from budwood.core.errors import WeightsError

STORED = np.arange(6, dtype="<f4")


def pickled(value) -> bytes:
    """The opcodes that put `value` on the stack."""
    return pickle.dumps(value, 2)[2:-1]


def checkpoint(
    shape=(2, 3), strides=(1, 2), offset=0, kind=b"FloatStorage", call=b"torch._utils\n_rebuild_tensor_v2"
):
    """A state dict of one tensor "kernel", written opcode by opcode as PyTorch writes it, without PyTorch."""
    ordered_dict = b"ccollections\nOrderedDict\n)R"
    storage = b"(" + pickled("storage") + b"ctorch\n" + kind + b"\n"
    storage += pickled("key") + pickled("cpu") + pickled(6) + b"NtQ"
    numbers = pickled(offset) + pickled(shape) + pickled(strides)
    tensor = b"c" + call + b"\n(" + storage + numbers + b"\x89" + ordered_dict + b"tR"
    tensors = b"\x80\x02" + ordered_dict + b"(" + pickled("kernel") + tensor + b"u."
    header = b"".join(pickle.dumps(value, 2) for value in (MAGIC, 1001, {"little_endian": True}))
    return header + tensors + pickle.dumps(["key"], 2) + (6).to_bytes(8, "little") + STORED.tobytes()


@pytest.fixture
def write(tmp_path):
    def write(content: bytes):
        (tmp_path / "weights.pth").write_bytes(content)
        return tmp_path / "weights.pth"

    return write


def test_read_checkpoint__honours_strides(write):
    tensors = read_checkpoint(write(checkpoint(strides=(1, 2))))
    np.testing.assert_array_equal(tensors["kernel"], [[0, 2, 4], [1, 3, 5]])


def test_read_checkpoint__honours_plain_order_and_offset(write):
    tensors = read_checkpoint(write(checkpoint(shape=(2, 2), strides=(2, 1), offset=1)))
    np.testing.assert_array_equal(tensors["kernel"], [[1, 2], [3, 4]])


def test_read_checkpoint__scalar(write):
    assert read_checkpoint(write(checkpoint(shape=(), strides=(), offset=5)))["kernel"] == 5


def test_read_checkpoint__needs_no_torch(write):
    read_checkpoint(write(checkpoint()))
    assert "torch" not in sys.modules


@pytest.mark.parametrize(
    "tensor",
    [
        {"offset": 1},
        {"offset": -1},
        {"strides": (-1, 2)},
        {"shape": (2, -3)},
        {"shape": (2, 3, 4)},
        {"shape": (1 << 40, 1 << 20), "strides": (0, 0)},
        {"shape": (7,), "strides": (0,)},
    ],
)
def test_read_checkpoint__refuses_tensors_beyond_their_storage(write, tensor):
    with pytest.raises(WeightsError, match="damaged"):
        read_checkpoint(write(checkpoint(**tensor)))


@pytest.mark.parametrize(
    "call", [b"os\nsystem", b"builtins\neval", b"torch\nload", b"torch._utils\n_rebuild_tensor"]
)
def test_read_checkpoint__refuses_every_other_function(write, call):
    name = call.decode().replace("\n", ".")
    with pytest.raises(WeightsError, match=f"refused: it asks to load `{name}`"):
        read_checkpoint(write(checkpoint(call=call)))


def test_read_checkpoint__runs_nothing(write, tmp_path):
    mark = tmp_path / "ran"

    class Hostile:
        def __reduce__(self):
            return mark.touch, ()

    with pytest.raises(WeightsError, match="refused"):
        read_checkpoint(write(pickle.dumps(Hostile(), 2)))
    assert not mark.exists()


def test_read_checkpoint__refuses_an_unknown_number_type(write):
    with pytest.raises(WeightsError, match=r"torch\.QUInt8Storage"):
        read_checkpoint(write(checkpoint(kind=b"QUInt8Storage")))


def test_read_checkpoint__checks_the_hash(write):
    content = checkpoint()
    assert read_checkpoint(write(content), hashlib.sha256(content).hexdigest())
    changed = content[:-1] + bytes([content[-1] ^ 1])
    with pytest.raises(WeightsError, match="not the genuine file"):
        read_checkpoint(write(changed), hashlib.sha256(content).hexdigest())


@given(st.integers(0, len(checkpoint()) - 1))
def test_read_checkpoint__cut_short_anywhere(tmp_path_factory, length):
    file = tmp_path_factory.getbasetemp() / "short.pth"
    file.write_bytes(checkpoint()[:length])
    with pytest.raises(WeightsError):
        read_checkpoint(file)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a checkpoint", checkpoint() + b"more"])
def test_read_checkpoint__refuses_other_files(write, content):
    with pytest.raises(WeightsError, match=r"weights\.pth is damaged or not a PyTorch checkpoint"):
        read_checkpoint(write(content))


def test_read_checkpoint__missing_file(tmp_path):
    with pytest.raises(WeightsError, match="no weights file"):
        read_checkpoint(tmp_path / "none.pth")
