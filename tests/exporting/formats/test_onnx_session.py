import numpy as np
import pytest

from budwood.exporting.formats.onnx_session import open_session


def test_open_session__with_the_threads_of_this_process(tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("a", "b")]
    graph = helper.make_graph([helper.make_node("Neg", ["a"], ["b"])], "small", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    monkeypatch.setenv("BUDWOOD_THREADS", "3")
    for given in (tmp_path / "model.onnx", model.SerializeToString()):
        session = open_session(given)
        assert session.get_session_options().intra_op_num_threads == 3
        assert session.run(["b"], {"a": np.ones(1, np.float32)})[0] == -1
