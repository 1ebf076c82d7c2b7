"""Which epochs can be had again, without Keras."""

import json

import numpy as np

from budwood.training.kept_epochs import STATE, kept_epochs


def write(file, epoch):
    state = np.frombuffer(json.dumps({"epoch": epoch}).encode(), np.uint8)
    np.savez(file, **{STATE: state, "weights": np.zeros(3)})


def test_kept_epochs__of_all_phases(tmp_path):
    for name, epoch in (("frozen-0002", 2), ("frozen-best", 1), ("finetune-best", 3), ("finetune-last", 9)):
        write(tmp_path / f"{name}.npz", epoch)
    (tmp_path / "frozen.keras").write_bytes(b"no checkpoint")
    found = kept_epochs(tmp_path)
    assert {epoch: file.name for epoch, file in found.items()} == {
        1: "frozen-best.npz",
        2: "frozen-0002.npz",
        3: "finetune-best.npz",
    }
    assert kept_epochs(tmp_path / "nowhere") == {}


def test_kept_epochs__damaged_files_are_left_out(tmp_path):
    write(tmp_path / "whole.npz", 1)
    content = (tmp_path / "whole.npz").read_bytes()
    (tmp_path / "half.npz").write_bytes(content[: len(content) // 2])
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "text.npz").write_bytes(b"no checkpoint")
    np.savez(tmp_path / "other.npz", weights=np.zeros(3))
    np.savez(tmp_path / "list.npz", **{STATE: np.frombuffer(b'{"epoch": null}', np.uint8)})
    np.savez(tmp_path / "broken.npz", **{STATE: np.frombuffer(b"{", np.uint8)})
    assert kept_epochs(tmp_path) == {1: tmp_path / "whole.npz"}
