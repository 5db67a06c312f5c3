"""Which operators LiteRT's GPU delegate takes, before there is any GPU to ask.

The model analyzer in TensorFlow's and LiteRT's wheels cannot tell: since TensorFlow 2.19 its check is
gone, and it calls every model compatible (tensorflow/tensorflow issue 77042; seen with 2.21 and LiteRT
2.3.0 on a model with a WHILE). So this is the list of the delegate's own check,
`CheckGpuDelegateCompatibility` in tensorflow/lite/tools/versioning/gpu_compatibility.cc, by operator. That
check looks at shapes and types too: what is listed here may still be left to the CPU on a device.
"""

from __future__ import annotations

from pathlib import Path

_NAMES = """
ABS ADD ADD_N ATAN2 AVERAGE_POOL_2D BATCH_MATMUL CAST CEIL CONCATENATION CONV_2D COS CUMSUM DENSIFY
DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE DIV DYNAMIC_UPDATE_SLICE ELU EMBEDDING_LOOKUP EQUAL EXP FLOOR
FLOOR_DIV FLOOR_MOD FULLY_CONNECTED GATHER GELU GREATER GREATER_EQUAL HARD_SWISH LEAKY_RELU LESS LESS_EQUAL LOG
LOGICAL_AND LOGISTIC LSTM MAXIMUM MAX_POOL_2D MEAN MINIMUM MIRROR_PAD MUL NEG NOT_EQUAL ONE_HOT PACK PAD PADV2
POW PRELU QUANTIZE REDUCE_MAX REDUCE_MIN REDUCE_PROD RELU RELU6 RELU_N1_TO_1 RESHAPE RESIZE_BILINEAR
RESIZE_NEAREST_NEIGHBOR RSQRT SELECT SELECT_V2 SIGN SIN SLICE SOFTMAX SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARE
SQUARED_DIFFERENCE STABLEHLO_CLAMP STRIDED_SLICE SUB SUM TANH TILE TRANSPOSE TRANSPOSE_CONV
"""
_TAKEN = frozenset(_NAMES.split())


def not_taken(path: Path) -> list[str]:
    """Operators of a .tflite file that the delegate leaves to the CPU, each once, sorted."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    # Old files carry the deprecated code only.
    codes = (max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes)
    return sorted({names[code] for code in codes} - _TAKEN)
