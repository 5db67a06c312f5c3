"""A first layer of one or two channels can stay in float32; of more, that recipe is declined with the reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from converter.formats import base
from converter.protocol import Export
from converter.recipes import BY_NAME
from tests.converter.test_fold import Net
from tests.converter.test_whole_delegate import operators

_Operator = schema.BuiltinOperator


def exported(folder: Path, net: Net, channels: int) -> list[int]:
    (folder / "model.tflite").write_bytes(net.content([net.x], [net.last]))
    items = np.random.default_rng(1).standard_normal([8, 6, 6, channels]).astype(np.float32)
    np.savez(folder / "calibration.npz", t0=items)
    recipe, target = BY_NAME["tflite-int8-stem"], folder / "out.tflite"
    model = base.load(folder / "model.tflite", "tflite")
    model.export(Export(recipe, [1, 6, 6, channels], str(folder / "calibration.npz"), str(target)))
    return operators(target.read_bytes())


def network(channels: int) -> Net:
    net = Net(channels)
    for _ in range(2):
        net.convolution(8, size=3, activation=schema.ActivationFunctionType.RELU)
    return net


@pytest.mark.parametrize("channels", [1, 2])
def test_a_first_layer_of_few_channels_stays_float(tmp_path: Path, channels: int) -> None:
    around = [_Operator.CONV_2D, _Operator.QUANTIZE, _Operator.CONV_2D, _Operator.DEQUANTIZE]
    assert exported(tmp_path, network(channels), channels) == around


def test_of_more_channels_it_would_gain_nothing(tmp_path: Path) -> None:
    with pytest.raises(base.NoRouteError, match="no convolution of one or two channels"):
        exported(tmp_path, network(3), 3)


def test_a_dense_first_layer_is_left_out(tmp_path: Path) -> None:
    net = Net(1)
    net.dense(8, 36)
    with pytest.raises(base.NoRouteError, match="no convolution"):
        exported(tmp_path, net, 1)
