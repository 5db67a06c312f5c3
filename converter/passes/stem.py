"""The layer that reads a model's input, where int8 makes it slower than float.

XNNPACK's int8 convolutions multiply four or eight input channels at a time, and fill up with zeros where
there are fewer: of a gray image or a spectrogram most of the first layer's products are by zero. DS-CNN
(keyword spotting, 1 channel) takes 0.73 of float's time in int8 throughout, and 0.65 with its first layer in
float32, which has 8 % of its weights; from 3 channels on it gains nothing (ResNet8: 0.31 and 0.32).
"""

from __future__ import annotations

from ai_edge_litert import schema_py_generated as schema

from converter.passes.tflite_graph import code

MOST_CHANNELS = 2
_MULTIPLIES = (
    schema.BuiltinOperator.CONV_2D,
    schema.BuiltinOperator.DEPTHWISE_CONV_2D,
    schema.BuiltinOperator.FULLY_CONNECTED,
)


def narrow_stem(content: bytes) -> str:
    """Name of the output of a float model's first layer, if that is a convolution of so few channels; else empty."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    first = next((operator for operator in graph.operators if code(model, operator) in _MULTIPLIES), None)
    if first is None or code(model, first) != schema.BuiltinOperator.CONV_2D:
        return ""
    channels = graph.tensors[first.inputs[0]].shape[-1]
    return str(graph.tensors[first.outputs[0]].name.decode()) if channels <= MOST_CHANNELS else ""
