"""Logs for TensorBoard: scalars of every epoch. To look at them TensorBoard is needed, to write them it is not."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol


class Log(Protocol):
    """Takes a row of a history at the end of its epoch."""

    def __call__(self, row: Mapping[str, Any]) -> None: ...


@contextmanager
def open_log(folder: Path | None) -> Iterator[Log]:
    """Write rows of a history into `folder/train` and `folder/validation`, or nowhere.

    The names are those of Keras's own callback: `epoch_loss`, `epoch_accuracy` and so on in both, so that TensorBoard
    draws the two curves into one picture.
    """
    if folder is None:
        yield lambda row: None
        return
    import tensorflow as tf

    with ExitStack() as stack:
        writers = {}
        for part in ("train", "validation"):
            writers[part] = tf.summary.create_file_writer(str(folder / part))
            stack.callback(writers[part].close)

        def write(row: Mapping[str, Any]) -> None:
            for key, value in row.items():
                part = "validation" if key.startswith("val_") else "train"
                if key != "epoch":
                    with writers[part].as_default():
                        # What tf.summary.scalar does, which needs TensorBoard installed.
                        tf.summary.write(
                            f"epoch_{key.removeprefix('val_')}",
                            tf.constant(value, tf.float32),
                            step=row["epoch"],
                            metadata=_scalar(tf),
                        )
            for writer in writers.values():
                writer.flush()

        yield write


def _scalar(tf: Any) -> Any:
    v1 = tf.compat.v1
    plugin = v1.SummaryMetadata.PluginData(plugin_name="scalars")
    return v1.SummaryMetadata(plugin_data=plugin, data_class="DATA_CLASS_SCALAR")
