"""Slim .onnx files: smaller, the same bits, and refused where that cannot be shown."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from converter.passes import slim_onnx
from converter.passes.quantize_onnx import OnnxQuantizer
from converter.passes.same_onnx import difference
from converter.recipes import BY_NAME
from tests.converter.conftest import MODELS, images

ITEMS = (images(20)[..., np.newaxis] / 255).astype(np.float32)


def tiny() -> onnx.ModelProto:
    """With a batch of 1."""
    model = onnx.load(MODELS / "tiny-float32.onnx")
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    return model


@pytest.fixture(scope="module")
def quantizer() -> OnnxQuantizer:
    return OnnxQuantizer(tiny())


def made_by(quantizer: OnnxQuantizer, name: str) -> onnx.ModelProto:
    return quantizer.quantized(BY_NAME[name], "", ITEMS)


def with_branches() -> onnx.ModelProto:
    """y = x + weights where the sum of x is positive, x - weights elsewhere; the branches have names of their own."""

    def branch(kind: str) -> Any:
        output = helper.make_tensor_value_info("chosen", TensorProto.FLOAT, (1, 4))
        nodes = [
            helper.make_node(kind, ["x_as_it_came", "weights_that_are_shared"], ["inside_the_branch"]),
            helper.make_node("Relu", ["inside_the_branch"], ["chosen"]),
        ]
        return helper.make_graph(nodes, kind, [], [output])

    nodes = [
        helper.make_node("Identity", ["x"], ["x_as_it_came"]),
        helper.make_node("ReduceSum", ["x_as_it_came"], ["total_of_x"], keepdims=0),
        helper.make_node("Greater", ["total_of_x", "a_constant_zero"], ["whether"]),
        helper.make_node("If", ["whether"], ["y"], then_branch=branch("Add"), else_branch=branch("Sub")),
    ]
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 4)) for name in ("x", "y")]
    constants = {"weights_that_are_shared": np.ones(4, np.float32), "a_constant_zero": np.float32(0)}
    tensors = [numpy_helper.from_array(np.asarray(each), name) for name, each in constants.items()]
    graph = helper.make_graph(nodes, "g", ports[:1], ports[1:], tensors, doc_string="to be read by people")
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("name", ["onnx-float16", "onnx-int8", "onnx-int8-dynamic", "onnx-int4-weights"])
def test_it_is_smaller_and_gives_the_same_bits(quantizer: OnnxQuantizer, name: str) -> None:
    model = made_by(quantizer, name)
    slim = slim_onnx.proven(model, ITEMS)
    onnx.checker.check_model(slim, full_check=True)
    assert slim.ByteSize() < model.ByteSize() - 1000
    assert difference(model.SerializeToString(), slim.SerializeToString(), ITEMS) == ""
    for before, after in ((model.graph.input, slim.graph.input), (model.graph.output, slim.graph.output)):
        assert [value.name for value in before] == [value.name for value in after]
    assert max(len(name) for node in slim.graph.node for name in node.input if name != "image") <= 2


def test_branches_stay_connected() -> None:
    model = with_branches()
    items = np.random.default_rng(2).normal(0, 1, (10, 4)).astype(np.float32)
    slim = slim_onnx.proven(model, items)
    onnx.checker.check_model(slim, full_check=True)
    assert b"branch" not in slim.SerializeToString().replace(b"then_branch", b"").replace(b"else_branch", b"")
    assert b"people" not in slim.SerializeToString()


def test_equal_constants_are_written_once() -> None:
    model = with_branches()
    twin = numpy_helper.from_array(np.ones(4, np.float32), "twin")
    model.graph.initializer.append(twin)
    next(iter(model.graph.node[3].attribute)).g.node[0].input[1] = "twin"
    other = numpy_helper.from_array(np.ones((1, 4), np.float32), "of_another_shape")
    model.graph.initializer.append(other)
    model.graph.node.insert(0, helper.make_node("Identity", ["of_another_shape"], ["unused"]))
    slim = slim_onnx.slimmed(model)
    assert sorted(tuple(tensor.dims) for tensor in slim.graph.initializer) == [(), (1, 4), (4,)]


def test_a_slim_file_stays_as_it_is(quantizer: OnnxQuantizer) -> None:
    slim = slim_onnx.slimmed(made_by(quantizer, "onnx-int8"))
    assert slim_onnx.slimmed(slim).SerializeToString() == slim.SerializeToString()
    with pytest.raises(slim_onnx.DeclinedError, match="no less"):
        slim_onnx.proven(slim, ITEMS)


def test_another_answer_is_noticed(quantizer: OnnxQuantizer) -> None:
    model = made_by(quantizer, "onnx-int8")
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    scale = next(tensor for tensor in changed.graph.initializer if tensor.data_type == TensorProto.FLOAT)
    scale.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(scale) * np.float32(1.2), scale.name))
    told = difference(model.SerializeToString(), changed.SerializeToString(), ITEMS)
    assert told == "ONNX Runtime would give other answers, optimised"


def test_other_nodes_are_noticed() -> None:
    model, changed = with_branches(), with_branches()
    changed.graph.node[0].output[0] = "x_again"
    changed.graph.node.insert(1, helper.make_node("Identity", ["x_again"], ["x_as_it_came"]))
    items = np.ones((2, 4), np.float32)
    told = difference(model.SerializeToString(), changed.SerializeToString(), items)
    assert told == "ONNX Runtime would run other nodes of it, as written"


def test_functions_are_not_carried_over() -> None:
    model = with_branches()
    opsets = [helper.make_opsetid("", 17)]
    nodes = [helper.make_node("Relu", ["a"], ["b"])]
    model.functions.append(helper.make_function("mine", "Rectify", ["a"], ["b"], nodes, opsets))
    with pytest.raises(slim_onnx.DeclinedError, match="functions"):
        slim_onnx.slimmed(model)


def test_the_same_model_gives_the_same_bytes(quantizer: OnnxQuantizer) -> None:
    again = OnnxQuantizer(tiny())
    for name in ("onnx-int8", "onnx-int8-dynamic", "onnx-float16", "onnx-a16w8"):
        first, second = (slim_onnx.slimmed(made_by(each, name)) for each in (quantizer, again))
        assert first.SerializeToString() == second.SerializeToString(), name
