"""Small .tflite files, written operator by operator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from converter.passes.sharing import packed

_TYPES = {"float32": schema.TensorType.FLOAT32, "int32": schema.TensorType.INT32, "int8": schema.TensorType.INT8}


class OneGraph:
    """A model that grows: tensors are known by their place, and operators run in the order they are added."""

    def __init__(self) -> None:
        self._model = schema.ModelT(version=3, buffers=[schema.BufferT()], operatorCodes=[], metadata=[])
        self._graph = schema.SubGraphT(tensors=[], operators=[])
        self._model.subgraphs = [self._graph]

    def tensor(self, shape: Sequence[int]) -> int:
        """A float activation."""
        return self._add(shape, "float32", 0)

    def constant(self, content: Any) -> int:
        """Numbers that are known."""
        self._model.buffers.append(schema.BufferT(data=np.frombuffer(content.tobytes(), np.uint8)))
        return self._add(content.shape, content.dtype.name, len(self._model.buffers) - 1)

    def operator(self, code: int, inputs: Sequence[int], outputs: Sequence[int], options: Any = None) -> None:
        """One more, of version 1."""
        self._model.operatorCodes.append(
            schema.OperatorCodeT(deprecatedBuiltinCode=min(code, 127), builtinCode=code, version=1)
        )
        place = len(self._model.operatorCodes) - 1
        added = schema.OperatorT(place, np.array(inputs, np.int32), np.array(outputs, np.int32))
        if options is not None:
            added.builtinOptions = options
            kind = type(options).__name__.removesuffix("T")
            added.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        self._graph.operators.append(added)

    def content(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """The file."""
        self._graph.inputs, self._graph.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
        return packed(self._model)

    def _add(self, shape: Sequence[int], dtype: str, buffer: int) -> int:
        name = b"t%d" % len(self._graph.tensors)
        tensor = schema.TensorT(shape=np.array(shape, np.int32), type=_TYPES[dtype], buffer=buffer, name=name)
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1
