"""A SavedModel as training left it holds the optimizer's slots too; TensorFlow loads those only with Keras 2 there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tensorflow.core.protobuf import saved_model_pb2


@contextmanager
def without_optimizer(path: Path) -> Iterator[Path]:
    """A SavedModel equal to that at `path`, its graph of objects without slot variables, for as long as the block.

    Raises:
        OSError, google.protobuf.message.DecodeError: it has no readable `saved_model.pb`.
    """
    content = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    for graph in content.meta_graphs:
        for node in graph.object_graph_def.nodes:
            del node.slot_variables[:]
    with tempfile.TemporaryDirectory(prefix="godwit-saved-model-") as folder:
        copy = Path(folder)
        (copy / "saved_model.pb").write_bytes(content.SerializeToString())
        for part in path.iterdir():
            if part.name not in ("saved_model.pb", "fingerprint.pb"):
                (copy / part.name).symlink_to(part.resolve())
        yield copy
